"""Pickles in place of a format of arrays: told by their steps, which are read and never taken."""

from __future__ import annotations

import io
import pickletools
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from prunescope.errors import InputError
from prunescope.tensors.named_tensor import quiet
from prunescope.tensors.printable import shown

# What torch.save writes before a state dict in its format before archives.
TORCH_MAGIC = 0x1950A86A20F9469CFC6C
# The beginning of a file that is searched, and of its names how many are told.
WINDOW, MOST_STEPS, MOST_NAMES = 1 << 20, 20_000, 3
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_<]\w*>?)*")

Step = tuple[str, object]


def refuse_pickle(path: Path, file: BinaryIO) -> None:
    """Raise InputError where a file is a pickle, other than of torch.save, and name what it calls.

    Nothing of it is unpickled. The file is read from its beginning afterwards.
    """
    file.seek(0)
    steps = _steps(file.read(WINDOW))
    file.seek(0)
    if any(value == TORCH_MAGIC for _, value in steps[:3]):
        return
    names = list(dict.fromkeys(_called(steps)))
    # Any two bytes may be the beginning of a pickle, and before protocol 2 pickles had none.
    if not (steps[:1] and steps[0][0] == "PROTO" and len(steps) > 2) and not names:
        return
    more = ", …" if len(names) > MOST_NAMES else ""
    calls = f" that calls {', '.join(map(shown, names[:MOST_NAMES]))}{more} on loading" if names else ""
    raise InputError(
        f"{path}: refused, it is a pickle{calls}, and to open a pickle may run code; save its arrays as .npz, "
        'np.savez("masks.npz", **masks), or as .safetensors'
    )


def _steps(start: bytes) -> list[Step]:
    """Return the steps of a pickle, each with its argument, as far as the beginning of its file holds them."""
    steps: list[Step] = []
    with quiet(), suppress(ValueError):  # which says that it ends, or that it is no pickle
        for code, value, _ in islice(pickletools.genops(io.BytesIO(start)), MOST_STEPS):
            steps.append((code.name, value))
    return steps


def _called(steps: list[Step]) -> Iterator[str]:
    """Yield the names of the functions and classes that the steps of a pickle ask for."""
    texts: list[str] = []
    memo: dict[int, object] = {}
    last: object = None
    for name, value in steps:
        if name == "MEMOIZE":
            memo[len(memo)] = last
        elif name.endswith("PUT") and isinstance(value, int):
            memo[value] = last
        else:
            last = memo.get(value) if name.endswith("GET") and isinstance(value, int) else value
            if name in ("GLOBAL", "INST") and isinstance(value, str):
                found = value.replace(" ", ".")
            elif name == "STACK_GLOBAL" and len(texts) > 1:
                found = ".".join(texts[-2:])
            else:
                if isinstance(last, str):
                    texts.append(last)
                continue
            last = None
            if DOTTED.fullmatch(found):
                yield found
