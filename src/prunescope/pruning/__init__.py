"""Pruning methods by name. A method is a module of ``prunescope.pruning.methods`` with a function ``procedure``.

Other packages add methods through the entry point group ``prunescope.methods`` (name = module), a
script or notebook through ``register``. Listing names imports no method.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
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
    if name in _built_in():
        module: Any = import_module(f"prunescope.pruning.methods.{_built_in()[name]}")
    else:
        module = {point.name: point for point in _points()}[name].load()
    found: Method = module.procedure
    return found


def register(name: str) -> Callable[[Method], Method]:
    """Make a procedure known as ``prune.method=name`` in this process: a decorator."""

    def keep(method: Method) -> Method:
        _registered[name] = method
        return method

    return keep


def _built_in() -> dict[str, str]:
    """Module by method name: the files of ``methods/``, underscores written as dashes."""
    modules = sorted(path.stem for path in (Path(__file__).parent / "methods").glob("*.py"))
    return {module.replace("_", "-"): module for module in modules if module != "__init__"}


def _points() -> Any:
    return entry_points(group="prunescope.methods")
