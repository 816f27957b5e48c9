"""Modules under the names of earlier versions: run with `pytest tests/test_renamed.py`."""

import importlib
import subprocess
import sys

import pytest

from prunescope._renamed import RENAMED, current_name


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_is_the_new_module_with_a_warning(old):
    name = f"prunescope.{old}"
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"{name} is now prunescope.{RENAMED[old]}"):
        module = importlib.import_module(name)
    new = importlib.import_module(f"prunescope.{RENAMED[old]}")
    assert module is new
    assert new.__spec__.name == f"prunescope.{RENAMED[old]}"


@pytest.mark.parametrize(
    ("statement", "same"),
    [
        ("from prunescope.observe import fan_in as x", "from prunescope.observables import fan_in as y"),
        (
            "from prunescope.observe.locality import locality as x",
            "from prunescope.observables.locality import locality as y",
        ),
        ("from prunescope.levels import Level as x", "from prunescope.training.levels import Level as y"),
        ("from prunescope.tables import compare as x", "from prunescope.analysis import compare as y"),
        ("import prunescope.store; x = prunescope.store.Run", "from prunescope import Run as y"),
    ],
)
def test_what_an_old_name_holds_is_what_the_new_one_does(statement, same):
    """In a process of its own, where nothing was imported before."""
    code = f"{statement}\n{same}\nassert x is y"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_names_that_never_were_are_not_found():
    assert current_name("prunescope.observer") is None
    assert current_name("levels") is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("prunescope.store.nothing")
