"""What is measured of convolutions."""

from __future__ import annotations

import numpy as np

from prunescope.layers.fitted import Arrays
from prunescope.layers.kinds import LayerMask
from prunescope.observables.kernels import Kernels, kernel_scalars
from prunescope.observables.measure import Scalar


def convolution_fit(layer: LayerMask) -> tuple[dict[str, Scalar], Arrays]:
    """Return the scalars of a convolution, and what figures draw of it.

    Arrays: ``kernel_positions`` float [*kernel], the kept share at each position; ``channel_fan_in`` [n_out], the input
    channels that each filter reaches; ``channel_fan_out`` [groups · channels], the filters that reach each of them.
    """
    kernels = Kernels(layer.mask.array.reshape(layer.form.shape), layer.form.groups)
    share = kernels.positions.sum(axis=0) / (len(kernels.mask) * kernels.channels)
    arrays = {
        "kernel_positions": share.reshape(kernels.kernel),
        "channel_fan_in": kernels.reached.sum(axis=1, dtype=np.int64),
        "channel_fan_out": kernels.fan_out.ravel(),
    }
    return kernel_scalars(kernels), arrays
