"""Checks of the arguments of public functions: a value of a wrong type is refused in one line, where it enters."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import InputError

LARGEST = 2**63 - 1  # what 64 bits hold


def said(given: object) -> str:
    """Return a value as a message may name it: its repr on one line, cut where it is long."""
    text = " ".join(repr(given).split())
    return text if len(text) <= 60 else f"{text[:60]}…"


def whole(name: str, given: object, least: int = 0, most: int = LARGEST) -> int:
    """Return a whole number of ``least`` to ``most``; raise InputError, which names it ``name``, for anything else."""
    try:
        number = operator.index(given)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or isinstance(given, bool | np.bool_) or not least <= number <= most:
        right = f"{least} or more" if most == LARGEST else f"{least} to {most}"
        advice = ": give a whole number" if number is None or isinstance(given, bool) else ""
        raise InputError(f"{name} must be {right}, got {said(given)}{advice}")
    return number


def flag(name: str, given: object) -> bool:
    """Return True or False; raise InputError for anything but these, 0 and 1."""
    if isinstance(given, bool | int | np.bool_) and given in (0, 1):
        return bool(given)
    raise InputError(f"{name} is {said(given)}: give True or False")


def one_of(name: str, given: object, known: Iterable[str]) -> str:
    """Return a word that is one of those known; raise InputError for any other value."""
    words = list(known)
    if isinstance(given, str) and given in words:
        return given
    raise InputError(f"{name} is {said(given)}: give {' or '.join(words)}")


def share(name: str, given: object) -> float:
    """Return a number of 0 to 1; raise InputError for anything else."""
    try:
        number = float("nan") if isinstance(given, str | bytes | bool | np.bool_) else float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise InputError(f"{name} must lie in [0, 1], got {said(given)}")
    return number


def path_of(name: str, given: object) -> Path:
    """Return a path that is a text or a path; raise InputError for anything else."""
    try:
        text = os.fspath(given)  # type: ignore[call-overload]
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise InputError(f"{name} is {said(given)}: give a path, as text or as a pathlib.Path")
    return Path(text)


def callable_of(name: str, given: Any) -> Callable[..., Any]:
    """Return a function; raise InputError for what cannot be called."""
    if not callable(given):
        raise InputError(f"{name} is {said(given)}: give a function")
    found: Callable[..., Any] = given
    return found


def generator_of(name: str, given: object) -> np.random.Generator:
    """Return a random generator of NumPy; raise InputError for anything else."""
    if not isinstance(given, np.random.Generator):
        raise InputError(f"{name} is {said(given)}: give a random generator, as numpy.random.default_rng(0)")
    return given


def instance(name: str, given: object, kind: type[Any], advice: str) -> Any:
    """Return a value of a class; raise InputError, which ends in ``advice``, for any other."""
    if not isinstance(given, kind):
        raise InputError(f"{name} is {said(given)}: give {advice}")
    return given


def listed(name: str, given: object, advice: str) -> list[Any]:
    """Return the entries of a list, tuple, array or other collection; raise InputError for a text or a single value."""
    if isinstance(given, str | bytes | dict) or not isinstance(given, Iterable | Sequence):
        raise InputError(f"{name} is {said(given)}: give {advice}")
    try:
        return list(given)
    except TypeError:  # arrays without axes
        raise InputError(f"{name} is {said(given)}: give {advice}") from None


def wholes(name: str, given: object, count: int | None = None, least: int = 0) -> tuple[int, ...]:
    """Return whole numbers of ``least`` or more, ``count`` of them where that is told; raise InputError for anything else."""
    advice = f"{count or 'several'} whole numbers of {least} or more"
    numbers = listed(name, given, advice)
    try:
        found = tuple(whole(name, one, least) for one in numbers)
    except InputError:
        found = ()
    if len(found) != len(numbers) or len(found) != (len(found) if count is None else count):
        raise InputError(f"{name} is {said(given)}: give {advice}")
    return found


def real_array(name: str, given: Any, *, with_complex: bool = False) -> NDArray[Any]:
    """Return an array, a tensor on any device or nested lists as a NumPy array of numbers.

    Raises InputError for lists of different lengths, for what holds anything but numbers, and for complex ones unless
    ``with_complex``.
    """
    try:
        array = np.asarray(given.detach().cpu().numpy() if hasattr(given, "detach") else given)
        if array.dtype.kind == "O" and not any(one is None or isinstance(one, str) for one in array.flat):
            array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError):
        array = np.empty(0, object)
    if array.dtype.kind not in ("biufc" if with_complex else "biuf"):
        raise InputError(f"{name} must be an array of real numbers, got {said(given)}")
    return array


def indices(name: str, given: Any, count: int) -> NDArray[np.int64]:
    """Return indices of 0 to ``count`` - 1 as int64 [K]; a bool selection [count] gives those that it selects.

    Raises InputError for anything else.
    """
    array = np.atleast_1d(real_array(name, given))
    if array.dtype == np.bool_ and array.shape == (count,):
        return np.flatnonzero(array)
    if array.size == 0:
        return np.zeros(0, np.int64)
    right = array.ndim == 1 and array.dtype.kind in "iu"
    if not right or int(array.min()) < 0 or int(array.max()) >= count:
        raise InputError(f"{name} must be whole numbers that lie in 0 … {count - 1}, got {said(given)}")
    return array.astype(np.int64)


def entry_of(name: str, which: Any, entries: tuple[Any, ...]) -> Any:
    """Return the entry of a number (from 0, or from the end), or those of a slice.

    Raises InputError for what is neither, and IndexError for a number that is not there, as sequences do.
    """
    try:
        return entries[which if isinstance(which, slice) else _number(which)]
    except TypeError:
        raise InputError(f"{name} is {said(which)}: give its number, from 0, or its name") from None


def _number(given: object) -> int:
    if isinstance(given, bool | np.bool_):
        raise TypeError
    return operator.index(given)  # type: ignore[arg-type]
