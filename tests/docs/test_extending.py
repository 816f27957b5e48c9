"""docs/extending.md, followed word for word: run with `pytest tests/docs/test_extending.py`."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

import prunescope.pruning
from prunescope.cli import main
from prunescope.errors import InputError
from prunescope.pruning import check_method, method_names, methods

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text("utf-8")
NAME = "magnitude-increase"
MODULE = "prunescope.pruning.methods.magnitude_increase"
SMALL = [
    "data.patches=400", "data.validation=100", "data.heldout=100", "data.size=16", "network.hidden=[12,12]",
    "train.steps=12", "train.batch=16", "train.eval_every=6", "prune.rewind_step=2", "run.threads=1",
]  # fmt: skip


def block(language: str, after: str) -> str:
    """The first block of a language below a line that holds ``after``."""
    _, found, rest = PAGE.partition(after)
    assert found
    opened = re.search(rf"```{language}\n(.*?)```", rest, re.DOTALL)
    assert opened
    return opened[1]


METHOD = block("python", "### 1. Write the file")


@pytest.fixture
def as_a_file(tmp_path, monkeypatch):
    """The method as a file of a folder of prunescope.pruning.methods."""
    told = re.search(r"`src/prunescope/pruning/methods/(\w+\.py)`:", PAGE)
    assert told
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / told[1]).write_text(METHOD, "utf-8")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    importlib.invalidate_caches()
    yield
    sys.modules.pop(MODULE, None)
    vars(methods).pop("magnitude_increase", None)


def test_the_method_is_not_built_in():
    assert NAME not in method_names()
    with pytest.raises(InputError, match="no pruning method 'magnitude-increase'"):
        check_method(NAME)


def test_the_steps_as_told(as_a_file, tmp_path, images_file, monkeypatch, capsys):
    names: dict[str, object] = {}
    exec(block("python", "### 2. Write its test"), names)
    tests = {name: value for name, value in names.items() if name.startswith("test_")}
    assert len(tests) == 2
    fixtures = {"images_file": images_file, "tmp_path": tmp_path / "tested"}
    for test in tests.values():
        wanted = inspect.signature(test).parameters
        test(**{name: fixtures[name] for name in wanted})

    monkeypatch.chdir(tmp_path)
    [command] = block("console", "### 3. Run it").splitlines()
    with pytest.raises(SystemExit) as stopped:
        main([*shlex.split(command)[1:], *SMALL])
    assert not stopped.value.code
    path = Path(capsys.readouterr().out.splitlines()[-1])
    assert (path / "level-002" / "masks.safetensors").is_file()

    with pytest.raises(SystemExit):
        main(["list", "--methods"])
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == method_names()
    [line] = [line for line in listed if line.startswith(NAME)]
    assert line.split(None, 1)[1] == METHOD.splitlines()[0].strip('"').rstrip(".")


def test_registered_in_a_script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prunescope.pruning, "_registered", {})
    names: dict[str, object] = {}
    exec(METHOD, names)
    script = block("python", "In a script or a notebook")
    small = ", ".join(map(repr, SMALL))
    exec(script.replace('ps.run("quickstart", ', f'ps.run("quickstart", {small}, '), names)
    assert names["run"].levels == [0, 1]
    assert prunescope.pruning.about_method(NAME) == (
        "Train, keep what grew most of all hidden weights, rewind, train; again for each density."
    )


def test_an_entry_point_of_another_package(tmp_path, monkeypatch):
    told = tomllib.loads(block("toml", "In a package of your own"))
    [(group, points)] = told["project"]["entry-points"].items()
    about = tmp_path / "my_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (about / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "__init__.py").touch()
    (tmp_path / "my_package" / "magnitude_increase.py").write_text(METHOD, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert NAME in method_names()
        check_method(NAME)
        assert prunescope.pruning.find_method(NAME).__module__ == "my_package.magnitude_increase"
        assert prunescope.pruning.about_method(NAME).startswith("Magnitude increase: ")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
            del sys.modules[name]
