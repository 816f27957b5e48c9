"""The floors of docs/architecture.md, and the contract that holds them: run with `pytest tests/test_floors.py`.

import-linter, in `make check`, sees every import statement, lazy ones and those for types included. What is imported by
its name it does not see: each floor is imported alone here, and must bring no floor above it.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
FLOORS = [re.split(r" \| ", floor) for floor in CONTRACTS[0]["layers"]]  # from the highest down

ALONE = """
import importlib, pkgutil, sys
import prunescope
for folder in sys.argv[1:]:
    package = importlib.import_module(f"prunescope.{folder}")
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
        if not module.name.endswith("._kernels"):
            importlib.import_module(module.name)
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("prunescope.")}))
"""


def test_the_page_shows_the_floors_in_their_order():
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawn = re.search(r"^Packages are ordered.*?\n\n(.*?)\n\n", page, re.DOTALL | re.MULTILINE)[
        1
    ].splitlines()
    drawn_floors = [re.findall(r"[a-z_]+", line[:43]) for line in drawn]
    named = [name for floor in drawn_floors for name in floor]
    assert named == [name for floor in FLOORS for name in floor]


def test_every_package_has_a_floor():
    package = ROOT / "src" / "prunescope"
    found = {
        path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert found - {"__init__"} == {name for floor in FLOORS for name in floor}


@pytest.mark.parametrize("place", range(len(FLOORS)), ids=lambda place: "-".join(FLOORS[place]))
def test_a_floor_imported_alone_brings_none_above_it(place):
    output = subprocess.run(
        [sys.executable, "-c", ALONE, *FLOORS[place]], capture_output=True, text=True, check=True
    ).stdout
    above = {name for floor in FLOORS[:place] for name in floor}
    assert above & set(output.split()) == set()


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a copy of the package's Python files, in which a test may add an import."""
    folder = tmp_path_factory.mktemp("floors")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def contract(folder):
    """Return exit status and output of import-linter on a folder's package, which hides the editable install."""
    path = os.pathsep.join([str(folder / "src"), sysconfig.get_path("platlib")])
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-S", "-c", command, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_contract_holds(copy):
    status, words = contract(copy)
    assert (status, "2 kept, 0 broken" in words) == (0, True), words


@pytest.mark.parametrize(
    "arrow",
    [
        "from prunescope.analysis.groups import groups\n",
        "def later():\n    from prunescope.analysis import groups\n    return groups\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from prunescope.analysis.groups import Group\n",
    ],
    ids=["at the top", "lazily", "for a type"],
)
def test_an_arrow_upwards_breaks_it(copy, arrow):
    file = copy / "src" / "prunescope" / "runs" / "upwards.py"
    file.write_text(arrow, "utf-8")
    try:
        status, words = contract(copy)
    finally:
        file.unlink()
    assert status == 1
    assert "prunescope.runs.upwards -> prunescope.analysis" in " ".join(words.split())


def test_an_arrow_between_packages_of_a_floor_breaks_it(copy):
    file = copy / "src" / "prunescope" / "track" / "sideways.py"
    file.write_text("from prunescope.figures import draw\n", "utf-8")
    try:
        status, words = contract(copy)
    finally:
        file.unlink()
    assert status == 1
    assert "track is not allowed to import prunescope.figures" in " ".join(words.split())


def test_an_arrow_by_name_is_seen_when_the_floor_is_imported(copy):
    file = copy / "src" / "prunescope" / "runs" / "by_name.py"
    file.write_text("import importlib\nimportlib.import_module('prunescope.analysis.formats')\n", "utf-8")
    path = os.pathsep.join([str(copy / "src"), sysconfig.get_path("platlib")])
    try:
        output = subprocess.run(
            [sys.executable, "-S", "-c", ALONE, "runs"],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        file.unlink()
    assert "analysis" in output.split()


def test_a_circle_breaks_it(copy):
    file = copy / "src" / "prunescope" / "analysis" / "formats.py"
    text = file.read_text("utf-8")
    file.write_text(
        text + "\n\ndef later():\n    from prunescope.analysis import groups\n    return groups\n", "utf-8"
    )
    try:
        status, words = contract(copy)
    finally:
        file.write_text(text, "utf-8")
    assert (status, "No circle BROKEN" in words) == (1, True)


def test_the_benchmarks_have_no_circle():
    names = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    arrows = {
        name: set(
            re.findall(
                r"^\s*(?:import|from) (\w+)",
                (ROOT / "benchmarks" / f"{name}.py").read_text("utf-8"),
                re.MULTILINE,
            )
        )
        & names
        for name in names
    }
    while arrows:
        free = {name for name, known in arrows.items() if not known & arrows.keys()}
        assert free, f"a circle among {sorted(arrows)}"
        arrows = {name: known for name, known in arrows.items() if name not in free}
