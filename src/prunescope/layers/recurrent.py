"""What is measured of recurrent layers: how their gates share the kept weights."""

from __future__ import annotations

from prunescope.layers.fitted import Arrays
from prunescope.layers.kinds import LayerMask
from prunescope.observables.group_spread import dealt_scalar, spread_scalar
from prunescope.observables.measure import Scalar


def recurrent_fit(layer: LayerMask) -> tuple[dict[str, Scalar], Arrays]:
    """Return the scalars of a recurrent layer, and what figures draw of it.

    Arrays: ``gates`` float [gates], the density of each gate in torch's order: input, forget, cell and output gate of an
    LSTM; reset, update and new gate of a GRU.
    """
    gates = layer.form.gates
    if gates is None or gates < 2:
        return {}, {}
    lines = layer.mask.fan_in.reshape(1, gates, -1)
    counts, places = lines.sum(axis=2), lines.shape[2] * layer.mask.n_in
    scalars = {"gate_ratio": spread_scalar(counts, places), "gate_ratio_given_lines": dealt_scalar(lines)}
    return scalars, {"gates": counts[0] / places}
