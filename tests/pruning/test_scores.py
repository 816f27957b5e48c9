"""prunescope.pruning.scores and plain_forward: run with `pytest tests/pruning/test_scores.py`."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from prunescope.mask import Mask
from prunescope.model import Model, Ticket, initial
from prunescope.network.differentiable import plain_forward, plain_layers
from prunescope.network.forward import forward, torch_layers
from prunescope.pruning.methods.synflow import kept_by_flow
from prunescope.pruning.scores import Scoring, grasp, magnitude, snip, synflow, tensors
from reference.network import Network

SIZES = (7, 6, 5, 3)
LIVE = np.arange(7) != 2


def shaken_model(norm="before", sizes=SIZES):
    """A model none of whose numbers has its initial value."""
    rng = np.random.default_rng(1)
    names = ("weight", "bias", "gamma", "beta")
    return Model(
        tuple(
            replace(
                layer,
                **{
                    name: getattr(layer, name)
                    + rng.normal(0, 0.2, getattr(layer, name).shape).astype(np.float32)
                    for name in names
                },
            )
            for layer in initial(sizes, norm, 0).layers
        )
    )


def thinned(sizes=SIZES):
    """A ticket without some weights and biases, and without the second unit of the first layer."""
    rng = np.random.default_rng(2)
    dense = Ticket.dense(sizes)
    masks = [rng.random(mask.array.shape) < 0.7 for mask in dense.masks]
    masks[0][1] = False
    biases = [np.arange(len(bias)) != 0 for bias in dense.biases]
    return Ticket(tuple(map(Mask, masks)), tuple(biases))


def scoring(**changes):
    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((12, 7)).astype(np.float32)
    inputs[:, 2] = 0.25
    return replace(Scoring(inputs, rng.integers(0, 3, 12), LIVE, precision="float64"), **changes)


def reference(model, ticket):
    """The float64 network of the equations, under the ticket."""
    fields = ("weight", "bias", "gamma", "beta")
    network = Network([{f: getattr(x, f) for f in fields} for x in model.layers], LIVE)
    network.masks = [*(m.array for m in ticket.masks), network.masks[-1]]
    network.bias_masks = [*ticket.biases, network.bias_masks[-1]]
    return network


def test_the_tensors_of_each_pool():
    model = shaken_model()
    assert [t.shape for t in tensors(model)] == [(6, 7), (5, 6)]
    assert [t.shape for t in tensors(model, "all")] == [(6, 7), (5, 6), (6,), (5,), (3, 5)]
    with pytest.raises(ValueError, match="no pool 'most'"):
        tensors(model, "most")


def test_magnitude_is_the_absolute_value():
    model = shaken_model()
    for score, tensor in zip(magnitude(model, "all"), tensors(model, "all"), strict=True):
        assert score.dtype == np.float64
        np.testing.assert_array_equal(score, np.abs(tensor))


def test_snip_is_the_loss_s_derivative_towards_each_mask_entry():
    model, ticket, data = shaken_model(), thinned(), scoring(pool="all")
    network, step = reference(model, ticket), 1e-6
    inputs = data.inputs.astype(np.float64)
    own = [layer["weight"] for layer in network.layers]
    scored = [*own[:2], *(layer["bias"] for layer in network.layers[:2]), own[2]]
    for score, tensor in zip(snip(model, ticket, data), scored, strict=True):
        slopes = np.zeros(tensor.shape)
        for index in np.ndindex(tensor.shape):
            whole, losses = tensor[index], []
            for sign in (1, -1):
                tensor[index] = whole * (1 + sign * step)
                losses.append(network.gradients(inputs, data.labels)[0])
            tensor[index] = whole
            slopes[index] = abs(losses[0] - losses[1]) / (2 * step)
        assert slopes.max() > 1e-3
        np.testing.assert_allclose(score, slopes, atol=1e-8, rtol=1e-6)
    for mask, score in zip(ticket.masks, snip(model, ticket, data), strict=False):
        assert not score[~mask.array].any()


def gradients_at(network, data, temperature, change, step):
    """Towards each weight matrix, of the loss of logits / T, at weights moved by ``step`` times ``change``."""
    whole = [dict(layer) for layer in network.layers]
    for layer, moved in zip(network.layers, change, strict=True):
        layer["weight"] = layer["weight"] + step * moved
    output = network.layers[-1]
    output["weight"], output["bias"] = output["weight"] / temperature, output["bias"] / temperature
    found = [g["weight"] for g in network.gradients(data.inputs.astype(np.float64), data.labels)[1]]
    found[-1] = found[-1] / temperature
    network.layers = whole
    return found


@pytest.mark.parametrize("temperature", [1.0, 200.0])
def test_grasp_s_hessian_product_is_the_gradient_s_change_along_itself(temperature):
    model, ticket, data = shaken_model(), thinned(), scoring()
    network = reference(model, ticket)
    nothing = [np.zeros(layer["weight"].shape) for layer in network.layers]
    along = gradients_at(network, data, temperature, nothing, 0)
    step = 1e-5 / max(np.abs(g).max() for g in along)
    ahead, behind = (gradients_at(network, data, temperature, along, s) for s in (step, -step))
    scores = grasp(model, ticket, data, temperature)
    for index, score in enumerate(scores):
        product = (ahead[index] - behind[index]) / (2 * step)
        expected = -network.layers[index]["weight"] * network.masks[index] * product
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(score, expected, atol=1e-6 * np.abs(expected).max(), rtol=1e-5)


def test_grasp_s_pool_changes_nothing_for_the_hidden_weights():
    model, ticket = shaken_model(), thinned()
    hidden, whole = (grasp(model, ticket, scoring(pool=pool)) for pool in ("hidden", "all"))
    assert len(whole) == 5
    for one, other in zip(hidden, whole, strict=False):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize("score", [snip, grasp])
def test_single_precision_ranks_alike(score):
    model, ticket = shaken_model(), thinned()
    doubles, singles = (score(model, ticket, scoring(precision=p)) for p in ("float64", "float32"))
    for one, other in zip(doubles, singles, strict=True):
        assert other.dtype == np.float64
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())


@pytest.mark.parametrize("norm", ["before", "after", "none"])
def test_the_plain_forward_pass_is_that_of_training(norm):
    model, ticket, data = shaken_model(norm), thinned(), scoring()
    inputs = torch.from_numpy(data.inputs)
    expected, _ = forward(torch_layers(model, ticket, LIVE, torch.device("cpu")), inputs, norm, None)
    found = plain_forward(plain_layers(model, ticket, LIVE, torch.float64), inputs.double(), norm)
    np.testing.assert_allclose(found.detach().numpy(), expected.numpy(), atol=1e-5)
    assert expected.std() > 0.1


def flow_by_autograd(model, kept):
    """Hidden and output weights' synaptic flow, as Tanaka et al. define it."""
    weights = [torch.tensor(layer.weight, dtype=torch.float64).abs() for layer in model.layers]
    for weight, mask in zip(weights, kept, strict=False):
        weight *= torch.tensor(mask)
    weights = [weight.requires_grad_() for weight in weights]
    hidden = torch.ones(weights[0].shape[1], dtype=torch.float64)
    for weight in weights:
        hidden = (weight @ hidden).relu()
    gradients = torch.autograd.grad(hidden.sum(), weights)
    return [(w * g).detach().numpy() for w, g in zip(weights, gradients, strict=True)]


def test_synflow_is_the_derivative_of_the_summed_outputs_and_is_conserved():
    model = initial((9, 8, 7, 6, 4), "before", 0)
    kept = [mask.array for mask in thinned((9, 8, 7, 6, 4)).masks]
    expected = flow_by_autograd(model, kept)
    scores = synflow(model, kept)
    for score, own in zip(scores, expected[:-1], strict=True):
        np.testing.assert_allclose(score, own, rtol=1e-12)
    flow = synflow(model, [*kept, *(np.ones(n, bool) for n in (8, 7, 6)), np.ones((4, 6), bool)], "all")
    matrices = [*flow[:3], flow[-1]]
    np.testing.assert_allclose(matrices[-1], expected[-1], rtol=1e-12)
    for into, out in pairwise(matrices):
        np.testing.assert_allclose(into.sum(axis=1), out.sum(axis=0), rtol=1e-12)
    assert not any(score.any() for score in flow[3:6])  # biases are 0


@pytest.mark.parametrize("pool", ["hidden", "all"])
@pytest.mark.parametrize("density", [0.1, 0.01, 0.001, 1e-9])
def test_synflow_collapses_no_layer_and_keeps_paths_open(density, pool):
    sizes = (40, 30, 20, 10, 5)
    model = initial(sizes, "before", 0)
    kept = kept_by_flow(model, density, 100, pool)
    size = sum(mask.size for mask in kept)
    matrices = [mask for mask in kept if mask.ndim == 2]
    assert sum(mask.sum() for mask in kept) == max(round(density * size), len(matrices))
    assert all(mask.any() for mask in matrices)
    reached = np.ones(sizes[0], bool)
    for mask in matrices:
        reached = (mask & reached).any(axis=1)
    assert reached.any()


def test_pruning_by_flow_in_one_round_is_not_the_same():
    model = initial((40, 30, 20, 10, 5), "before", 0)
    once, often = (kept_by_flow(model, 0.01, rounds) for rounds in (1, 100))
    assert sum(m.sum() for m in once) == sum(m.sum() for m in often)
    assert any((a != b).any() for a, b in zip(once, often, strict=True))
