"""Sparse matrices as `scipy.sparse.save_npz` stores them: CSR, CSC, COO, BSR and DIA."""

from __future__ import annotations

import math
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.errors import InputError
from prunescope.mask import LARGE_BYTES
from prunescope.memory import check_memory
from prunescope.npy import read_header
from prunescope.tensors.named_tensor import NamedTensor, Rows, check_axes, check_numbers
from prunescope.tensors.printable import shown

# The arrays that a file of SciPy holds beside others.
HELD = frozenset({"format.npy", "shape.npy", "data.npy"})


def is_of_scipy(archive: zipfile.ZipFile) -> bool:
    """Return whether an archive of arrays is one sparse matrix."""
    return set(archive.namelist()) >= HELD


def scipy_tensor(path: Path, archive: zipfile.ZipFile) -> NamedTensor:
    """Return the matrix in a file as a sparse tensor.

    Raises InputError for a file that is no matrix of 2 axes, and for one that does not fit into memory.
    """
    size, kind = 0, "float64"
    for record in archive.infolist():
        with archive.open(record) as part:
            axes, _, dtype = read_header(part)
        if dtype.hasobject:
            raise InputError(f"{path}: refused, it holds pickled objects")
        if record.filename == "data.npy":
            kind = dtype.name
        needed = math.prod(axes) * dtype.itemsize
        if needed > record.file_size:
            raise InputError(f"{path}: damaged ({shown(record.filename)} is shorter than its header says)")
        size += needed
    if size > LARGE_BYTES:
        # The arrays, and the matrix of rows that is made of them.
        check_memory(4 * size, f"{path}: a sparse matrix")
    with archive.open("shape.npy") as part:
        shape = np.lib.format.read_array(part, allow_pickle=False)
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or shape.min() < 0:
        raise InputError(f"{path}: a mask must have 2 axes [n_out, n_in], this sparse array has {shape.size}")
    found = int(shape[0]), int(shape[1])
    return NamedTensor(path.stem, found, kind, partial(_stored_rows, path, found), is_sparse=True)


def _stored_rows(path: Path, shape: tuple[int, int]) -> Rows:
    import scipy.sparse

    check_axes(shape)
    matrix = scipy.sparse.load_npz(path)
    check_numbers(matrix.dtype)
    # Indices outside the matrix would be written outside its memory; not all formats are checked where they are loaded.
    if hasattr(matrix, "check_format"):
        matrix.check_format(full_check=True)
    rows: Any = matrix.tocsr()
    return lambda start, stop: rows[start:stop].toarray()
