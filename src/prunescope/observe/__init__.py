"""What a mask shows: pure functions of masks, weights and activations, made here or elsewhere."""

from prunescope.observe.ablation import ablation_curve, ablation_order, remove_nodes
from prunescope.observe.activations import TopImages, top_images
from prunescope.observe.bins import FanInBin, locality_by_fan_in
from prunescope.observe.connectivity import (
    binomial_fan_in,
    effective_masks,
    fan_in,
    fan_in_excess,
    fan_in_variance_ratio,
    fan_out,
    fan_out_image,
    scaled_participation,
    shuffle_at_fan_in,
)
from prunescope.observe.fields import mask_image, most_connected, weight_image
from prunescope.observe.flow import Flow, flow
from prunescope.observe.foreign import load_masks
from prunescope.observe.gabor import GaborFits, gabor_fit
from prunescope.observe.hierarchy import Tier, hierarchy
from prunescope.observe.kurtosis import (
    Cavity,
    CavitySplit,
    cavity,
    excess_kurtosis,
    preactivation_kurtosis,
    shuffled_kurtosis,
    split_cavity,
    stored_cavity,
)
from prunescope.observe.locality import (
    Locality,
    inhomogeneous_null,
    locality,
    mirror_symmetry,
    radial_profile,
    relative_density,
    uniform_null,
)
from prunescope.observe.measure import Observables, Scalar, measure
from prunescope.observe.nodes import node_locality
from prunescope.observe.scalars import anisotropy, half_width, locality_index, radius_of_gyration

__all__ = [
    "Cavity",
    "CavitySplit",
    "FanInBin",
    "Flow",
    "GaborFits",
    "Locality",
    "Observables",
    "Scalar",
    "Tier",
    "TopImages",
    "ablation_curve",
    "ablation_order",
    "anisotropy",
    "binomial_fan_in",
    "cavity",
    "effective_masks",
    "excess_kurtosis",
    "fan_in",
    "fan_in_excess",
    "fan_in_variance_ratio",
    "fan_out",
    "fan_out_image",
    "flow",
    "gabor_fit",
    "half_width",
    "hierarchy",
    "inhomogeneous_null",
    "load_masks",
    "locality",
    "locality_by_fan_in",
    "locality_index",
    "mask_image",
    "measure",
    "mirror_symmetry",
    "most_connected",
    "node_locality",
    "preactivation_kurtosis",
    "radial_profile",
    "radius_of_gyration",
    "relative_density",
    "remove_nodes",
    "scaled_participation",
    "shuffle_at_fan_in",
    "shuffled_kurtosis",
    "split_cavity",
    "stored_cavity",
    "top_images",
    "uniform_null",
    "weight_image",
]
