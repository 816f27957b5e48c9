"""The BLAS for dense products: it is found at run time, by the addresses of its Fortran entry points."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from prunescope.errors import InputError


@dataclass(frozen=True)
class Blas:
    """The entry points of a BLAS, as addresses in this process.

    ``name`` says where it comes from; ``sgemm`` is the address of ``sgemm_`` with 32-bit integers; ``set_threads`` that
    of a call that sets the calling thread's number of threads and returns the number before, or 0 where there is none.
    ``narrow`` is the address of a product of bfloat16 numbers with float32 sums, or 0 where there is none or this
    processor has no AMX: on others it is slower than ``sgemm``. ``packing`` has those of ``sgemm_pack_get_size_``,
    ``sgemm_pack_`` and ``sgemm_compute_``, by which several products share a packed operand, or zeros.
    """

    name: str
    sgemm: int
    set_threads: int
    narrow: int = 0
    packing: tuple[int, int, int] = (0, 0, 0)


@lru_cache(maxsize=1)
def find_blas() -> Blas:
    """Return the BLAS inside torch where its library exports one (MKL on x86), else SciPy's.

    Both are reached by the names of the Fortran interface, which no C++ ABI changes. Taking SciPy's limits its threads
    to one in this process. The search is made once. Raises InputError when there is neither.
    """
    return _in_torch() or _in_scipy()


def _in_torch() -> Blas | None:
    import torch

    for name in ("libtorch_cpu.so", "libtorch_cpu.dylib"):
        path = Path(torch.__file__).parent / "lib" / name
        if not path.exists():
            continue
        library = ctypes.CDLL(str(path))
        if hasattr(library, "sgemm_") and hasattr(library, "MKL_Set_Num_Threads_Local"):
            return Blas(
                "MKL in torch",
                sgemm=_address(library.sgemm_),
                set_threads=_address(library.MKL_Set_Num_Threads_Local),
                narrow=_narrow_product(library),
                packing=_packing(library),
            )
    return None


def _narrow_product(library: ctypes.CDLL) -> int:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    found = capabilities.get("amx_bf16", False) and hasattr(library, "gemm_bf16bf16f32_")
    return _address(library.gemm_bf16bf16f32_) if found else 0


def _packing(library: ctypes.CDLL) -> tuple[int, int, int]:
    try:
        size, pack, compute = library.sgemm_pack_get_size_, library.sgemm_pack_, library.sgemm_compute_
    except AttributeError:
        return 0, 0, 0
    return _address(size), _address(pack), _address(compute)


def _in_scipy() -> Blas:
    from scipy.linalg import cython_blas
    from threadpoolctl import threadpool_limits

    try:
        capsule = cython_blas.__pyx_capi__["sgemm"]
    except (AttributeError, KeyError):
        raise InputError("no BLAS with sgemm found in torch or SciPy: use run.engine=torch") from None
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    # The kernels divide their products over threads themselves.
    threadpool_limits(limits=1, user_api="blas")
    return Blas("SciPy's BLAS", get_pointer(capsule, get_name(capsule)), 0)


def _address(function: ctypes._NamedFuncPointer) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
