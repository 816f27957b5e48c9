"""Checkpoints in the layout of flax, written without flax: maps, lists, texts, numbers, and arrays as its extension 1.

Their bytes are those of `flax.serialization.msgpack_serialize`, which tests/tensors/test_msgpack_file.py compares where
flax is installed.
"""

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(value: Any) -> bytes:
    """Return a value of dicts, lists, texts, numbers, None and arrays as bytes of msgpack."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        return _text(value.encode())
    if isinstance(value, bytes):
        return _sized(value, (0xC4, 0xC5, 0xC6))
    if isinstance(value, complex):
        return extension(2, packed([value.real, value.imag]))
    if isinstance(value, np.generic):
        return extension(3, _array(np.asarray(value)))
    if isinstance(value, np.ndarray):
        return extension(1, _array(value))
    if isinstance(value, BFloat16):
        return extension(1, _described(value.array.shape, "bfloat16", value.bytes))
    if isinstance(value, dict):
        inside = b"".join(packed(key) + packed(one) for key, one in value.items())
        return _counted(len(value), 0x80, 0xDE) + inside
    return _counted(len(value), 0x90, 0xDC) + b"".join(map(packed, value))


class BFloat16:
    """An array of float32 that is written as bfloat16: the upper half of the bytes of each number."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array, np.float32)
        self.bytes = (self.array.view(np.uint32) >> 16).astype("<u2").tobytes()


def chunked(array: NDArray[Any], size: int) -> dict[str, Any]:
    """Return an array as flax writes one that is too large for one piece: in pieces of ``size`` numbers."""
    pieces = [array.ravel()[start : start + size] for start in range(0, array.size, size)]
    return {
        "__msgpack_chunked_array__": True,
        "shape": {str(axis): length for axis, length in enumerate(array.shape)},
        "chunks": {str(number): piece for number, piece in enumerate(pieces)},
    }


def extension(kind: int, data: bytes) -> bytes:
    """Return an extension of msgpack of this kind with these bytes."""
    fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}
    if len(data) in fixed:
        return bytes([fixed[len(data)], kind]) + data
    if len(data) < 1 << 8:
        return bytes([0xC7, len(data), kind]) + data
    if len(data) < 1 << 16:
        return struct.pack(">BHB", 0xC8, len(data), kind) + data
    return struct.pack(">BIB", 0xC9, len(data), kind) + data


def _array(array: NDArray[Any]) -> bytes:
    return _described(array.shape, array.dtype.name, array.tobytes())


def _described(shape: tuple[int, ...], name: str, data: bytes) -> bytes:
    return packed([list(shape), name, data])


def _whole(value: int) -> bytes:
    if 0 <= value < 128 or -32 <= value < 0:
        return struct.pack(">b" if value < 0 else ">B", value)
    for code, form in ((0xCC, ">B"), (0xCD, ">H"), (0xCE, ">I"), (0xCF, ">Q")):
        if 0 <= value < 256 ** struct.calcsize(form):
            return bytes([code]) + struct.pack(form, value)
    for code, form in ((0xD0, ">b"), (0xD1, ">h"), (0xD2, ">i"), (0xD3, ">q")):
        if -value <= 256 ** struct.calcsize(form) // 2:
            return bytes([code]) + struct.pack(form, value)
    raise ValueError(value)


def _text(data: bytes) -> bytes:
    return bytes([0xA0 + len(data)]) + data if len(data) < 32 else _sized(data, (0xD9, 0xDA, 0xDB))


def _sized(data: bytes, codes: tuple[int, int, int]) -> bytes:
    for code, form in zip(codes, (">B", ">H", ">I"), strict=True):
        if len(data) < 256 ** struct.calcsize(form):
            return bytes([code]) + struct.pack(form, len(data)) + data
    raise ValueError(len(data))


def _counted(count: int, few: int, many: int) -> bytes:
    if count < 16:
        return bytes([few + count])
    return struct.pack(">BH", many, count) if count < 1 << 16 else struct.pack(">BI", many + 1, count)
