"""The form in which a network is exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunescope.network.plain import MaskForm, NormForm


@dataclass(frozen=True)
class ExportForm:
    """How a network is written: with its norms "folded" or as "layers", and with its masks "baked" in or as "prune"."""

    norm: NormForm = "folded"
    masks: MaskForm = "baked"
