"""This module walks through a pickle without building anything, to learn how much it would build."""

from __future__ import annotations

import os
import pickle
import pickletools
from typing import BinaryIO

_MOST = 2_000_000  # steps; the largest file of ImageNet has about 130,000
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_ARGUMENTS = {op.code.encode("latin1"): op.arg.n if op.arg else 0 for op in pickletools.opcodes}
_LINE_BYTES = 1 << 30
_TWO_LINES = (pickle.GLOBAL, pickle.INST)
_CUT = "it ends before its last value"


def count_steps(file: BinaryIO, size: int) -> int:
    """Return the number of steps of the pickle in an open file of ``size`` bytes.

    Raises ValueError where a length that the pickle states goes beyond the file's end, where it has no end, and where
    it has more steps than images and their labels take.
    """
    steps = 0
    while True:
        code = file.read(1)
        if not code:
            raise ValueError(_CUT)
        length = _ARGUMENTS.get(code)
        if length is None:
            raise ValueError(f"step {code!r} is unknown")
        steps += 1
        if code == pickle.STOP:
            return steps
        if steps > _MOST:
            raise ValueError(f"it has more than {_MOST:,} values, which no file of images and labels has")
        if length:
            _skip(file, code, length, size)


def _skip(file: BinaryIO, code: bytes, length: int, size: int) -> None:
    """Move past the argument of a step; ``length``: its bytes, or one of the signs for how they are known."""
    if length == pickletools.UP_TO_NEWLINE:
        for _ in range(2 if code in _TWO_LINES else 1):
            if not file.readline(_LINE_BYTES).endswith(b"\n"):
                raise ValueError(_CUT)
        return
    if length < 0 or code == pickle.FRAME:  # a frame's length is that of the steps that follow
        stated = int.from_bytes(file.read(_LENGTH_BYTES.get(length, 8)), "little")
        if stated > size - file.tell():
            raise ValueError(_CUT)
        length = 0 if code == pickle.FRAME else stated
    file.seek(length, os.SEEK_CUR)
