"""Every layer of a network: which kind it is, and what of it is measured against which null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy

if TYPE_CHECKING:
    from prunescope.layers.kinds import LayerForm as LayerForm
    from prunescope.layers.kinds import LayerMask as LayerMask
    from prunescope.layers.observation import observe as observe
    from prunescope.layers.observed import ObservedLayer as ObservedLayer
    from prunescope.layers.observed import ObservedNetwork as ObservedNetwork
    from prunescope.layers.overlapped import LayerOverlap as LayerOverlap
    from prunescope.layers.overlapped import NetworkOverlap as NetworkOverlap
    from prunescope.layers.overlaps import overlap as overlap

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "LayerForm": "kinds",
        "LayerMask": "kinds",
        "LayerOverlap": "overlapped",
        "NetworkOverlap": "overlapped",
        "ObservedLayer": "observed",
        "ObservedNetwork": "observed",
        "observe": "observation",
        "overlap": "overlaps",
    },
)
