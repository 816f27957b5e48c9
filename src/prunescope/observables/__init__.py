"""Observables: pure functions that compute numbers and arrays from masks, weights and activations.

They take NumPy arrays, torch tensors and masks, of runs of this package and of other origin. The definitions are
in docs/science.md, "Observables".
"""

from prunescope.observables.ablation import ablation_curve, ablation_order, remove_nodes
from prunescope.observables.activations import TopImages, top_images
from prunescope.observables.bipartite import clustering_scalars
from prunescope.observables.blocks import block_share
from prunescope.observables.connectivity import (
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
from prunescope.observables.effective_fields import (
    ReceptiveFields,
    StackLayer,
    effective_receptive_fields,
    unit_receptive_field,
)
from prunescope.observables.fan_in_bins import FanInBin, locality_by_fan_in
from prunescope.observables.flow import Flow, flow
from prunescope.observables.gabor import GaborFits, gabor_fit
from prunescope.observables.group_patterns import pattern_scalars, pattern_share
from prunescope.observables.hierarchy import Tier, hierarchy
from prunescope.observables.kurtosis import (
    Cavity,
    CavitySplit,
    cavity,
    excess_kurtosis,
    preactivation_kurtosis,
    shuffled_kurtosis,
    split_cavity,
    stored_cavity,
)
from prunescope.observables.layer_densities import LayerDensities, compare_densities, erdos_renyi_kernel
from prunescope.observables.locality import (
    Locality,
    inhomogeneous_null,
    locality,
    mirror_symmetry,
    radial_profile,
    relative_density,
    uniform_null,
)
from prunescope.observables.margins import margin_scalars
from prunescope.observables.measure import Observables, Scalar, measure
from prunescope.observables.nodes import node_locality
from prunescope.observables.pattern_names import satisfied_patterns
from prunescope.observables.receptive_fields import mask_image, most_connected, weight_image
from prunescope.observables.repetition import Repetition, measure_repetition, repetition, repetition_null
from prunescope.observables.scalars import anisotropy, half_width, locality_index, radius_of_gyration
from prunescope.tensors import load_masks

__all__ = [
    "Cavity",
    "CavitySplit",
    "FanInBin",
    "Flow",
    "GaborFits",
    "LayerDensities",
    "Locality",
    "Observables",
    "ReceptiveFields",
    "Repetition",
    "Scalar",
    "StackLayer",
    "Tier",
    "TopImages",
    "ablation_curve",
    "ablation_order",
    "anisotropy",
    "binomial_fan_in",
    "block_share",
    "cavity",
    "clustering_scalars",
    "compare_densities",
    "effective_masks",
    "effective_receptive_fields",
    "erdos_renyi_kernel",
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
    "margin_scalars",
    "mask_image",
    "measure",
    "measure_repetition",
    "mirror_symmetry",
    "most_connected",
    "node_locality",
    "pattern_scalars",
    "pattern_share",
    "preactivation_kurtosis",
    "radial_profile",
    "radius_of_gyration",
    "relative_density",
    "remove_nodes",
    "repetition",
    "repetition_null",
    "satisfied_patterns",
    "scaled_participation",
    "shuffle_at_fan_in",
    "shuffled_kurtosis",
    "split_cavity",
    "stored_cavity",
    "top_images",
    "uniform_null",
    "unit_receptive_field",
    "weight_image",
]
