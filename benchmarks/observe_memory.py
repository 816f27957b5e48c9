"""Observe a large model that was made up, and tell how much memory that takes and how long.

    python benchmarks/observe_memory.py [--gigabytes 4 | --square COUNT] [--shards 1] [--width 4096] [--layer NUMBER]
                                        [--page] [--folder FOLDER]

The model is one of linear layers of WIDTH × WIDTH and WIDTH × 4 WIDTH in bf16 (with --square of so many of WIDTH × WIDTH),
half of each pruned at random. It is written in the format safetensors to a temporary folder, in so many shards with their
index, and removed afterwards. The numbers are those of the process `prunescope observe MODEL --json`, with --page also its
page: the largest resident set, and seconds of wall-clock time.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAIN = [sys.executable, "-c", "from prunescope.cli import main; main()"]
BYTES = 2  # of a weight in bf16
PIECE = 1 << 25
Layers = dict[str, tuple[int, int]]


def main() -> None:
    """Write the model, observe it and print what that took, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--square", type=int, metavar="COUNT", help="number of layers of WIDTH × WIDTH")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--layer", help="the number of the only layer to measure; without it, all are")
    parser.add_argument("--page", action="store_true", help="write the page too")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    asked = parser.parse_args()
    layers = (
        layers_of(asked.gigabytes, asked.width)
        if asked.square is None
        else squares(asked.square, asked.width)
    )
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        source = written(Path(name), layers, asked.shards)
        options = ["--layer", asked.layer] if asked.layer else []
        options += ["--page", str(Path(name) / "page.html")] if asked.page else []
        print(json.dumps({"layers": len(layers), **observed(source, options)}))


def layers_of(gigabytes: float, width: int) -> Layers:
    """Return names and shapes of layers that have so many bytes together."""
    layers: Layers = {}
    left = gigabytes * 1e9
    while left > 0:
        kind, shape = (("up", (4 * width, width)), ("query", (width, width)))[len(layers) % 2]
        layers[f"model.layers.{len(layers)}.{kind}_proj.weight"] = shape
        left -= BYTES * math.prod(shape)
    return layers


def squares(count: int, width: int) -> Layers:
    """Return names and shapes of so many layers of as many outputs as inputs."""
    return {f"layers.{number}.weight": (width, width) for number in range(count)}


def written(folder: Path, layers: Layers, shards: int) -> Path:
    """Write the layers to files in a folder, and return the file, or the folder where there are several."""
    names = list(layers)
    if shards == 1:
        write_safetensors(folder / "model.safetensors", layers)
        return folder / "model.safetensors"
    places = {}
    for number in range(shards):
        own = names[number * len(names) // shards : (number + 1) * len(names) // shards]
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        write_safetensors(folder / file, {name: layers[name] for name in own})
        places.update(dict.fromkeys(own, file))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def write_safetensors(path: Path, layers: Layers) -> None:
    """Write layers of random weights, of which half are 0, to a file."""
    header, place = {}, 0
    for name, shape in layers.items():
        end = place + BYTES * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for number, shape in enumerate(layers.values()):
            for piece in pieces(number, math.prod(shape)):
                file.write(piece)


def pieces(seed: int, count: int) -> Iterator[NDArray[np.uint16]]:
    """Yield so many random numbers of bf16, a few million at a time: normal ones, and 0 in place of half of them."""
    rng = np.random.default_rng(seed)
    values = (rng.standard_normal(1 << 16, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    for start in range(0, count, PIECE):
        size = min(PIECE, count - start)
        drawn = values[rng.integers(0, len(values), size, np.uint16)]
        yield drawn * rng.integers(0, 2, size, np.uint16, endpoint=False)


def observed(source: Path, options: list[str]) -> dict[str, float]:
    """Return what observing a model took: GB of memory at most, and seconds."""
    command = [*MAIN, "observe", str(source), "--json"]
    start = time.perf_counter()
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {
        "measured": len(json.loads(done.stdout)),
        "peak_gb": round(peak / 1e9, 3),
        "seconds": round(seconds, 1),
    }


if __name__ == "__main__":
    main()
