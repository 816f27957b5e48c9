"""Every layer of a network: which kind it is, and what of it is measured against which null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.layers.kinds import LayerForm as LayerForm
    from prunescope.layers.kinds import LayerMask as LayerMask
    from prunescope.layers.network_overlap import LayerOverlap as LayerOverlap
    from prunescope.layers.network_overlap import NetworkOverlap as NetworkOverlap
    from prunescope.layers.observed_network import ObservedLayer as ObservedLayer
    from prunescope.layers.observed_network import ObservedNetwork as ObservedNetwork
    from prunescope.layers.observing import observe as observe
    from prunescope.layers.overlapping import overlap as overlap

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "LayerForm": "kinds",
        "LayerMask": "kinds",
        "LayerOverlap": "network_overlap",
        "NetworkOverlap": "network_overlap",
        "ObservedLayer": "observed_network",
        "ObservedNetwork": "observed_network",
        "observe": "observing",
        "overlap": "overlapping",
    },
)
