"""The compiled kernels of the native engine: the module that has them, or the reason why there is none."""

import importlib
from types import ModuleType

from prunescope.errors import InputError


def kernels() -> ModuleType:
    """Load the compiled module ``prunescope.native._kernels``, and return it.

    Its classes are ``Network`` (with ``Blas``, ``Optimizer`` and ``BatchNorm``) and ``Layer``; ``instruction_sets()``
    names what this machine runs. Raises InputError, with what `why_not` says, when it cannot be loaded.
    """
    try:
        return _load()
    except ImportError as error:
        raise InputError(f"native kernels: {_reason(error)}") from error


def why_not() -> str | None:
    """Return None where the kernels can be loaded, else one line that says why not and what would help."""
    try:
        _load()
    except ImportError as error:
        return _reason(error)
    return None


def _load() -> ModuleType:
    # torch comes first, because it brings an OpenMP runtime of its own. The dynamic linker searches the loaded libraries
    # by soname, so the kernels take torch's, and one set of threads serves both. Two sets would spin against each other.
    importlib.import_module("torch")
    return importlib.import_module("prunescope.native._kernels")


def _reason(error: ImportError) -> str:
    if not (isinstance(error, ModuleNotFoundError) and error.name == "prunescope.native._kernels"):
        return f"the kernels do not load ({' '.join(str(error).split())}); reinstall prunescope"
    try:
        # A build without a compiler installs this module in place of the kernels.
        reason = importlib.import_module("prunescope.native._not_built").REASON
    except ModuleNotFoundError:
        reason = "the build at install failed, pip install --verbose shows why"
    return f"the kernels were not built ({reason}); change that and reinstall"
