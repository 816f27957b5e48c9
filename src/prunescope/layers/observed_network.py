"""What was measured of the layers of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from prunescope._views import html_of, text_of, view
from prunescope.arguments import entry_of, path_of
from prunescope.errors import InputError
from prunescope.frames import as_pandas
from prunescope.layers.kinds import LayerForm
from prunescope.observables.measure import Observables, Scalar
from prunescope.tensors import shown
from prunescope.tensors.printable import shortened

if TYPE_CHECKING:
    import pandas
    import polars
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class ObservedLayer:
    """What was measured of one layer.

    ``scalars``: by name, each with its null. ``arrays``: what figures draw, by name: those of ``pictures.drawn_arrays``,
    and what the layer's kind has beside them. ``patterns``: the patterns that hold everywhere, as "2:4 along inputs".
    """

    name: str
    form: LayerForm
    origin: str
    kept: int
    scalars: Mapping[str, Scalar]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    patterns: tuple[str, ...] = ()

    def __repr__(self) -> str:
        size = f"{self.form.kind} {self.form.shape_text}, density {self.density:.4g}"
        return f"ObservedLayer({shown(self.name)}: {size}, {len(self.scalars)} scalars)"

    def __str__(self) -> str:
        return text_of("ObservedLayer.text", self)

    def _repr_html_(self) -> str:
        return html_of("ObservedLayer.html", self)

    @property
    def density(self) -> float:
        """The kept share of the weights."""
        return self.kept / math.prod(self.form.shape)

    @property
    def fan_in_mean(self) -> float:
        """The mean number of kept incoming weights of a unit."""
        return self.kept / self.form.shape[0]

    @property
    def farthest(self) -> tuple[str, Scalar] | None:
        """The scalar that lies farthest from its null, by |z|, with its name; None where no scalar has a z."""
        known = [(name, one) for name, one in self.scalars.items() if math.isfinite(one.z)]
        return max(known, key=lambda entry: entry[1].distance, default=None)

    @property
    def distance(self) -> float:
        """The largest |z| of the scalars, 0 where none has one."""
        return max((one.distance for one in self.scalars.values()), default=0.0)


@dataclass(frozen=True, eq=False)
class ObservedNetwork(Sequence[ObservedLayer]):
    """What was measured of the layers of a network, in the order of its source, by number (from 0) or name.

    ``source``: what was observed, in words. ``notes``: what a reader of the numbers must know, a line each.
    """

    source: str
    layers: tuple[ObservedLayer, ...]
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, which: int | str) -> ObservedLayer: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[ObservedLayer]: ...
    def __getitem__(self, which: int | str | slice) -> ObservedLayer | Sequence[ObservedLayer]:
        if isinstance(which, str):
            for layer in self.layers:
                if layer.name == which:
                    return layer
            names = ", ".join(shortened([shown(layer.name) for layer in self.layers], others="more"))
            raise InputError(f"no layer {shown(which)}; there are {names}")
        return entry_of("layer", which, self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[ObservedLayer]:
        return iter(self.layers)

    def __repr__(self) -> str:
        return f"ObservedNetwork({self.source}: {len(self.layers)} layers)"

    def __str__(self) -> str:
        return text_of("ObservedNetwork.text", self)

    def _repr_html_(self) -> str:
        return html_of("ObservedNetwork.html", self)

    @property
    def ranked(self) -> list[ObservedLayer]:
        """The layers by their distance from their null, the farthest first."""
        return sorted(self.layers, key=lambda layer: -layer.distance)

    @property
    def table(self) -> polars.DataFrame:
        """One row a layer and scalar: layer, kind, shape, density, quantity, value, null_mean, null_sd, z, shuffles."""
        import polars

        rows = [
            {
                "layer": layer.name,
                "kind": layer.form.kind,
                "shape": layer.form.shape_text,
                "density": layer.density,
                "quantity": name,
                **one.to_dict(),
            }
            for layer in self.layers
            for name, one in layer.scalars.items()
        ]
        return polars.DataFrame(rows, schema=TABLE_SCHEMA)

    def write_page(self, path: str | Path) -> Path:
        """Write one self-contained HTML page to explore the layers with, and return its path.

        Raises InputError where the file cannot be written.
        """
        written: Path = view("ObservedNetwork.write_page")(self, path_of("path", path))
        return written

    def plot(self, figure: str = "ranking", layers: Sequence[int] | int | None = None) -> Figure:
        """Return a figure of the layers: "ranking", "densities", "connections" or "kinds".

        ``layers``: numbers of the layers shown, 1 for the first; by default all of them, or the farthest from their null
        where few are shown. Raises InputError for another figure and for layers that do not exist.
        """
        drawn: Figure = view("ObservedNetwork.plot")(self, figure, layers)
        return drawn

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a DataFrame of pandas, which must be installed, but no other package."""
        return as_pandas(self.table)

    def to_dict(self) -> list[dict[str, Any]]:
        """Return nested plain numbers, an entry a layer: mask, shape, density, …, and each scalar by its name."""
        return [
            {
                "mask": layer.name,
                "shape": list(layer.form.shape),
                "density": layer.density,
                "kind": layer.form.kind,
                "origin": layer.origin,
                "patterns": list(layer.patterns),
                "fan_in_mean": layer.fan_in_mean,
                **(NOT_DEFINED if layer.form.kind == "linear" else {}),
                **{name: one.to_dict() for name, one in layer.scalars.items()},
            }
            for layer in self.layers
        ]


TABLE_SCHEMA = {
    "layer": str,
    "kind": str,
    "shape": str,
    "density": float,
    "quantity": str,
    "value": float,
    "null_mean": float,
    "null_sd": float,
    "z": float,
    "shuffles": int,
}


# These are always among the entries of a linear layer, as in earlier versions, with None where they are not defined.
NOT_DEFINED: dict[str, dict[str, float | int | None]] = {
    entry.name: Scalar().to_dict() for entry in fields(Observables) if entry.type in ("Scalar", Scalar)
}


def lacks_images(observed: ObservedNetwork) -> bool:
    """Return whether a network may take images into a linear layer, and their shape is not known.

    Its first layer is then linear: what comes after layers of other kinds takes their outputs.
    """
    known = any(layer.form.inputs is not None for layer in observed)
    return observed.layers[0].form.kind == "linear" and not known and not of_tokens(observed)


def of_tokens(observed: ObservedNetwork) -> bool:
    """Return whether a network takes tokens, as far as its layers tell, so that no layer has pixels as inputs.

    It has attention or embeddings, and the inputs of its first layer are as many as the outputs of another one.
    """
    kinds = {layer.form.kind for layer in observed.layers}
    inputs = observed.layers[0].form.shape[1]
    others = {layer.form.shape[0] for layer in observed.layers[1:]}
    return not kinds.isdisjoint(("attention", "embedding")) and inputs in others
