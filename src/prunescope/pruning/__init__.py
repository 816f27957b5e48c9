"""Pruning methods, found by name.

A method is a module of ``prunescope.pruning.methods`` with a function ``procedure`` and its ``TRAITS``. Other
packages add methods through the entry point group ``prunescope.methods`` (name = module), scripts and notebooks
through ``register``. Listing the names imports no method. See docs/extending.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoints, entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError, did_you_mean
from prunescope.pruning.traits import Traits, unstated

if TYPE_CHECKING:
    from prunescope.training.levels import ExplainedProcedure, Setting

Method = Callable[["Setting"], "ExplainedProcedure"]

_registered: dict[str, tuple[Method, Traits]] = {}


def method_names() -> list[str]:
    """Return every value that ``prune.method`` takes, sorted."""
    return sorted({*_built_in(), *_registered, *(point.name for point in _points())})


def is_method(name: str) -> bool:
    """Return whether ``prune.method`` takes ``name``."""
    return name in _built_in() or name in method_names()


def check_method(name: str) -> None:
    """Raise InputError unless ``prune.method`` takes ``name``.

    This is checked when a run starts, but not when a run is read, since the method may not be installed then.
    """
    if not is_method(name):
        near = did_you_mean(name, method_names(), "it is none of them")
        raise InputError(
            f"prune.method: no pruning method {name!r}: {near} (prunescope list --methods names them all)"
        )


def find_method(name: str) -> Method:
    """Return the procedure of a method, a function from a Setting to a generator of levels.

    Raises KeyError for an unknown name.
    """
    if name in _registered:
        return _registered[name][0]
    found: Method = _module(name).procedure
    return found


def find_traits(name: str) -> Traits:
    """Return the traits of a method: the ``TRAITS`` of its module, or those registered with its procedure.

    A method that has none, is not known or cannot be imported has the traits of ``unstated``, so that its runs can
    be read without it.
    """
    if name in _registered:
        return _registered[name][1]
    if not is_method(name):
        return unstated(name)
    try:
        found = getattr(_module(name), "TRAITS", None)
    except ImportError:
        found = None
    return found if isinstance(found, Traits) else unstated(name)


def known_traits(name: str) -> Traits:
    """Return the traits of the method that a stored run names, without importing a module for it.

    Those of a method of another package are known once something else has imported its module; until then they are those
    of ``unstated``. So reading a run never runs the code that it names.
    """
    if name in _registered or name in _built_in():
        return find_traits(name)
    imported = any(point.name == name and point.module in sys.modules for point in _points())
    return find_traits(name) if imported else unstated(name)


def about_method(name: str) -> str:
    """Return the first line of the docstring of a method's module or of its registered procedure.

    Imports the method. Raises KeyError for an unknown name.
    """
    documented = _registered[name][0] if name in _registered else _module(name)
    return (documented.__doc__ or "").strip().partition("\n")[0]


def register(name: str, traits: Traits | None = None) -> Callable[[Method], Method]:
    """Return a decorator that makes a procedure known as ``prune.method=name`` in this process.

    traits: what the program needs to know of the method; default those of ``unstated``.
    """

    def keep(method: Method) -> Method:
        _registered[name] = method, traits or unstated(name)
        return method

    return keep


def _module(name: str) -> Any:  # modules have no static type of their contents
    if name in _built_in():
        return import_module(f"prunescope.pruning.methods.{_built_in()[name]}")
    return {point.name: point for point in _points()}[name].load()


def _built_in() -> dict[str, str]:
    """Return the module names in ``methods/`` by method name, in which underscores are dashes."""
    folder = import_module("prunescope.pruning.methods")
    return {module.name.replace("_", "-"): module.name for module in iter_modules(folder.__path__)}


def _points() -> EntryPoints:
    return entry_points(group="prunescope.methods")
