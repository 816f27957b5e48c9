"""prunescope.observables.effective_fields: run with `pytest tests/observables/test_effective_fields.py`."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from prunescope.errors import InputError
from prunescope.observables import effective_masks, effective_receptive_fields, unit_receptive_field
from prunescope.observables.effective_fields import (
    StackLayer,
    dense_stack,
    field_shares,
    shuffled_stacks,
    stack_fields,
)
from prunescope.randomness import generator

RNG = generator(0, "test")


def conv(n_out, n_in, kernel=3, density=0.3, **settings):
    """A layer with a random mask of ``n_in`` channels a group."""
    return StackLayer(RNG.random((n_out, n_in, kernel, kernel)) < density, **settings)


STACKS = {
    "plain": [conv(5, 2), conv(4, 5)],
    "stride": [conv(6, 3, 3, 0.2, stride=(2, 2)), conv(4, 6, 3, 0.15, stride=(1, 2)), conv(3, 4, 2, 0.3)],
    "dilation": [conv(4, 1, 3, 0.4, dilation=(2, 1)), conv(4, 4, 3, 0.2, dilation=(1, 3))],
    "groups": [conv(6, 2, groups=1), conv(6, 3, 3, 0.2, groups=2), conv(12, 1, 3, 0.3, groups=6)],
    "pooling": [
        conv(4, 2, 3, 0.2, padding=(1, 1)),
        StackLayer(None, stride=(2, 2), window=(2, 2)),
        conv(5, 4, 3, 0.1, padding=(1, 1)),
        StackLayer(None, stride=(2, 2), window=(3, 3), padding=(1, 1)),
    ],
    "padding": [conv(3, 2, 5, 0.1, padding=(2, 2), stride=(2, 1)), conv(4, 3, 3, 0.2, padding=(1, 0))],
}


def forward(layers, images):
    """Apply positive kept weights to images, [n, C, H, W]."""
    for one in layers:
        if one.mask is None:
            images = functional.max_pool2d(images, one.window, one.stride, one.padding)
        else:
            images = functional.conv2d(
                images, torch.tensor(one.mask).double(), None, one.stride, one.padding, one.dilation, one.groups
            )  # fmt: skip
    return images


def perturbed(layers, size):
    """Return which units change with each pixel, bool [C, H, W, n_out, H', W']: one pixel after another is set."""
    count = int(np.prod(size))
    pixels = torch.eye(count, dtype=torch.float64).reshape(count, *size)
    changed = (forward(layers, pixels) > 0).numpy()
    return changed.reshape(*size, *changed.shape[1:])


@pytest.mark.parametrize("name", STACKS)
def test_fields_are_the_pixels_that_change_a_unit(name):
    layers = STACKS[name]
    size = (layers[0].inputs, 22, 24)
    changed = perturbed(layers, size)
    y, x = (side // 2 for side in changed.shape[4:])  # away from the border
    fields = effective_receptive_fields(layers)
    height, width = fields.patterns.shape[2:]
    top, left = y * fields.step[0] + fields.start[0], x * fields.step[1] + fields.start[1]
    assert top >= 0
    assert left >= 0
    for channel, mask in enumerate(fields.masks):
        expected = np.zeros(size, bool)
        expected[:, top : top + height, left : left + width] = mask
        np.testing.assert_array_equal(changed[..., channel, y, x], expected)
    np.testing.assert_array_equal(fields.sizes, changed[..., y, x].sum(axis=(0, 1, 2)))
    np.testing.assert_allclose(fields.image, fields.masks.any(axis=1).mean(axis=0))


@pytest.mark.parametrize("name", STACKS)
def test_the_field_of_any_unit_is_what_changes_it_at_the_border_too(name):
    layers = STACKS[name]
    size = (layers[0].inputs, 13, 12)
    changed = perturbed(layers, size)
    n_out, height, width = changed.shape[3:]
    for unit in ((0, 0, 0), (n_out - 1, height - 1, 0), (n_out // 2, height // 2, width - 1)):
        np.testing.assert_array_equal(unit_receptive_field(layers, size, unit), changed[(..., *unit)])


def test_convolutions_of_one_pixel_are_linear_layers():
    first, second = RNG.random((7, 5)) < 0.2, RNG.random((6, 7)) < 0.2
    fields = effective_receptive_fields([StackLayer(one[:, :, None, None]) for one in (first, second)])
    np.testing.assert_array_equal(fields.masks[:, :, 0, 0], effective_masks([first, second])[1])


def test_a_dense_stack_has_the_whole_field_and_a_single_weight_one_pixel():
    layers = [conv(4, 3), conv(5, 4, 5, stride=(2, 2)), conv(2, 5)]
    dense = effective_receptive_fields(dense_stack(layers))
    assert dense.masks.shape == (2, 3, 11, 11)
    assert dense.masks.all()
    single = [StackLayer(np.zeros(one.mask.shape, bool), one.stride) for one in layers]
    for one in single:
        one.mask[:, 0, 0, -1] = True
    fields = effective_receptive_fields(single)
    assert fields.sizes.tolist() == [1, 1]
    assert np.argwhere(fields.masks[0]).tolist() == [[0, 0, 10]]
    assert field_shares(single) == pytest.approx([1 / 27, 1 / (3 * 49), 1 / (3 * 121)])


def test_order_of_inner_channels_does_not_matter():
    first, second = conv(6, 3), conv(4, 6)
    order = RNG.permutation(6)
    again = [StackLayer(first.mask[order]), StackLayer(second.mask[:, order])]
    np.testing.assert_array_equal(
        effective_receptive_fields(again).masks, effective_receptive_fields([first, second]).masks
    )


def test_shuffled_stacks_keep_fan_ins_and_are_the_same_again():
    layers = STACKS["pooling"]
    one, other = (list(shuffled_stacks(layers, 3)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        for mine, its, layer in zip(a, b, layers, strict=True):
            if layer.mask is None:
                assert mine is layer
                continue
            np.testing.assert_array_equal(mine.mask, its.mask)
            np.testing.assert_array_equal(mine.mask.sum((1, 2, 3)), layer.mask.sum((1, 2, 3)))
    assert not np.array_equal(one[0][0].mask, one[1][0].mask)


def test_fields_of_each_layer_are_those_of_the_stack_up_to_it():
    layers = STACKS["stride"]
    for number, fields in enumerate(stack_fields(layers), 1):
        np.testing.assert_array_equal(fields.masks, effective_receptive_fields(layers[:number]).masks)


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="layer 2 of the stack has 4 input channels, but 5 come from below"):
        effective_receptive_fields([conv(5, 2), conv(3, 4)])
    with pytest.raises(InputError, match="layer 1 of the stack has 2 input channels, but 3 come from below"):
        unit_receptive_field([conv(5, 2)], (3, 8, 8), (0, 0, 0))
    with pytest.raises(InputError, match=r"no unit \(5, 0, 0\)"):
        unit_receptive_field([conv(5, 2)], (2, 8, 8), (5, 0, 0))
    with pytest.raises(InputError, match="without layers"):
        effective_receptive_fields([])
    with pytest.raises(InputError, match=r"got shape \(3, 4\)"):
        StackLayer(np.ones((3, 4), bool))
