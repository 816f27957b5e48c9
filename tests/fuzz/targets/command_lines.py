"""Command lines: words that do not fit, options without values, files of another kind than the verb reads."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from fuzz.targets import Target, commands
from fuzz.targets.data import labels, npz, pixels, prepared_seeds
from fuzz.targets.runs import runs_in
from fuzz.tree import Tree

_LINES = (
    ("list", "--fields"), ("list", "--methods"), ("list",), ("show", "{input}"), ("show", "{input}/runs/a/seed-0", "--json"),
    ("compare", "{input}", "--by", "train.lr"), ("compare", "{input}", "--density", "0.5", "--csv"),
    ("observe", "{input}/a.npy", "--layer", "1", "--shape", "3x2x2"), ("observe", "{input}/runs/a/seed-0", "--level", "1"),
    ("table", "{input}", "--out", "{out}/a.parquet"), ("report", "{input}", "--out", "{out}/a.html"),
    ("figure", "2b", "{input}", "--out", "{out}", "--levels", "0,1,2"),
    ("figure", "3b", "{input}/runs/a/seed-0", "--out", "{out}", "--nodes", "0,1"),
    ("data", "info", "{input}/p", "--json"), ("data", "verify", "{input}/p"),
    ("data", "prepare", "photographs", "data.root={input}/a.npz", "data.source=npz", "data.validation=4", "--out", "{out}/p"),
)  # fmt: skip


def _seeds(folder: Path) -> dict[str, Tree]:
    stream = io.BytesIO()
    np.save(stream, np.eye(12)[:6])
    x, y = pixels(), labels()
    files = {
        **runs_in(folder / "made"),
        **prepared_seeds(folder)["npz"],
        "a.npy": stream.getvalue(),
        "a.npz": npz(x_train=x, y_train=y, x_test=x[:6], y_test=y[:6]),
    }
    return {f"{i:02} {' '.join(line[:2])}": files | commands.command(*line) for i, line in enumerate(_LINES)}


def _read(folder: Path, out: Path) -> None:
    commands.call(folder, out)


TARGETS = (Target("command", _seeds, _read, kept=("runs/", "p/", "a.np"), writes=True),)
