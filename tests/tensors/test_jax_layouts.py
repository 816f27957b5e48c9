"""prunescope.tensors.jax_layouts: run with `pytest tests/tensors/test_jax_layouts.py`."""

import numpy as np

from prunescope.tensors import named_masks
from prunescope.tensors.jax_layouts import in_layouts_of_jax
from prunescope.tensors.named_tensor import NamedTensor, array_rows

RNG = np.random.default_rng(0)


def tensors(**arrays):
    """Tensors of these arrays; two underscores in a name stand for a dot."""
    return [
        NamedTensor(name.replace("__", "."), one.shape, one.dtype.name, lambda one=one: array_rows(one))
        for name, one in arrays.items()
    ]


def facts(found):
    return {one.name: (one.shape, one.order, one.is_mask) for one in found}


def test_names_of_torch_stay_as_they_are():
    weight = np.ones((3, 4), np.float32)
    given = tensors(fc__weight=weight, fc__bias=weight[0], fc__weight_mask=weight, attn__mask=weight)
    assert in_layouts_of_jax(given) == given


def test_a_kernel_has_the_inputs_first_and_nothing_else():
    kernel = np.ones((3, 4), np.float32)
    found = in_layouts_of_jax(tensors(a__kernel=kernel, a__embedding=kernel, a__bias=kernel[0]))
    assert facts(found) == {
        "a.kernel": ((3, 4), "io", False),
        "a.embedding": ((3, 4), "auto", False),
        "a.bias": ((4,), "auto", False),
    }


def test_a_packed_mask_has_the_shape_of_its_weight():
    kernel = RNG.random((3, 5)) < 0.5
    given = {"params__a__kernel": kernel.astype(np.float32), "state__masks__a__kernel": np.packbits(kernel)}
    given["state__masks__b__kernel"] = np.packbits(kernel)  # of no weight: it stays packed
    found = in_layouts_of_jax(tensors(**given))
    assert facts(found) == {
        "params.a.kernel": ((3, 5), "io", False),
        "a.kernel": ((3, 5), "io", True),
        "state.masks.b.kernel": ((2,), "auto", True),
    }
    np.testing.assert_array_equal(next(found[1].parts()), kernel)


def test_masks_of_one_name_keep_their_whole_names():
    kernel = np.ones((3, 4), np.uint8)
    found = in_layouts_of_jax(
        tensors(params__a__kernel=kernel, x__masks__a__kernel=kernel, y__masks__a__kernel=kernel)
    )
    assert [one.name for one in found] == ["params.a.kernel", "x.masks.a.kernel", "y.masks.a.kernel"]


def test_masks_of_rigl(tmp_path):
    kept = {"conv1": RNG.random((3, 2, 4, 5)) < 0.5, "fc2": RNG.random((6, 7)) < 0.5}
    held = {f"{name}/mask": one.astype(np.float32) for name, one in kept.items()}
    for beside in ({}, {f"{name}/weights": RNG.normal(size=one.shape) for name, one in kept.items()}):
        np.savez(tmp_path / "m.npz", **held, **beside)
        masks = {mask.name: mask.array for mask in named_masks(tmp_path / "m.npz")}
        assert list(masks) == ["conv1/mask", "fc2/mask"]
        np.testing.assert_array_equal(masks["conv1/mask"], kept["conv1"].transpose(3, 2, 0, 1))
        np.testing.assert_array_equal(masks["fc2/mask"], kept["fc2"].T)


def test_a_convolution_over_one_axis_is_no_attention():
    kernel = np.ones((3, 4, 5), np.float32)
    found = in_layouts_of_jax(tensors(a__query__kernel=kernel, conv__kernel=kernel))
    assert [one.shape for one in found] == [(3, 4, 5), (3, 4, 5)]
