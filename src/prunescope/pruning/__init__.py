"""Pruning methods by name. A method is a module of ``prunescope.pruning.methods`` with a function ``procedure``.

Other packages add methods through the entry point group ``prunescope.methods`` (name = module), a
script or notebook through ``register``. Listing names imports no method.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.levels import Procedure, Setting

Method = Callable[["Setting"], "Procedure"]

_registered: dict[str, Method] = {}


def method_names() -> list[str]:
    """Every value that ``prune.method`` takes, sorted."""
    return sorted({*_built_in(), *_registered, *(point.name for point in _points())})


def is_method(name: str) -> bool:
    """Whether ``prune.method`` takes ``name``."""
    return name in _built_in() or name in method_names()


def find_method(name: str) -> Method:
    """The procedure of a method: a function from a Setting to a generator of levels.

    Raises KeyError for an unknown name.
    """
    if name in _registered:
        return _registered[name]
    found: Method = _module(name).procedure
    return found


def about_method(name: str) -> str:
    """What a method is: the first line of its module's docstring, of a registered procedure's own.

    Imports the method. Raises KeyError for an unknown name.
    """
    documented = _registered[name] if name in _registered else _module(name)
    return (documented.__doc__ or "").strip().partition("\n")[0]


def register(name: str) -> Callable[[Method], Method]:
    """Make a procedure known as ``prune.method=name`` in this process: a decorator."""

    def keep(method: Method) -> Method:
        _registered[name] = method
        return method

    return keep


def _module(name: str) -> Any:
    if name in _built_in():
        return import_module(f"prunescope.pruning.methods.{_built_in()[name]}")
    return {point.name: point for point in _points()}[name].load()


def _built_in() -> dict[str, str]:
    """Module by method name: the files of ``methods/``, underscores written as dashes."""
    folder: Any = import_module("prunescope.pruning.methods")
    return {module.name.replace("_", "-"): module.name for module in iter_modules(folder.__path__)}


def _points() -> Any:
    return entry_points(group="prunescope.methods")
