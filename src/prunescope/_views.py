"""This module lets values of lower floors show themselves by functions of a higher one, which it is given.

A mask knows nothing of figures. The root package says, in ``prunescope/__init__.py``, which function draws one, and the
function's module is imported when something is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

_homes: dict[str, str] = {}


def provide(homes: Mapping[str, str]) -> None:
    """Take note of where views are: for the name of each, such as ``Mask.plot``, its ``module:function``."""
    _homes.update(homes)


def view(name: str) -> Callable[..., Any]:
    """Return the function that gives a view; raise KeyError for a name that was not provided."""
    module, _, function = _homes[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def text_of(name: str, value: object) -> str:
    """Return a value as text to be printed; its repr where it is not known how, as where nothing is provided."""
    return str(view(name)(value)) if name in _homes else repr(value)


def html_of(name: str, value: object) -> str:
    """Return a value as HTML for a notebook; where its view fails, its repr. Nothing is ever raised.

    A notebook shows a traceback in place of the value otherwise, of a run that is just being written too.
    """
    try:
        return str(view(name)(value))
    except Exception as error:
        import html

        said = f"{value!r} ({type(error).__name__}: {error})"
        return f"<pre>{html.escape(said[:1000])}</pre>"
