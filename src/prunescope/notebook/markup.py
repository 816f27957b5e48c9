"""These functions write HTML for notebooks: text, tables and pictures that need no file and no script."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from prunescope.cli.plain_output import shown

LONGEST = 300  # characters of a text, such as a path; what follows is cut
MUTED = "opacity:.65;font-size:90%"
CELL = "padding:1px 8px;text-align:right;white-space:nowrap"


def text(value: object) -> str:
    """Return a value as text in HTML: escaped, without control characters, and not too long."""
    plain = shown(str(value))
    return html.escape(plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…")


def line(content: str, *, muted: bool = False) -> str:
    """Return a line of HTML; muted: in grey."""
    style = f' style="{MUTED}"' if muted else ""
    return f"<div{style}>{content}</div>"


def heading(title: object, more: object = "") -> str:
    """Return a title in bold, and what follows it."""
    return line(f"<b>{text(title)}</b> {text(more)}")


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; ``titles`` are texts, the cells of ``rows`` HTML. The first column is flush left."""
    left = CELL.replace("right", "left")

    def row(cells: Iterable[str], kind: str) -> str:
        filled = (
            f'<{kind} style="{CELL if number else left}">{cell}</{kind}>' for number, cell in enumerate(cells)
        )
        return f"<tr>{''.join(filled)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    head = row(map(text, titles), "th")
    return f'<table style="border-collapse:collapse;margin:4px 0;font-size:inherit">{head}{body}</table>'


def picture(uri: str, width: int, caption: str = "") -> str:
    """Return a picture, ``width`` pixels wide, under its caption; ``uri`` holds the picture itself."""
    image = (
        f'<img src="{uri}" alt="{text(caption)}" style="width:{width}px;image-rendering:pixelated;'
        'border:1px solid #bbb;display:block;margin:0">'
    )
    below = f'<div style="{MUTED};text-align:center">{text(caption)}</div>' if caption else ""
    return f'<div style="display:inline-block;margin:2px;vertical-align:top">{image}{below}</div>'


def folded(title: object, content: str) -> str:
    """Return what a click on its title shows."""
    return f"<details><summary>{text(title)}</summary>{content}</details>"


def card(parts: Iterable[str]) -> str:
    """Return the parts below each other as one piece of HTML."""
    return f'<div style="font-size:13px;line-height:1.4">{"".join(part for part in parts if part)}</div>'
