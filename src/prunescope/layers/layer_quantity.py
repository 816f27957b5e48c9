"""What is said of a scalar of a layer, and the nulls that several scalars have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerQuantity:
    """What a scalar is called, one sentence of what it is, and one of its null, "" where it has none."""

    title: str
    meaning: str
    null: str = ""


ANYWHERE = "As many weights lie anywhere in the layer."
EACH_UNIT = "Each unit keeps its fan-in, at uniform positions."
EACH_INPUT = "Each input keeps its fan-out, at uniform positions."
