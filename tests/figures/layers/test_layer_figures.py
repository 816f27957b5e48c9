"""Figures of a network's layers: run with `pytest tests/figures/layers/test_layer_figures.py`."""

from dataclasses import replace

import numpy as np
import polars
import pytest
from PIL import Image

import prunescope as ps
from observed_layers import observed_layer
from prunescope.errors import InputError
from prunescope.figures.layers import LAYER_FIGURES, draw_layers, find_layers_figure
from prunescope.figures.layers.connections import histogram_table
from prunescope.figures.layers.kinds import draw_kinds, side_by_side
from prunescope.figures.layers.names import short_names
from prunescope.figures.layers.ranking import farthest_quantities
from prunescope.layers import LayerForm, ObservedNetwork

RNG = np.random.default_rng(4)


@pytest.fixture(scope="module", params=[4, 44])
def observed(request):
    """A network whose third layer keeps whole units, and whose second is a convolution with known kernel positions."""
    masks = {f"block{k}.weight": RNG.random((20, 24)) < 0.1 + 0.01 * (k % 7) for k in range(request.param)}
    masks["block2.weight"] = np.repeat(RNG.random(20) < 0.3, 24).reshape(20, 24)
    layers = [observed_layer(name, mask) for name, mask in masks.items()]
    arrays = dict(layers[1].arrays) | {
        "kernel_positions": np.array([[0.1, 0.2], [0.3, 0.0]]),
        "heads": np.array([0.1, 0.3, 0.2]),
        "effective_field": RNG.random((5, 5)),
    }
    layers[1] = replace(layers[1], form=LayerForm("convolution", (20, 6, 2, 2)), arrays=arrays)
    return ObservedNetwork("network.npz", tuple(layers))


@pytest.mark.parametrize("name", LAYER_FIGURES)
def test_every_figure_is_drawn_with_its_data(name, observed, tmp_path):
    pdf, png, data = draw_layers(name, observed, tmp_path)
    assert pdf.read_bytes().startswith(b"%PDF")
    with Image.open(png) as picture:
        assert min(picture.size) > 300
    if name == "layers-connections":
        assert polars.read_csv(data)["layer"][0] == observed.ranked[0].name
    assert data.name == f"figure-{name}.{'npz' if name == 'layers-kinds' else 'csv'}"


def test_densities_are_those_of_the_layers(observed, tmp_path):
    table = polars.read_csv(draw_layers("densities", observed, tmp_path)[2])
    assert table["density"].to_list() == pytest.approx([layer.density for layer in observed])
    sizes = [np.prod(layer.form.shape) for layer in observed]
    assert np.dot(table["density_erk"], sizes) == pytest.approx(sum(layer.kept for layer in observed))
    assert table["kind"][1] == "convolution"


def test_the_ranking_holds_every_z(observed, tmp_path):
    table = polars.read_csv(draw_layers("layers-ranking", observed, tmp_path)[2])
    row = table.filter(layer="block2.weight", quantity="fan_in_variance_ratio")
    assert row["z"][0] == pytest.approx(observed[2].scalars["fan_in_variance_ratio"].z)
    first = farthest_quantities(observed)[0]
    assert abs(table["z"]).max() == pytest.approx(
        max(abs(one.scalars[first].z) for one in observed if first in one.scalars)
    )


def test_connections_are_those_of_the_chosen_layers(observed, tmp_path):
    table = polars.read_csv(draw_layers("connections", observed, tmp_path, layers=[3, 1])[2])
    assert table["number"].unique(maintain_order=True).to_list() == [3, 1]
    for number in (1, 3):
        for side, count in (("fan_in", 20), ("fan_out", 24)):
            assert table.filter(number=number, side=side)["nodes"].sum() == count
    whole = histogram_table(observed[2], "fan_in").filter(polars.col("nodes") > 0)
    kept = (observed[2].arrays["fan_in"] == 24).sum()
    assert whole["nodes"].to_list() == [20 - kept, kept]


def test_kinds_are_drawn_from_the_arrays_of_layers(observed, tmp_path):
    with np.load(draw_layers("kinds", observed, tmp_path)[2]) as data:
        assert set(data) == {"2_kernel_positions", "2_heads", "2_effective_field"}
        np.testing.assert_array_equal(data["2_heads"], observed[1].arrays["heads"])
    with pytest.raises(InputError, match="no convolution with a kernel"):
        draw_layers("kinds", observed, tmp_path, layers=[1])


def test_panels_of_kinds_have_scales_and_names():
    rng = np.random.default_rng(4)
    patches = {"patch_embed.proj.weight": rng.random((8, 3, 8, 8)) < 0.5}
    drawn = draw_kinds(ps.observe(patches), None)
    assert drawn.notes == (
        "Blue to red: the kept share over the density of the layer, by the scale beside each map.",
    )
    share = patches["patch_embed.proj.weight"].mean(axis=(0, 1)) / patches["patch_embed.proj.weight"].mean()
    top = max(share.max(), 1 / share.min())
    [scale] = [one for one in drawn.figure.axes if one.get_label() == "<colorbar>"]
    assert [tick.get_text() for tick in scale.get_yticklabels()] == [f"{1 / top:.2g}", "1", f"{top:.2g}"]

    drawn = draw_kinds(ps.observe({"attn.in_proj_weight": rng.random((96, 32)) < 0.5}, heads=4), None)
    heads, parts = ([tick.get_text() for tick in axes.get_xticklabels()] for axes in drawn.figure.axes[:2])
    assert heads == [f"{part} {number}" for part in "qkv" for number in range(1, 5)]
    assert parts == ["q", "k", "v"]
    assert drawn.notes == ("Dashed lines: the density of the layer.",)

    drawn = draw_kinds(ps.observe({"attn.q_proj.weight": rng.random((32, 32)) < 0.5}, heads=4), None)
    assert [tick.get_text() for tick in drawn.figure.axes[0].get_xticklabels()] == ["1", "2", "3", "4"]
    small = draw_kinds(ps.observe({"conv.weight": rng.random((8, 4, 3, 3)) < 0.5}), None)
    assert small.notes[0].endswith("numbers: the kept share in percent.")


def test_kernels_of_one_and_three_axes_are_drawn():
    masks = {
        "volume.weight": np.random.default_rng(0).random((8, 4, 3, 3, 3)) < 0.5,
        "line.weight": np.random.default_rng(1).random((8, 4, 7)) < 0.5,
        "flat.weight": np.random.default_rng(2).random((8, 4, 1, 3, 5)) < 0.5,
        "column.weight": np.random.default_rng(3).random((8, 4, 1, 7, 1)) < 0.5,
    }
    seen = ps.observe(masks)
    drawn = draw_kinds(seen, list(seen))
    shares = {
        f"{number}_kernel_positions": one.mean(axis=(0, 1)) for number, one in enumerate(masks.values(), 1)
    }
    assert list(drawn.data) == list(shares)
    for name, share in shares.items():
        np.testing.assert_allclose(drawn.data[name], share)
    assert drawn.notes[1:] == (
        "Maps in one panel: the slices of a kernel along its first axis, from left to right.",
    )
    volume, line, flat, column = drawn.figure.axes[:4]
    ratio = np.log(shares["1_kernel_positions"] / seen[0].density)
    [image] = volume.images
    np.testing.assert_allclose(np.ma.filled(image.get_array(), np.nan), side_by_side(ratio))
    assert len(volume.patches) == 3  # a frame for each slice
    assert [len(one.patches) for one in (line, column)] == [7, 7]
    np.testing.assert_allclose([bar.get_height() for bar in line.patches], 100 * shares["2_kernel_positions"])
    assert flat.images[0].get_array().shape == (3, 5)


@pytest.mark.parametrize(
    "shape", [(2, 2, 2), (3, 3, 3), (5, 3, 3), (16, 3, 3), (4, 1, 9), (4, 9, 2), (7, 20, 2)]
)
def test_slices_lie_beside_each_other_once_and_in_their_order(shape):
    slices = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    whole = side_by_side(slices)
    found = whole[np.isfinite(whole)]
    assert sorted(found) == sorted(slices.ravel())
    corners = [np.argwhere(whole == one[0, 0])[0] for one in slices]
    assert corners == sorted(corners, key=tuple)
    for (top, left), one in zip(corners, slices, strict=True):
        np.testing.assert_array_equal(whole[top : top + shape[1], left : left + shape[2]], one)
        assert np.isnan(whole[top : top + shape[1], left + shape[2] : left + shape[2] + 1]).all()
        assert np.isnan(whole[top + shape[1] : top + shape[1] + 1, left : left + shape[2]]).all()


def test_plot_returns_a_figure(observed):
    figure = observed.plot("densities", layers=[1, 2])
    assert figure.axes[0].get_ylabel() == "density (%)"
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["block0", "block1"]


def test_what_is_not_there_is_refused(observed):
    with pytest.raises(InputError, match="unknown figure 'rankings' of layers: did you mean"):
        find_layers_figure("rankings")
    with pytest.raises(InputError, match="no layer 99; it has"):
        observed.plot("ranking", layers=[99])


def test_a_network_without_any_z_is_drawn(tmp_path):
    dense = ObservedNetwork("dense", (observed_layer("full", np.ones((4, 6), bool)),))
    for name in ("densities", "ranking", "connections"):
        assert draw_layers(name, dense, tmp_path)[0].exists()


def test_short_names():
    assert short_names(["a.weight", "b.weight"]) == ["a", "b"]
    assert short_names(["a.weight", "b"]) == ["a.weight", "b"]
    assert short_names(["a.weight_mask", "b.weight_mask"]) == ["a", "b"]
    assert short_names(["a.weight_mask", "in_weight_mask"]) == ["a.weight", "in_weight"]
    assert short_names(["x" * 50], 10) == ["…" + "x" * 9]
    assert short_names(["x" * 50]) == ["…" + "x" * 33]
    assert short_names(["a\x1b[31m"]) == ["a\\x1b[31m"]
