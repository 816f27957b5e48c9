"""This module makes a plain network a torch module of torch's own parts, which works without this package."""

from __future__ import annotations

from collections import OrderedDict
from typing import get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from prunescope.mask import BoolArray
from prunescope.network.plain import AffineMap, Centre, MaskForm, NormLayer, Part, PlainNetwork, check_choice

MOMENTUM = (
    0.01  # of the moving averages, should somebody train on: training here keeps 0.99 of them at each step
)
# Of the norm that takes off the centre alone: with it, its variance is 1 to the bit.
CENTRE_EPSILON = 2.0**-20


def plain_module(network: PlainNetwork, masks: MaskForm) -> nn.Sequential:
    """Return the network as a module of torch's own parts, in evaluation mode; it takes the arrays of ``network``.

    Its input is float32, [B, C, H, W] or any other shape of B rows, which it flattens; its output are logits
    [B, classes]. ``masks``: "baked" has zeros for pruned weights; "prune" has masks of torch.nn.utils.prune too.
    Raises InputError for other ``masks``.
    """
    check_choice("masks", masks, get_args(MaskForm))
    with torch.device("meta"):  # Initial weights would take time and random numbers.
        parts = OrderedDict((name, _part(part)) for name, part in network.parts.items())
        module = nn.Sequential(OrderedDict(flatten=nn.Flatten(), **parts))
    state = {
        f"{name}.{field}": tensor
        for name, part in network.parts.items()
        for field, tensor in _tensors(part).items()
    }
    module.load_state_dict(state, assign=True)
    if masks == "prune":
        with torch.no_grad():  # so that the masked weights have no history and the module can be copied
            for name, part in network.parts.items():
                for field, kept in _masks(part).items():
                    mask = torch.from_numpy(kept.astype(np.float32))
                    prune.custom_from_mask(module.get_submodule(name), field, mask)
    return module.eval()


def _part(part: Part) -> nn.Module:
    if isinstance(part, AffineMap):
        n_out, n_in = part.weight.shape
        return nn.Linear(n_in, n_out)
    if isinstance(part, NormLayer):
        return nn.BatchNorm1d(len(part.gain), eps=part.epsilon, momentum=MOMENTUM)
    if isinstance(part, Centre):
        return nn.BatchNorm1d(len(part.mean), eps=CENTRE_EPSILON, momentum=MOMENTUM, affine=False)
    return nn.ReLU()


def _tensors(part: Part) -> dict[str, Tensor]:
    """Return the tensors of a part by the names that torch gives them."""
    if isinstance(part, AffineMap):
        return {"weight": torch.from_numpy(part.weight), "bias": torch.from_numpy(part.bias)}
    if isinstance(part, NormLayer):
        return {
            "weight": torch.from_numpy(part.gain),
            "bias": torch.from_numpy(part.shift),
            "running_mean": torch.from_numpy(part.mean),
            "running_var": torch.from_numpy(part.variance),
            "num_batches_tracked": torch.tensor(0),
        }
    if isinstance(part, Centre):
        return {
            "running_mean": torch.from_numpy(part.mean),
            "running_var": torch.full((len(part.mean),), 1 - CENTRE_EPSILON),
            "num_batches_tracked": torch.tensor(0),
        }
    return {}


def _masks(part: Part) -> dict[str, BoolArray]:
    """Return the masks of a part by the parameter that they are of.

    A norm's gain has one where an input does not vary: no gradient then goes into what lies behind it, as in training
    here, and the normalised value stays 0.
    """
    if isinstance(part, AffineMap):
        found = {"weight": part.kept_weights, "bias": part.kept_biases}
        return {field: kept for field, kept in found.items() if kept is not None}
    if isinstance(part, NormLayer):
        return {"weight": part.live}
    return {}
