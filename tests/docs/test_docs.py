"""The documentation against the code: figures have pages, commands parse, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from prunescope.cli import ray_alone
from prunescope.cli.app import app
from prunescope.errors import InputError
from prunescope.experiment import load, preset_names
from prunescope.experiment.scale import SCALES
from prunescope.export import ENDINGS
from prunescope.figures import FIGURES
from prunescope.figures.layers import LAYER_FIGURES
from prunescope.reproduce.recipes import RECIPES, recipe
from prunescope.sweep.sweep_file import read_jobs
from prunescope.track.upload import SINKS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FIGURE_PAGES = DOCS / "figures"
CLI: Any = typer.main.get_command(app)
OWN_METHOD = "prune.method=magnitude-increase"  # which docs/extending.md adds


def blocks(text: str) -> Iterator[str]:
    """The lines of code blocks, fenced or indented."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    return [line for line in blocks(text) if re.match(r"prunescope [a-z]+( |$)", line)]


def patterns(text: str) -> list[str]:
    """Commands within sentences, where words may stand for others: ``prunescope run EXPERIMENT --seed 0 … 4``."""
    return re.findall(r"`(prunescope [a-z][^`]*)`", prose(text))


def verb_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words after ``prunescope`` name, and its arguments."""
    if words[0] not in CLI.commands:
        raise InputError(f"no verb {words[0]!r}")
    command = CLI.commands[words[0]]
    if hasattr(command, "commands"):
        if words[1] not in command.commands:
            raise InputError(f"no verb {words[1]!r} of {words[0]}")
        return command.commands[words[1]], words[2:]
    return command, words[1:]


def check(line: str, page: str = "") -> None:
    """Parse a command line as it stands and check the names in it; raises what is wrong with it."""
    words = shlex.split(line, comments=True)[1:]
    command, arguments = verb_of(words)
    given = command.make_context(words[0], ray_alone(list(arguments))).params
    fields = [field for field in given.get("overrides") or [] if field != OWN_METHOD]
    source = str(given["source"]) if words[0] == "sweep" else ""
    if source.endswith(".toml"):
        assert f"# {Path(source).name}" in page, f"{source} is not shown on the page"
    elif source:
        read_jobs(source, fields, given["seeds"])
    elif "experiment" in given:
        load(given["experiment"], fields)
    if words[0] == "figure":
        known(given["figure"])
    elif words[0] == "reproduce":
        check_reproduce(given)
    if words[0] == "export":
        assert given["to"] in ENDINGS
    for tracker in [given.get("to") if words[0] == "track" else None, *(given.get("track") or [])]:
        assert tracker is None or tracker.partition("=")[0] in SINKS


def check_reproduce(given: dict[str, Any]) -> None:
    assert given["scale"] in SCALES
    fields = [f"scale={given['scale']}", *(word for word in given["figures"] if "=" in word)]
    for figure in (word for word in given["figures"] if "=" not in word and word != "all"):
        for need in recipe(figure):
            load(need.preset, [*fields, *need.overrides])


def check_pattern(span: str) -> None:
    """The verb and options of a command within a sentence, and those names in it that stand for themselves."""
    words = span.replace("…", " ").split()[1:]
    command, arguments = verb_of(words)
    options = {name for option in command.params for name in (*option.opts, "--help")}
    for word in arguments:
        if word.startswith("--"):
            assert word in options, f"{span}: no option {word}"
    names = [word for word in arguments if re.fullmatch(r"[a-z0-9][\w./-]*", word)]
    if words[0] == "run" and names:
        assert names[0] in preset_names(), f"{span}: no preset {names[0]}"
    if words[0] in ("figure", "reproduce") and names and names[0] != "all":
        known(names[0])


# What docs/extending.md adds, which tests/docs/test_extending.py draws.
ADDED = ("unread",)


def known(figure: str) -> None:
    if figure not in (*FIGURES, *LAYER_FIGURES, *ADDED):
        raise InputError(f"no figure {figure!r}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_commands_parse(page: Path) -> None:
    text = page.read_text("utf-8")
    for line in commands(text):
        check(line, text)
    for span in patterns(text):
        check_pattern(span)


def test_commands_are_found() -> None:
    found = {line.split()[1] for page in PAGES for line in commands(page.read_text("utf-8"))}
    assert {"run", "sweep", "table", "compare", "figure", "reproduce", "track", "data"} <= found
    assert len([span for page in PAGES for span in patterns(page.read_text("utf-8"))]) > len(FIGURES)


@pytest.mark.parametrize(
    "line",
    [
        "prunescope draw 1a RUN",
        "prunescope data show FOLDER",
        "prunescope figure 1a RUN --level 3",
        "prunescope figure 1z RUN",
        "prunescope run no-such-preset",
        "prunescope run quickstart train.stepz=3",
        "prunescope run quickstart --seed one",
        "prunescope reproduce 1z --scale mini",
        "prunescope reproduce 1a --scale tiny",
        "prunescope reproduce 1a --scale mini train.stepz=3",
        "prunescope sweep quickstart train.stepz=[1,2]",
        "prunescope sweep absent.toml",
        "prunescope track runs --to nothing",
    ],
)
def test_wrong_commands_are_noticed(line: str) -> None:
    usage = typer.BadParameter.__mro__[1]
    with pytest.raises((InputError, AssertionError, usage)):
        check(line)


@pytest.mark.parametrize(
    "span", ["prunescope draw", "prunescope run x", "prunescope run --sed 1", "prunescope figure 1z"]
)
def test_wrong_patterns_are_noticed(span: str) -> None:
    with pytest.raises((InputError, AssertionError)):
        check_pattern(span)


def index() -> dict[str, tuple[str, str, str]]:
    """Title, command and page of each row of the index of figures."""
    text = (FIGURE_PAGES / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\w-]+) \| (.*) \| `(.*)` \| \[.*\]\((.*)\) \|$", text, re.MULTILINE)
    return {name: (title, command, page) for name, title, command, page in rows}


def test_every_figure_has_a_page_in_the_index() -> None:
    rows = index()
    assert rows.keys() == FIGURES.keys() | LAYER_FIGURES.keys()
    known_figures = FIGURES | LAYER_FIGURES
    for figure, (title, command, page) in rows.items():
        assert title == known_figures[figure].title
        assert figure in command.split()
        drawn = [line.split() for line in commands((FIGURE_PAGES / page).read_text("utf-8"))]
        for verb in ("figure", "reproduce"):
            if verb == "reproduce" and (figure == "2a" or figure in LAYER_FIGURES):
                continue  # these need no run
            assert any(words[1] == verb and figure in words for words in drawn), f"{page}: {verb} {figure}"


def test_every_page_is_in_an_index() -> None:
    listed = {page for _, _, page in index().values()}
    assert listed == {page.name for page in FIGURE_PAGES.glob("*.md")} - {"README.md"}
    overview = {target for _, target in links(DOCS / "README.md")}
    pages = {page.name for page in DOCS.iterdir() if page.suffix in (".md", ".ipynb")} - {"README.md"}
    assert overview == pages | {"figures/README.md"}


def test_pages_name_what_recipes_need() -> None:
    for figure in RECIPES:
        text = (FIGURE_PAGES / index()[figure][2]).read_text("utf-8")
        for need in recipe(figure):
            assert f"`{need.preset}`" in text, f"figure {figure} needs {need.preset}"


def links(page: Path) -> list[tuple[str, str]]:
    """Text and target of a page's links; code is no link."""
    text = re.sub(r"`[^`\n]*`", "", prose(page.read_text("utf-8")))
    return re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", text)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", prose(page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for text, target in links(page):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"[{text}]({target})"
        if anchor:
            assert anchor in anchors(file), f"[{text}]({target}): no such heading"


def unquoted(words: str) -> list[str]:
    """The words of a command with ``=`` that zsh or bash would read otherwise: they need quotes.

    Paths as ``runs/quickstart-*/seed-*`` are for the shell to expand.
    """
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", words)
    return [word for word in bare.split() if re.search(r"=.*[][*?{}()<>|&!]|=~", word)]


def helped(command: Any) -> Iterator[str]:
    """The help texts of a command, of its options and arguments, and of the commands below it."""
    yield from (text for text in (command.help, command.epilog) if text)
    yield from (parameter.help for parameter in command.params if getattr(parameter, "help", None))
    for below in getattr(command, "commands", {}).values():
        yield from helped(below)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_need_no_quotes_in_any_shell(page: Path) -> None:
    text = page.read_text("utf-8")
    inline = re.findall(r"`(\"?[a-z]+\.[a-z_]+=[^`]*)`", prose(text))
    for line in commands(text) + [span for span in patterns(text) if "[KEY" not in span]:
        assert not unquoted(line), f"{line}: put the words with brackets in quotes"
    for span in inline:
        # In a sentence a single field may stand for itself; several are typed as they stand.
        assert " " not in span or not unquoted(span), span


def test_help_texts_quote_lists() -> None:
    texts = list(helped(CLI))
    assert sum("=" in text for text in texts) > 3
    for text in texts:
        assert not unquoted(text), text


@pytest.mark.parametrize(
    "line", ["run a train.lr=[1,2]", "run a data.root=~/x", "run a data.root=x*", "data.task=a?", "a.b={x}"]
)
def test_words_that_need_quotes_are_noticed(line: str) -> None:
    assert unquoted(line)
    assert not unquoted(f'"{line}"')
