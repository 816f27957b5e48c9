"""This module says which version of the package is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """Return the version in the metadata of the installed package, or ``0+unknown`` where it is only on the path."""
    try:
        return version("prunescope")
    except PackageNotFoundError:
        return "0+unknown"


__version__ = installed()
