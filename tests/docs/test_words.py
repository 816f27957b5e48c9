"""Words, class names, citations and docstrings of the package: run with `pytest tests/docs/test_words.py`."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "prunescope").rglob("*.py"))
TEXTS = sorted(
    path
    for place in ("src", "tests", "docs", "benchmarks", "tools", "cmake")
    for path in (ROOT / place).rglob("*")
    if path.suffix in (".py", ".pyi", ".md", ".toml", ".cpp", ".hpp", ".js", ".css", ".j2", ".cmake")
) + [ROOT / name for name in ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "CMakeLists.txt")]
RETIRED = re.compile(
    r"\b(crews?|members?|child|hands?|handed|beacons?|rooms?|boards?|look|looks|looked|looking)\b",
    re.I,
)
# What others call so: pseudo-classes of CSS, Ray's environment, and an array's name in checkpoints of earlier versions.
OTHERS = re.compile(r":?[a-z]+-child\b|RAY_\w+|^STORED = .*")
# These name what earlier versions called things, or list the words themselves.
EXEMPT = {"src/prunescope/_renamed.py", "tests/test_renamed.py", "tests/docs/test_words.py"}
HEADINGS = set(re.findall(r"^#+ (.+)$", (ROOT / "docs" / "science.md").read_text("utf-8"), re.M))


def documented(path):
    """The module, classes and functions of a file that have a docstring, with it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            yield node, ast.get_docstring(node)


def test_a_class_name_occurs_once():
    found = defaultdict(list)
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path.name)
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_retired_words_do_not_come_back(path):
    if str(path.relative_to(ROOT)) in EXEMPT:
        return
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert [
        f"{number}: {line}"
        for number, line in lines
        if RETIRED.search(OTHERS.sub("", line).replace("_", " "))
    ] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_citation_names_a_heading_that_is_there(path):
    text = " ".join(path.read_text("utf-8").split())
    assert "SCIENCE" not in text
    for headings in re.findall(r'docs/science\.md,? ((?:(?:and |, )?"[^"]+")+)', text):
        for heading in re.findall(r'"([^"]+)"', headings):
            assert heading in HEADINGS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_things_say_what_they_are_or_do(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module) or (isinstance(node, ast.ClassDef) and not node.name.startswith("_")):
            assert ast.get_docstring(node), getattr(node, "name", "module")
    for node, text in documented(path):
        if isinstance(node, ast.FunctionDef) and not _is_property(node):
            first = text.split()[0].strip(",.:;")
            assert re.fullmatch(r"[A-Z][a-z]+(-[a-z]+)?", first), (node.name, text)
            assert first not in NO_VERBS, (node.name, text)


NO_VERBS = {
    *(
        "The",
        "A",
        "An",
        "Whether",
        "What",
        "How",
        "Which",
        "Where",
        "When",
        "Who",
        "Why",
        "Every",
        "Each",
        "All",
    ),
    *(
        "One",
        "Two",
        "No",
        "None",
        "Those",
        "These",
        "This",
        "That",
        "Its",
        "It",
        "In",
        "Of",
        "On",
        "At",
        "For",
        "With",
    ),
    *("From", "By", "As", "Like", "Mean", "Numbers", "Names", "Values", "Rows", "Returns", "Raises"),
}


def _is_property(node):
    names = {getattr(decorator, "id", getattr(decorator, "attr", "")) for decorator in node.decorator_list}
    return bool(names & {"property", "cached_property", "fixture"})
