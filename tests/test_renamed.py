"""Modules under the names of earlier versions: run with `pytest tests/test_renamed.py`."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import prunescope
from prunescope._renamed import RENAMED, RENAMED_NAMES, current_names


@pytest.mark.parametrize("old", RENAMED)
def test_an_old_name_holds_what_its_successors_do_and_warns(old):
    name = f"prunescope.{old}"
    sys.modules.pop(name, None)
    with pytest.warns(DeprecationWarning, match=f"{name} is now prunescope.{RENAMED[old][0]}"):
        module = importlib.import_module(name)
    for home in RENAMED[old]:
        successor = importlib.import_module(f"prunescope.{home}")
        own = [
            key
            for key, value in vars(successor).items()
            if not key.startswith("_") and getattr(value, "__module__", None) == successor.__name__
        ]
        for key in own:
            assert getattr(module, key, None) is not None


def test_no_old_name_hides_a_module_that_is_there():
    package = Path(prunescope.__file__).parent
    for old in RENAMED:
        place = package / old.replace(".", "/")
        assert not place.with_suffix(".py").exists()
        assert not (place / "__init__.py").exists()


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
        ("from prunescope.driver import run as x", "from prunescope.pruning.running import run as y"),
        (
            "from prunescope.driver import Interrupted as x",
            "from prunescope.runs.driver import Interrupted as y",
        ),
        ("from prunescope.progress import silent as x", "from prunescope.runs.reporting import silent as y"),
        (
            "from prunescope.figures.style import percent as x",
            "from prunescope.analysis.formats import percent as y",
        ),
        (
            "from prunescope.data.readers import npz; x = npz.read",
            "from prunescope.data.sources.npz import read as y",
        ),
        (
            "import prunescope.data.readers.npz as m; x = m.read",
            "from prunescope.data.sources.npz import read as y",
        ),
    ],
)
def test_what_an_old_name_holds_is_what_the_new_one_does(statement, same):
    """It runs in a process of its own, where nothing was imported before."""
    code = f"{statement}\n{same}\nassert x is y"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_names_that_never_were_are_not_found():
    assert current_names("prunescope.observer") == ()
    assert current_names("levels") == ()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("prunescope.store.nothing")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_an_old_name_lacks_is_told_with_the_new_names():
    module = importlib.import_module("prunescope.store")
    with pytest.raises(AttributeError, match=r"now prunescope\.runs\.directory, has no 'Walk'"):
        _ = module.Walk


@pytest.mark.parametrize("module", RENAMED_NAMES)
def test_an_old_class_or_function_is_found_under_its_new_name(module):
    home = importlib.import_module(f"prunescope.{module}")
    old_modules = [old for old, homes in RENAMED.items() if module in homes]
    for old, new in RENAMED_NAMES[module].items():
        assert getattr(home, new) is not None
        if hasattr(type(home), "__getattr__") or "__getattr__" in vars(home):
            with pytest.warns(DeprecationWarning, match=f"{module}.{old} is now {new}"):
                assert getattr(home, old) is getattr(home, new)
        else:
            assert old_modules
        for name in old_modules:
            sys.modules.pop(f"prunescope.{name}", None)
            with pytest.warns(DeprecationWarning, match=f"{name} is now"):
                found = importlib.import_module(f"prunescope.{name}")
            assert getattr(found, old) is not None


FACE = """
import inspect
import prunescope
from prunescope import _lazy
from prunescope.observables.measure import measure

if "observe" not in prunescope.__all__:
    homes = {"observe": "observables.measure:measure", "fan_in": "observables", "Mask": "mask"}
    prunescope.__getattr__, prunescope.__dir__, prunescope.__all__ = _lazy.attach("prunescope", homes)
function = prunescope.__getattr__("observe")
mask = prunescope.Mask([[1, 0, 1], [0, 0, 1]])
"""
USED = """
result = prunescope.observe(mask, None) if function is measure else prunescope.observe(mask)
assert type(result) is type(function(mask, None) if function is measure else function(mask))
assert inspect.signature(prunescope.observe) == inspect.signature(function)
"""
OLD = """
import prunescope.observe
assert list(prunescope.observe.fan_in(mask)) == [2, 1]
from prunescope.observe import fan_in
from prunescope.observe.locality import locality
import prunescope.observe as old
assert old.fan_in is fan_in is prunescope.fan_in
"""


@pytest.mark.parametrize("order", [(USED, OLD), (OLD, USED), (USED, OLD, USED), (USED,)], ids=range(4))
def test_the_function_observe_and_the_package_it_was_live_side_by_side(order):
    code = FACE + "\n".join(order)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_observe_warns():
    code = "import warnings; warnings.simplefilter('error'); import prunescope.observe"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "DeprecationWarning: prunescope.observe is now prunescope.observables" in done.stderr
