"""Packages whose names are imported on demand: run with `pytest tests/test_lazy.py`."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import prunescope

SOURCE = Path(prunescope.__file__).parent
PACKAGES = sorted(
    ".".join(("prunescope", *file.relative_to(SOURCE).parts[:-1]))
    for file in SOURCE.rglob("__init__.py")
    if "_lazy.attach(" in file.read_text("utf-8")
)


def test_there_are_some():
    assert {"prunescope", "prunescope.analysis", "prunescope.data", "prunescope.reproduce"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_and_dir_know_the_names_and_each_is_there(package):
    module = importlib.import_module(package)
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    [for_types] = [node for node in tree.body if isinstance(node, ast.If)]
    imported = {name.asname for node in for_types.body if hasattr(node, "names") for name in node.names}
    assigned = {node.targets[0].id for node in for_types.body if isinstance(node, ast.Assign)}
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    public = {name for name in imported | assigned | defined if not name.startswith("__")}
    assert public == set(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_the_package_loads_nothing_heavy(package):
    code = f"import sys, {package}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"numpy", "polars", "pydantic", "torch"} & set(done.stdout.split()) == set()


def test_a_name_may_be_another_one_in_its_module():
    assert prunescope.load is prunescope.Run
    assert "mask" in dir(prunescope)  # what was imported is there too


TRAINING = """
import numpy as np, tiny
from prunescope.model import Ticket, initial
from prunescope.training.torch.device_engine import DeviceEngine
from prunescope.training.torch.engine import TorchEngine
data = tiny.dataset()
for kind in (TorchEngine, DeviceEngine):
    engine = kind(tiny.experiment(), data.mean, data.live_pixels)
    engine.start(initial((108, 8, 3), "before", 0), Ticket.dense((108, 8, 3)))
    engine.steps([data.draw(0, 0, 0, 20)])
    engine.evaluate(data.validation)
"""
HELP = "from prunescope.cli import main; sys.argv = ['prunescope', '--help']; main()"


@pytest.mark.parametrize(
    ("code", "absent"),
    [(HELP, {"torch", "triton"}), (TRAINING, {"triton"})],
    ids=["help", "training on a CPU"],
)
def test_triton_is_for_cards(code, absent):
    last = (
        "import atexit, sys; atexit.register(lambda: print(*{name.split('.')[0] for name in sys.modules}))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", last + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "prunescope" in done.stdout.splitlines()[-1]
    assert absent & set(done.stdout.splitlines()[-1].split()) == set()
