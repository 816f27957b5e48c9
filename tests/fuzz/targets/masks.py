"""Files of masks, as `prunescope observe` reads them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from fuzz.targets import Target, commands
from fuzz.targets.data import npz
from fuzz.tree import Tree


def _seeds(folder: Path) -> dict[str, Tree]:
    import torch
    from safetensors.numpy import save

    rng = np.random.default_rng(0)
    first, second = rng.random((6, 12)) < 0.4, rng.random((4, 6)) < 0.5
    weight = (rng.normal(size=(6, 12)) * first).astype(np.float32)
    stream = io.BytesIO()
    np.save(stream, first)
    named = {"a.weight_mask": first.astype(np.float32), "b.weight_mask": second.astype(np.float32)}
    saved = io.BytesIO()
    torch.save({name: torch.from_numpy(array) for name, array in named.items()}, saved)
    whole = io.BytesIO()
    torch.save({"state": {"a.weight": torch.from_numpy(weight)}, "epoch": 3}, whole)
    files = {
        "one.npy": stream.getvalue(),
        "named.npz": npz(**named),
        "plain.npz": npz(a=first, b=second.astype(np.uint8)),
        "named.safetensors": save(named),
        "weights.safetensors": save({"a.weight": weight}),
        "named.pt": saved.getvalue(),
        "weights.pth": whole.getvalue(),
    }
    shape = ["--shape", "3x2x2", "--json"]
    return {
        name: {name: data, **commands.command("observe", f"{{input}}/{name}", *shape)}
        for name, data in files.items()
    }


def _read(folder: Path, out: Path) -> None:
    commands.call(folder, out)


TARGETS = (Target("masks", _seeds, _read, kept=(commands.FILE,)),)
