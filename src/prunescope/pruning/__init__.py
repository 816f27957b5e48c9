"""Pruning methods by name. A method is a module of ``prunescope.pruning.methods`` with ``procedure`` and ``TRAITS``.

Other packages add methods through the entry point group ``prunescope.methods`` (name = module), a
script or notebook through ``register``. Listing names imports no method.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from prunescope.errors import InputError, did_you_mean
from prunescope.pruning.traits import Traits, unstated

if TYPE_CHECKING:
    from prunescope.training.levels import Procedure, Setting

Method = Callable[["Setting"], "Procedure"]

_registered: dict[str, tuple[Method, Traits]] = {}


def method_names() -> list[str]:
    """Every value that ``prune.method`` takes, sorted."""
    return sorted({*_built_in(), *_registered, *(point.name for point in _points())})


def is_method(name: str) -> bool:
    """Whether ``prune.method`` takes ``name``."""
    return name in _built_in() or name in method_names()


def check_method(name: str) -> None:
    """Raise InputError where ``prune.method`` does not take ``name``; asked when a run starts, never when one is read."""
    if not is_method(name):
        hint = did_you_mean(name, method_names(), f"methods are {', '.join(method_names())}")
        raise InputError(f"prune.method: no pruning method {name!r}: {hint}")


def find_method(name: str) -> Method:
    """The procedure of a method: a function from a Setting to a generator of levels.

    Raises KeyError for an unknown name.
    """
    if name in _registered:
        return _registered[name][0]
    found: Method = _module(name).procedure
    return found


def find_traits(name: str) -> Traits:
    """What the rest of the program must know of a method: the ``TRAITS`` beside its procedure, those registered with it.

    Those of ``unstated`` where it has none, is not known here or cannot be imported: reading a run needs no method.
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


def about_method(name: str) -> str:
    """What a method is: the first line of its module's docstring, of a registered procedure's own.

    Imports the method. Raises KeyError for an unknown name.
    """
    documented = _registered[name][0] if name in _registered else _module(name)
    return (documented.__doc__ or "").strip().partition("\n")[0]


def register(name: str, traits: Traits | None = None) -> Callable[[Method], Method]:
    """Make a procedure known as ``prune.method=name`` in this process: a decorator."""

    def keep(method: Method) -> Method:
        _registered[name] = method, traits or unstated(name)
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
