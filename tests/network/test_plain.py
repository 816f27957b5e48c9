"""Plain networks and their torch modules against the equations: run with `pytest tests/network/test_plain.py`."""

import copy
import io
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.errors import InputError
from prunescope.mask import Mask
from prunescope.model import Layer, Model, Ticket, initial
from prunescope.network.forward import TorchLayer, forward, network_inputs, torch_averages, torch_layers
from prunescope.network.network_input import NetworkInput
from prunescope.network.plain import AffineMap, NormLayer, Rectifier, plain_network
from prunescope.network.plain_module import plain_module

SHAPE = (2, 3, 3)
SIZES = (18, 9, 8, 4)
CPU = torch.device("cpu")
DEAD_PIXELS = [0, 7]
PLACES = ("before", "after", "none")
FORMS = ("folded", "layers")


def random_model(place, seed=0):
    """A model of random numbers, none of which is what it starts as; norms of dead inputs have a variance of 0."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer in initial(SIZES, place, seed).layers:
        width = layer.gamma.size
        bias, gamma, beta, mean = (
            rng.standard_normal(n).astype(np.float32) for n in (layer.bias.size, width, width, width)
        )
        layers.append(
            Layer(layer.weight, bias, gamma, beta, mean / 4, rng.uniform(0.1, 2, width).astype("f4"))
        )
    return Model(tuple(layers))


def ticket_of(density, seed=0):
    """Masks in which unit 2 of the first layer has no input, and unit 3 dead pixels alone."""
    rng = np.random.default_rng(seed)
    masks = [rng.random((n_out, n_in)) < density for n_in, n_out in pairwise(SIZES[:-1])]
    if density < 1:
        masks[0][2] = False
        masks[0][3] = np.isin(np.arange(SIZES[0]), DEAD_PIXELS)
        masks[1][5] = False
    biases = tuple(rng.random(len(mask)) < (1 if density == 1 else 0.5) for mask in masks)
    return Ticket(tuple(map(Mask, masks)), biases)


def pixels_of(are_bytes=True):
    rng = np.random.default_rng(5)
    live = ~np.isin(np.arange(SIZES[0]), DEAD_PIXELS)
    mean = rng.uniform(60, 190, SIZES[0]).astype(np.float32)
    return NetworkInput(mean if are_bytes else np.zeros_like(mean), live, are_bytes)


def images_of(are_bytes=True):
    """Images in which dead pixels vary too, as those of a validation set may."""
    rng = np.random.default_rng(6)
    if are_bytes:
        return rng.integers(0, 256, (40, SIZES[0])).astype(np.uint8)
    return rng.standard_normal((40, SIZES[0])).astype(np.float32)


def by_equations(model, ticket, pixels, images, place):
    """Return the logits [B, classes] in float64, image by image and unit by unit."""
    live = [list(pixels.live)]
    for mask in ticket.masks:
        kept = mask.array
        live.append([any(kept[j, i] and live[-1][i] for i in range(kept.shape[1])) for j in range(len(kept))])
    result = []
    for image in images:
        if pixels.are_bytes:
            h = [(float(p) - float(m)) / 255 for p, m in zip(image, pixels.mean, strict=True)]
        else:
            h = [float(p) for p in image]
        for number, layer in enumerate(model.layers):
            last = number == len(model.layers) - 1

            def normal(values, alive, layer=layer):
                found = []
                for i, value in enumerate(values):
                    x = (value - float(layer.mean[i])) / np.sqrt(float(layer.variance[i]) + 1e-10)
                    found.append(float(layer.gamma[i]) * (x if alive[i] else 0.0) + float(layer.beta[i]))
                return found

            if place == "before":
                h = normal(h, live[number])
            sums = []
            for j, bias in enumerate(layer.bias):
                total = float(bias) if last or ticket.biases[number][j] else 0.0
                for i, value in enumerate(h):
                    if last or ticket.masks[number].array[j, i]:
                        total += float(layer.weight[j, i]) * value
                sums.append(total)
            if place == "after" and not last:
                sums = normal(sums, live[number + 1])
            h = sums if last else [max(value, 0.0) for value in sums]
        result.append(h)
    return np.array(result)


def logits_of(module, images):
    with torch.no_grad():
        return module(torch.from_numpy(images.astype(np.float32)).reshape(-1, *SHAPE)).numpy()


@pytest.mark.parametrize("masks", ["baked", "prune"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("density", [1.0, 0.4])
def test_logits_are_those_of_the_equations(place, form, masks, density):
    model, ticket, pixels, images = random_model(place), ticket_of(density), pixels_of(), images_of()
    module = plain_module(plain_network(model, ticket, pixels, place, form), masks)
    expected = by_equations(model, ticket, pixels, images, place)
    np.testing.assert_allclose(logits_of(module, images), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_values_that_are_no_bytes_are_taken_as_they_are(place, form):
    model, ticket, pixels, images = random_model(place), ticket_of(0.4), pixels_of(False), images_of(False)
    module = plain_module(plain_network(model, ticket, pixels, place, form), "baked")
    expected = by_equations(model, ticket, pixels, images, place)
    np.testing.assert_allclose(logits_of(module, images), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
def test_logits_are_those_of_the_evaluation_of_runs(place, form):
    model, ticket, pixels, images = random_model(place), ticket_of(0.4), pixels_of(), images_of()
    inputs = network_inputs(torch.from_numpy(images), torch.from_numpy(pixels.mean))
    layers = torch_layers(model, ticket, pixels.live, CPU)
    expected, _ = forward(layers, inputs, place, torch_averages(model, CPU))
    module = plain_module(plain_network(model, ticket, pixels, place, form), "baked")
    np.testing.assert_allclose(logits_of(module, images), expected.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", ["before", "after"])
def test_what_does_not_vary_sends_its_shift_whatever_it_is(place, form):
    model, ticket, pixels, images = random_model(place), ticket_of(0.4), pixels_of(), images_of()
    # A norm that computed these would give 1e5 times the difference to the average.
    tiny = tuple(
        Layer(x.weight, x.bias, x.gamma, x.beta, x.mean, np.where(dead, 0, x.variance).astype(np.float32))
        for x, dead in zip(model.layers, _dead_of(ticket, pixels, place), strict=True)
    )
    module = plain_module(plain_network(Model(tiny), ticket, pixels, place, form), "baked")
    expected = by_equations(Model(tiny), ticket, pixels, images, place)
    np.testing.assert_allclose(logits_of(module, images), expected, rtol=2e-5, atol=2e-5)
    if place == "before":
        moved = images.copy()
        moved[:, DEAD_PIXELS] = 255 - moved[:, DEAD_PIXELS]
        np.testing.assert_array_equal(logits_of(module, moved), logits_of(module, images))


def _dead_of(ticket, pixels, place):
    live = ticket.live_inputs(pixels.live)
    return [~x for x in live] if place == "before" else [*(~x for x in live[1:]), np.zeros(0, bool)]


def with_frame(value, variance):
    """A model, pixels and images with a frame of this value that hardly varies."""
    model, pixels, images = random_model("before"), pixels_of(), images_of()
    frame = np.arange(SIZES[0]) % 3 == 1
    first = model.layers[0]
    mean, variances = first.mean.copy(), first.variance.copy()
    pixels.mean[frame], images[:, frame], mean[frame], variances[frame] = value, value, 0, variance
    images[3, np.flatnonzero(frame)[0]] = abs(value - 1)
    framed = Layer(first.weight, first.bias, first.gamma, first.beta, mean, variances)
    return Model((framed, *model.layers[1:])), pixels, images


@pytest.mark.parametrize("masks", ["baked", "prune"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("variance", [1e-6, 1e-9])
def test_pixels_that_hardly_vary_are_centred_first(form, masks, variance):
    """A term of 200 · W/σ loses the digits that differ between images, in float32."""
    model, pixels, images = with_frame(200, variance)
    expected = by_equations(model, ticket_of(0.4), pixels, images, "before")
    network = plain_network(model, ticket_of(0.4), pixels, "before", form)
    assert next(iter(network.parts)) == "centre"
    found = logits_of(plain_module(network, masks), images)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)
    centre = plain_module(network, masks).centre
    rows = torch.from_numpy(images).float()
    assert torch.equal(centre(rows), rows - centre.running_mean)


def test_a_centre_before_norms_as_layers_changes_nothing_in_training():
    model, pixels, images = with_frame(200, 1e-6)
    images[:, DEAD_PIXELS] = 77
    module = (
        plain_module(plain_network(model, ticket_of(0.4), pixels, "before", "layers"), "prune")
        .double()
        .train()
    )
    assert hasattr(module, "centre")
    rows = torch.from_numpy(images).double()
    layers = [
        TorchLayer(*(p.double() for p in layer.parameters), layer.live.double())
        for layer in torch_layers(model, ticket_of(0.4), pixels.live, CPU)
    ]
    inputs = (rows - torch.from_numpy(pixels.mean).double()) / 255
    expected, _ = forward(layers, inputs, "before", None)
    torch.testing.assert_close(module(rows.reshape(-1, *SHAPE)).detach(), expected, rtol=1e-3, atol=1e-3)


def test_only_those_are_centred():
    for value, variance in ((0, 1e-9), (200, 1.0)):
        model, pixels, images = with_frame(value, variance)
        network = plain_network(model, ticket_of(0.4), pixels, "before", "folded")
        assert "centre" not in network.parts
        expected = by_equations(model, ticket_of(0.4), pixels, images, "before")
        np.testing.assert_allclose(
            logits_of(plain_module(network, "baked"), images), expected, rtol=2e-5, atol=2e-5
        )


@pytest.mark.parametrize(
    ("place", "form", "names"),
    [
        ("before", "folded", ["layer1", "relu1", "layer2", "relu2", "layer3"]),
        ("none", "layers", ["layer1", "relu1", "layer2", "relu2", "layer3"]),
        ("before", "layers", ["norm1", "layer1", "relu1", "norm2", "layer2", "relu2", "norm3", "layer3"]),
        ("after", "layers", ["layer1", "norm1", "relu1", "layer2", "norm2", "relu2", "layer3"]),
    ],
)
def test_the_parts_and_their_names(place, form, names):
    network = plain_network(random_model(place), ticket_of(0.4), pixels_of(), place, form)
    assert list(network.parts) == names
    kinds = {"layer": AffineMap, "norm": NormLayer, "relu": Rectifier}
    assert all(isinstance(part, kinds[name[:-1]]) for name, part in network.parts.items())
    assert network.sizes == SIZES
    module = plain_module(network, "baked")
    assert [name for name, _ in module.named_children()] == ["flatten", *names]
    assert {type(part).__module__.partition(".")[0] for part in module.modules()} == {"torch"}
    assert not module.training


@pytest.mark.parametrize("place", PLACES)
def test_pruned_weights_are_0_and_unfolded_ones_are_those_of_the_model(place):
    model, ticket = random_model(place), ticket_of(0.4)
    pruned = ticket.applied_to(model).layers
    for form in FORMS:
        state = plain_module(plain_network(model, ticket, pixels_of(), place, form), "baked").state_dict()
        for number, mask in enumerate(ticket.masks, 1):
            assert not state[f"layer{number}.weight"].numpy()[~mask.array].any()
    untouched = (1, 2, 3) if place == "before" else (2, 3)
    for number in untouched:
        np.testing.assert_array_equal(state[f"layer{number}.weight"], pruned[number - 1].weight)
        np.testing.assert_array_equal(state[f"layer{number}.bias"], pruned[number - 1].bias)


@pytest.mark.parametrize("place", PLACES)
def test_masks_are_those_of_torchs_pruning(place):
    ticket, pixels = ticket_of(0.4), pixels_of()
    network = plain_network(random_model(place), ticket, pixels, place, "layers")
    module = plain_module(network, "prune")
    for number, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True), 1):
        layer = module.get_submodule(f"layer{number}")
        assert nn.utils.prune.is_pruned(layer)
        np.testing.assert_array_equal(layer.weight_mask.numpy(), mask.array)
        if number > 1 or place == "before":  # the mean image is folded into the first bias of the others
            np.testing.assert_array_equal(layer.bias_mask.numpy(), bias)
        else:
            assert not hasattr(layer, "bias_mask")
    assert not nn.utils.prune.is_pruned(module.layer3)
    live = ticket.live_inputs(pixels.live)
    for number in (1, 2, 3) if place == "before" else (1, 2) if place == "after" else ():
        kept = live[number - (place == "before")]
        np.testing.assert_array_equal(module.get_submodule(f"norm{number}").weight_mask.numpy(), kept)


def test_what_has_masks_follows_from_the_form_alone():
    """So a state dict of one level fits the module of another."""
    model, live = random_model("before"), NetworkInput(pixels_of().mean, np.ones(SIZES[0], bool), True)
    for form in FORMS:
        sparse = plain_module(plain_network(model, ticket_of(0.4), pixels_of(), "before", form), "prune")
        dense = plain_module(plain_network(model, Ticket.dense(SIZES), live, "before", form), "prune")
        assert sparse.state_dict().keys() == dense.state_dict().keys()
        assert all(mask.all() for name, mask in dense.state_dict().items() if name.endswith("mask"))
        assert hasattr(sparse.layer2, "bias_mask") == (form == "layers")


@pytest.mark.parametrize("place", ["before", "after"])
def test_training_on_goes_as_it_does_here(place):
    """Logits and gradients of a batch are those of training, for norms as layers with masks; in float64."""
    model, ticket, pixels, images = random_model(place), ticket_of(0.4), pixels_of(), images_of()
    images[:, DEAD_PIXELS] = 77  # which do not vary while training
    module = plain_module(plain_network(model, ticket, pixels, place, "layers"), "prune").double().train()
    labels, rows = torch.arange(len(images)) % SIZES[-1], torch.from_numpy(images).double()
    found = module(rows.reshape(-1, *SHAPE))
    nn.functional.cross_entropy(found, labels).backward()
    layers = [
        TorchLayer(*(p.double().requires_grad_() for p in layer.parameters), layer.live.double())
        for layer in torch_layers(model, ticket, pixels.live, CPU)
    ]
    inputs = (rows - torch.from_numpy(pixels.mean).double()) / 255
    expected, _ = forward(layers, inputs, place, None)
    nn.functional.cross_entropy(expected, labels).backward()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)  # the module's numbers were float32
    for number in (2, 3):
        own = dict(module.get_submodule(f"layer{number}").named_parameters())
        kept = ticket.masks[1].array if number == 2 else np.ones((4, 8), bool)
        gradient = own["weight_orig" if number == 2 else "weight"].grad.numpy()
        np.testing.assert_allclose(
            gradient, layers[number - 1].weight.grad.numpy() * kept, rtol=1e-4, atol=1e-7
        )
    if place == "before":  # no gradient goes into what a disconnected unit hides
        bias = module.layer1.bias_orig.grad.numpy()
        assert not bias[[2, 3]].any()
        assert bias.any()
        np.testing.assert_allclose(bias, layers[0].bias.grad.numpy() * ticket.biases[0], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("masks", ["baked", "prune"])
def test_a_module_is_copied_and_saved_and_owns_its_numbers(masks):
    model, ticket, images = random_model("before"), ticket_of(0.4), images_of()
    network = plain_network(model, ticket, pixels_of(), "before", "layers")
    module = plain_module(network, masks)
    before = logits_of(module, images)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(logits_of(module, images), before)
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    np.testing.assert_array_equal(logits_of(torch.load(buffer, weights_only=False), images), before)


def test_making_a_module_draws_no_random_number():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    plain_module(
        plain_network(random_model("before"), ticket_of(0.4), pixels_of(), "before", "layers"), "prune"
    )
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pickled_module_needs_no_prunescope(tmp_path):
    module = plain_module(
        plain_network(random_model("before"), ticket_of(0.4), pixels_of(), "before", "layers"), "prune"
    )
    torch.save(module, tmp_path / "module.pt")
    np.save(tmp_path / "images.npy", images_of())
    code = (
        "import sys; sys.modules['prunescope'] = None\n"
        "import numpy, torch\n"
        "images = torch.from_numpy(numpy.load('images.npy')).float()\n"
        "module = torch.load('module.pt', weights_only=False)\n"
        "numpy.save('logits.npy', module(images).detach().numpy())\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), logits_of(module, images_of()))


def test_large_matrices_are_folded_a_few_rows_at_a_time(monkeypatch):
    model, ticket, pixels = random_model("before"), ticket_of(0.4), pixels_of()
    whole = plain_network(model, ticket, pixels, "before", "folded")
    monkeypatch.setattr("prunescope.network.plain.BLOCK_ENTRIES", 40)
    pieces = plain_network(model, ticket, pixels, "before", "folded")
    for one, other in zip(whole.maps, pieces.maps, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
        np.testing.assert_allclose(one.bias, other.bias, rtol=1e-6)


def test_other_forms_are_refused():
    network = plain_network(random_model("none"), ticket_of(0.4), pixels_of(), "none", "folded")
    with pytest.raises(InputError, match="masks is 'soft': use baked or prune"):
        plain_module(network, "soft")
    with pytest.raises(InputError, match="norm is 'fold': use folded or layers"):
        plain_network(random_model("none"), ticket_of(0.4), pixels_of(), "none", "fold")
