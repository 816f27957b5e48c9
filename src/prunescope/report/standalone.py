"""Render pages that stand alone: one HTML text with its style and scripts, whose policy forbids all else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from prunescope.files import advising, check_writable, write_text
from prunescope.report.page_place import check_page_place


def write_page(out: Path, make: Callable[[], str], what: str) -> Path:
    """Write the HTML that ``make`` returns to a file, and return its path.

    ``what``: what the page is called where it cannot be written. Raises InputError for a folder, for a file that is no
    page, and where the file cannot be written, which is asked before the page is made, because that takes its time.
    """
    check_page_place(out, what)
    with advising(out, "--out"):
        out.parent.mkdir(parents=True, exist_ok=True)
        check_writable(out)
        write_text(out, make())
    return out


def render(
    package: str,
    values: Mapping[str, object],
    scripts: Sequence[str] = (),
    styles: Sequence[str] = ("page.css",),
) -> str:
    """Return the page that a package's ``page.html.j2`` makes of ``values``, with its ``styles`` and its ``scripts``.

    The template extends ``shell.html.j2`` and fills the block ``body``; ``values`` must have a ``title``. A script or
    style of another package is written ``package:name``.
    """
    from jinja2 import DictLoader, Environment

    templates = {
        "shell.html.j2": _text("prunescope.report", "shell.html.j2"),
        "page.html.j2": _text(package, "page.html.j2"),
    }
    # The templates mark style, script and data as safe: the first two are files of this package, and
    # as_script leaves no character in the data that could end its element.
    style, script = ("\n".join(_of(package, name) for name in names) for names in (styles, scripts))
    policy = {"style": style, "style_hash": _hash(style), "script": script, "script_hash": _hash(script)}
    page = Environment(autoescape=True, loader=DictLoader(templates)).get_template("page.html.j2")
    return page.render(policy | dict(values))


def as_script(data: object) -> str:
    """Return JSON that may stand inside a script element, whatever the strings in it hold."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def as_base64(data: bytes) -> str:
    """Return bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def _of(package: str, name: str) -> str:
    """Return the text of a file of a package, or of another one where its name says so."""
    other, _, file = name.rpartition(":")
    return _text(other or package, file)


def _text(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text("utf-8")


def _hash(text: str) -> str:
    """Return the source expression of Content-Security-Policy that allows just this text."""
    return f"'sha256-{as_base64(hashlib.sha256(text.encode()).digest())}'"
