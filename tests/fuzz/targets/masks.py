"""Files of masks, as `prunescope observe` reads them."""

from __future__ import annotations

import argparse
import collections
import io
import warnings
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
    convolution = torch.from_numpy(rng.random((4, 3, 2, 2)) < 0.5)
    checkpoint = io.BytesIO()
    extras = {
        "args": argparse.Namespace(rate=0.1, path=Path("data")),
        "best": np.float64(0.5),
        "seen": collections.defaultdict(list, a=[1]),
        "masks": [first, np.asfortranarray(second)],
        "optimizer": {"state": {0: {"exp_avg": torch.from_numpy(weight)}}},
    }
    torch.save({"state_dict": {"module.a.weight": torch.from_numpy(weight)}, **extras}, checkpoint)
    parametrized = io.BytesIO()
    inside = {
        "c.parametrizations.weight.0.mask": convolution,
        "c.parametrizations.weight.original": convolution,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls some layouts of sparse tensors experimental
        sparse = torch.from_numpy(first).float().to_sparse_csr()
        torch.save({**inside, "fc.weight_mask": sparse}, parametrized, _use_new_zipfile_serialization=False)
    lth = io.BytesIO()
    torch.save({"conv.weight": convolution.int(), "fc.weight": torch.from_numpy(first).int()}, lth)
    files = {
        "checkpoint.pth.tar": checkpoint.getvalue(),
        "parametrized.ckpt": parametrized.getvalue(),
        "mask.bin": lth.getvalue(),
        "one.npy": stream.getvalue(),
        "named.npz": npz(**named),
        "plain.npz": npz(a=first, b=second.astype(np.uint8)),
        "named.safetensors": save(named),
        "weights.safetensors": save({"a.weight": weight}),
        "named.pt": saved.getvalue(),
        "weights.pth": whole.getvalue(),
    }
    return {
        name: {name: data, **commands.command("observe", f"{{input}}/{name}", *_options(name))}
        for name, data in files.items()
    }


def _options(name: str) -> list[str]:
    """Return the options for a file: inputs of 12 pixels where its first mask is of such."""
    if name.endswith((".tar", ".ckpt", ".bin")):
        return ["--json", "--order", "io" if name.endswith(".bin") else "auto"]
    return ["--shape", "3x2x2", "--json"]


def _read(folder: Path, out: Path) -> None:
    commands.call(folder, out)


TARGETS = (Target("masks", _seeds, _read, kept=(commands.FILE,)),)
