"""What the masks of two networks share, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from prunescope._views import html_of, text_of, view
from prunescope.arguments import entry_of
from prunescope.errors import InputError
from prunescope.frames import as_pandas
from prunescope.layers.kinds import LayerForm
from prunescope.layers.pairing import Chain, bare_name
from prunescope.observables.measure import Scalar
from prunescope.observables.overlap import MaskOverlap
from prunescope.observables.unit_matching import UnitMatching
from prunescope.tensors import shown
from prunescope.tensors.printable import shortened

if TYPE_CHECKING:
    import pandas
    import polars
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class LayerOverlap:
    """What the masks of one layer share.

    ``names``: of the layer in the first network and in the second. ``stored``: what the masks share as they are.
    ``matched``: what they share with units matched, and inputs reordered by the matching of the layer before; None
    without a matching.
    """

    names: tuple[str, str]
    form: LayerForm
    stored: MaskOverlap
    matched: UnitMatching | None

    def __repr__(self) -> str:
        return (
            f"LayerOverlap({self.name}: {self.form.shape_text}, share {100 * self.stored.share.value:.1f} %)"
        )

    @property
    def name(self) -> str:
        """The name in the first network, as it may be printed, without that of the tensor that holds the mask."""
        return shown(bare_name(self.names[0]))

    @property
    def distance(self) -> float:
        """The larger |z| of the shares as stored and after matching; 0 where neither has one."""
        scalars = [self.stored.share, *([self.matched.share] if self.matched else [])]
        return max(one.distance for one in scalars)

    @property
    def moved(self) -> int | None:
        """The number of units that are matched to a unit of another number."""
        return (
            None
            if self.matched is None
            else int((self.matched.order != np.arange(len(self.matched.order))).sum())
        )


@dataclass(frozen=True, eq=False)
class NetworkOverlap(Sequence[LayerOverlap]):
    """What the masks of two networks share, layer by layer, by number (from 0) or name.

    ``sources``: what was compared, in words. ``chain``: how layers were taken to feed each other: "hidden", "outputs" or
    "none". ``notes``: what a reader of the numbers must know, a line each.
    """

    sources: tuple[str, str]
    layers: tuple[LayerOverlap, ...]
    chain: Chain = "none"
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, which: int | str) -> LayerOverlap: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[LayerOverlap]: ...
    def __getitem__(self, which: int | str | slice) -> LayerOverlap | Sequence[LayerOverlap]:
        if isinstance(which, str):
            for layer in self.layers:
                if which in (*layer.names, layer.name):
                    return layer
            names = ", ".join(shortened([layer.name for layer in self.layers], others="more"))
            raise InputError(f"no layer {shown(which)}; there are {names}")
        return entry_of("layer", which, self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[LayerOverlap]:
        return iter(self.layers)

    def __repr__(self) -> str:
        return f"NetworkOverlap({self.sources[0]}, {self.sources[1]}: {len(self.layers)} layers)"

    def __str__(self) -> str:
        return text_of("NetworkOverlap.text", self)

    def _repr_html_(self) -> str:
        return html_of("NetworkOverlap.html", self)

    def plot(self) -> Figure:
        """Draw the share of each layer, as stored and matched, beside chance."""
        figure: Figure = view("NetworkOverlap.plot")(self)
        return figure

    @property
    def ranked(self) -> list[LayerOverlap]:
        """The layers by their distance from chance, the farthest first."""
        return sorted(self.layers, key=lambda layer: -layer.distance)

    @property
    def table(self) -> polars.DataFrame:
        """One row a layer, in the order of the first network: kept and shared weights, shares with their nulls, z."""
        import polars

        return polars.DataFrame([_row(layer) for layer in self.layers], schema=TABLE)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a DataFrame of pandas, which must be installed, but no other package."""
        return as_pandas(self.table)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain numbers: sources, chain, notes, and an entry for each layer."""
        return {
            "first": self.sources[0],
            "second": self.sources[1],
            "chain": self.chain,
            "notes": list(self.notes),
            "layers": [_entry(layer) for layer in self.layers],
        }


def _entry(layer: LayerOverlap) -> dict[str, Any]:
    """Return a layer's numbers, nested."""
    stored, matched = layer.stored, layer.matched
    entry = {
        "layer": layer.names[0],
        "layer_of_second": layer.names[1],
        "shape": list(layer.form.shape),
        "kept": list(stored.kept),
        "shared": stored.shared,
        "jaccard": _plain(stored.jaccard),
        "share": stored.share.to_dict(),
        "share_at_fan_in": stored.share_at_fan_in.to_dict(),
        "matched": None,
    }
    if matched is not None:
        entry["matched"] = {
            "shared": matched.shared,
            "jaccard": _plain(matched.jaccard),
            "share": matched.share.to_dict(),
            "units": matched.sampled or len(matched.order),
            "moved_units": layer.moved,
            "order": matched.order.tolist(),
        }
    return entry


def _row(layer: LayerOverlap) -> dict[str, Any]:
    """Return a layer's numbers as a row of the table."""
    stored, matched = layer.stored, layer.matched
    row = {
        "layer": layer.names[0],
        "layer_of_second": layer.names[1],
        "shape": layer.form.shape_text,
        "kept_first": stored.kept[0],
        "kept_second": stored.kept[1],
        "shared": stored.shared,
        "jaccard": _plain(stored.jaccard),
        **_columns("", stored.share),
        **_columns("fan_in_", stored.share_at_fan_in),
    }
    if matched is not None:
        row |= {"matched_shared": matched.shared, "matched_jaccard": _plain(matched.jaccard)}
        row |= _columns("matched_", matched.share)
        row |= {"matched_units": matched.sampled or len(matched.order), "moved_units": layer.moved}
    return {name: row.get(name) for name in TABLE}


def _columns(prefix: str, scalar: Scalar) -> dict[str, float | int | None]:
    """Return the columns of a share and its null."""
    found = scalar.to_dict()
    return {f"{prefix}{name}": found[key] for name, key in SHARE_COLUMNS.items()}


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


SHARE_COLUMNS = {"share": "value", "null_mean": "null_mean", "null_sd": "null_sd", "z": "z"}
# The share against masks with the same fan-ins is the share, so that of it only the null has columns.
TABLE: dict[str, type] = {
    "layer": str,
    "layer_of_second": str,
    "shape": str,
    "kept_first": int,
    "kept_second": int,
    "shared": int,
    "jaccard": float,
    **dict.fromkeys(("share", "null_mean", "null_sd", "z"), float),
    **dict.fromkeys(("fan_in_null_mean", "fan_in_null_sd", "fan_in_z"), float),
    "matched_shared": int,
    "matched_jaccard": float,
    **dict.fromkeys(("matched_share", "matched_null_mean", "matched_null_sd", "matched_z"), float),
    "matched_units": int,
    "moved_units": int,
}
