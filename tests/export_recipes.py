"""What docs/export.md says of reading each exported file, as functions: the tests read files as its readers do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

PAGE = (Path(__file__).parents[1] / "docs" / "export.md").read_text("utf-8")
FORMATS = ("pt", "safetensors", "onnx", "npz", "csr")


def block(after: str) -> str:
    """The first block of Python below a line of the page."""
    _, found, rest = PAGE.partition(f"\n{after}\n")
    assert found, after
    opened = re.search(r"```python\n(.*?)```", rest, re.DOTALL)
    assert opened
    return opened[1]


def recipe(kind: str, path: Path) -> str:
    """The lines that read a file of a format, of the file at ``path``."""
    text = block(f"### {kind}")
    name = re.search(r'"(level-003\.[a-z.]+)"', text)
    assert name
    return text.replace(name[1], str(path))


def logits_of(kind: str, path: Path, images: np.ndarray) -> np.ndarray:
    """The logits [N, classes] that a file gives for ``images`` float32 [N, …], by the lines of the page."""
    names: dict[str, Any] = {"images": images}
    exec(recipe(kind, path), names)
    logits = names["logits"]
    return np.asarray(logits.detach().numpy() if hasattr(logits, "detach") else logits)
