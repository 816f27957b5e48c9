"""Tests follow docs/extending.md word for word: run with `pytest tests/docs/test_extending.py`."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import polars
import pytest

import prunescope.pruning
import tiny
from prunescope.analysis.groups import groups
from prunescope.cli import main
from prunescope.errors import InputError
from prunescope.figures import extra
from prunescope.pruning import check_method, method_names, methods
from prunescope.pruning.running import run
from prunescope.runs import extra_columns

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text("utf-8")
NAME = "magnitude-increase"
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
FILES = {  # by the folder that the page names, a package's
    "src/prunescope/pruning/methods": methods,
    "src/prunescope/runs/extra_columns": extra_columns,
    "src/prunescope/figures/extra": extra,
}


def files():
    """(folder, file name, contents) of every file of the package that the page has written."""
    told = re.findall(r"`(src/prunescope/[\w/]+)/(\w+\.py)`:\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert [folder for folder, *_ in told] == list(FILES)
    return told


@pytest.fixture
def as_files(tmp_path, monkeypatch):
    """What the page adds, as files of folders that the packages search too."""
    made = []
    for folder, name, contents in files():
        package, place = FILES[folder], tmp_path / Path(folder).name
        place.mkdir()
        (place / name).write_text(contents, "utf-8")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(place)])
        made.append((package, Path(name).stem))
    importlib.invalidate_caches()
    yield
    for package, name in made:
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)


def follow(after, fixtures):
    """Run the tests of the block below ``after``; how many there were."""
    names: dict[str, object] = {}
    exec(block("python", after), names)
    tests = {name: value for name, value in names.items() if name.startswith("test_")}
    for number, test in enumerate(tests.values()):
        own = fixtures | {"tmp_path": fixtures["tmp_path"] / f"{Path(after).name}-{number}"}
        own["tmp_path"].mkdir(parents=True)
        test(**{name: own[name] for name in inspect.signature(test).parameters})
    return len(tests)


def printed(capsys, *command):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, command)))
    assert not stopped.value.code
    return capsys.readouterr().out


def test_the_method_is_not_built_in():
    assert NAME not in method_names()
    with pytest.raises(InputError, match="no pruning method 'magnitude-increase'"):
        check_method(NAME)


def test_the_steps_as_told(as_files, tmp_path, images_file, monkeypatch, capsys):
    fixtures = {"images_file": images_file, "tmp_path": tmp_path / "tested"}
    assert follow("`tests/pruning/test_magnitude_increase.py`", fixtures) == 2
    assert follow("`tests/runs/extra_columns/test_unread_share.py`", fixtures) == 2
    assert follow("`tests/figures/extra/test_unread.py`", fixtures) == 2

    monkeypatch.chdir(tmp_path)
    [command] = block("console", "### 3. Run it").splitlines()
    words = [*shlex.split(command)[1:], *SMALL]
    priced = printed(capsys, *words, "--dry-run")
    assert re.search(r"^levels +3,", priced, re.MULTILINE)
    assert "assumed" not in priced
    path = Path(printed(capsys, *words).splitlines()[-1])
    assert (path / "level-002" / "masks.safetensors").is_file()

    listed = printed(capsys, "list", "--methods").splitlines()
    assert [line.split()[0] for line in listed] == method_names()
    [line] = [line for line in listed if line.startswith(NAME)]
    assert line.split(None, 1)[1] == METHOD.splitlines()[0].strip('"').rstrip(".")

    page = Path(printed(capsys, "report", path).strip()).read_text("utf-8")
    assert "all weights are pruned but the 10 % and 1 % that grew most and the rest rewound to step 2" in page
    assert "inputs that nothing reads" in page
    assert "unread_share" in polars.read_parquet(printed(capsys, "table", "runs").strip()).columns
    assert "inputs that nothing reads of layer 1 at the best, %" in printed(capsys, "compare", "runs")
    assert re.search(
        r"^ *unread  Inputs that nothing reads", printed(capsys, "list", "--figures"), re.MULTILINE
    )
    [draw] = block("console", "### 3. Draw it").splitlines()
    drawn = printed(capsys, *shlex.split(draw)[1:3], path)
    assert [Path(line).suffix for line in drawn.splitlines()] == [".pdf", ".png", ".csv"]


def test_a_run_is_shown_and_drawn_where_its_method_is_not_installed(as_files, tmp_path, images_file, capsys):
    data = {"root": str(images_file)}
    made = [
        run(tiny.experiment(data=data, prune={"method": NAME, "density": [0.3, 0.1]}), out=tmp_path / "runs"),
        run(tiny.experiment(data=data), out=tmp_path / "runs"),
    ]
    for package, name in ((methods, "magnitude_increase"), (extra_columns, "unread_share")):
        sys.modules.pop(f"{package.__name__}.{name}", None)
        vars(package).pop(name, None)
        package.__path__.pop()
    assert NAME not in method_names()
    assert run(made[0].experiment, out=tmp_path / "runs").path == made[0].path  # done: nothing to do
    assert [group.label for group in groups(made)] == ["magnitude increase", "IMP"]
    assert "that grew most" in Path(printed(capsys, "report", made[0].path).strip()).read_text("utf-8")
    assert "unread_share" in printed(capsys, "show", made[0].path, "--json")
    assert printed(capsys, "figure", "methods", *(one.path for one in made), "--out", tmp_path / "drawn")
    with pytest.raises(SystemExit) as stopped:
        main(["run", "quickstart", f"prune.method={NAME}", "--dry-run"])
    assert stopped.value.code == 2
    assert f"no pruning method '{NAME}'" in capsys.readouterr().err


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
        "Yield a dense level, then for each density one that keeps the hidden weights that grew most, rewound."
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
        assert prunescope.pruning.about_method(NAME).startswith("Magnitude increase keeps ")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
            del sys.modules[name]


def test_the_pages_code_passes_the_checks(tmp_path):
    """As it stands: whoever copies it finds `make check` content."""
    root = Path(__file__).parents[2]
    blocks = re.findall(r"`((?:src|tests)/[\w/]+\.py)`[^\n]*\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 6
    for path, code in blocks:
        for command in (["format", "--check"], ["check"]):
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(root / path), "-"],
                input=code,
                capture_output=True,
                text=True,
                cwd=root,
            )
            assert done.returncode == 0, f"{path}: {done.stdout}{done.stderr}"
