"""The compiled kernels: where they are, or why they are not there."""

import importlib
from types import ModuleType

from prunescope.errors import InputError


def kernels() -> ModuleType:
    """The compiled module.

    Raises InputError with what `why_not` says when it cannot be loaded.
    """
    try:
        return _load()
    except ImportError as error:
        raise InputError(f"native kernels: {_reason(error)}") from error


def why_not() -> str | None:
    """None where the kernels can be loaded, else one line that says why not and what would help."""
    try:
        _load()
    except ImportError as error:
        return _reason(error)
    return None


def _load() -> ModuleType:
    # First, because torch brings an OpenMP runtime of its own: a library is looked for by its soname among the loaded
    # ones, so the kernels take torch's, and one set of threads serves both. Two sets would spin against each other.
    importlib.import_module("torch")
    return importlib.import_module("prunescope.native._kernels")


def _reason(error: ImportError) -> str:
    if not (isinstance(error, ModuleNotFoundError) and error.name == "prunescope.native._kernels"):
        return f"the kernels do not load ({' '.join(str(error).split())}); reinstall prunescope"
    try:
        # The build leaves this module in place of the kernels.
        reason = importlib.import_module("prunescope.native._not_built").REASON
    except ModuleNotFoundError:
        reason = "the build at install failed, pip install --verbose shows why"
    return f"the kernels were not built ({reason}); change that and reinstall"
