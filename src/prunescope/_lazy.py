"""This module makes packages lazy: a name is imported from its module when it is first used.

Importing a package for one name must not load torch for another. The library lazy-loader does the same, but its dir()
hides what was imported, and its variable EAGER_IMPORT, set for other packages, would load everything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

# What a package's module imports for itself.
NOT_OURS = {"TYPE_CHECKING", "annotations"}


def attach(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    ``package``: its dotted name. ``homes``: for each public name the module inside the package that holds it, written
    ``module:name`` where it has another name there. The package imports the same names under TYPE_CHECKING too, for
    type checkers. ``__getattr__`` raises AttributeError for any other name. Names such as ``__version__`` are not part of
    ``__all__``, so that ``import *`` leaves the importer's own alone.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, other = homes[name].partition(":")
        return getattr(import_module(f"{package}.{module}"), other or name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes} - NOT_OURS)

    return get, names, sorted(name for name in homes if not name.startswith("__"))
