"""prunescope.report.observed without a browser: run with `pytest tests/report/observed/test_layers_page.py`."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from observed_layers import observed_layer
from prunescope.errors import InputError
from prunescope.layers import ObservedNetwork
from prunescope.report.observed.kind_pictures import kind_pictures
from prunescope.report.observed.layer_data import network_data
from prunescope.report.observed.page import facts, lede, likely_shape, shape_advice
from prunescope.report.observed.wording import ratio

RNG = np.random.default_rng(2)


def _observed(shape=None, **masks):
    layers = [
        observed_layer(name, mask, None if k else shape) for k, (name, mask) in enumerate(masks.items())
    ]
    return ObservedNetwork("masks.npz", tuple(layers))


def _data(page):
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def test_the_head_says_what_the_network_is():
    first, second = RNG.random((8, 12)) < 0.5, RNG.random((4, 8)) < 0.25
    observed = _observed(a=first, b=second)
    kept = int(first.sum() + second.sum())
    assert lede(observed) == f"2 layers (2 linear) of 128 weights, of which {kept} are kept."
    [density, far, count, _] = facts(observed, 0.1)
    assert density["value"] == f"{100 * kept / 128:.0f} %"
    assert far["value"].startswith("z = ")
    assert count["value"] == "0 of 2"
    dense = _observed(a=np.ones((4, 6), bool))
    assert [fact["value"] for fact in facts(dense, 0.0)] == ["100 %", "—"]
    assert lede(dense) == "One layer (linear) of 24 weights, of which 24 are kept."


def test_without_a_shape_the_page_says_what_it_would_show():
    mask = RNG.random((5, 192)) < 0.3
    advice = shape_advice(_observed(first=mask))
    assert "first" in advice
    assert "3x8x8" in advice
    assert "--shape CxHxW" in advice
    assert shape_advice(_observed(shape=(3, 8, 8), first=mask)) == ""
    observed = _observed(first=mask)
    inputs = mask.shape[1]
    for n_out, words in ((inputs, ""), (inputs + 1, advice)):
        second = observed_layer("second", RNG.random((n_out, 6)) < 0.5, None)
        second = replace(second, form=replace(second.form, kind="attention"))
        assert shape_advice(replace(observed, layers=(observed[0], second))) == words


@pytest.mark.parametrize(
    ("inputs", "shape"), [(3072, (3, 32, 32)), (784, (1, 28, 28)), (1024, None), (1000, None), (27, None)]
)
def test_a_likely_shape_of_images(inputs, shape):
    assert likely_shape(inputs) == shape


def test_the_page_is_written_with_every_number(tmp_path):
    masks = {"one": RNG.random((300, 40)) < 0.2, "two": RNG.random((20, 300)) < 0.1}
    observed = _observed(**masks)
    page = observed.write_page(tmp_path / "deep" / "page.html").read_text("utf-8")
    data = _data(page)
    assert [layer["name"] for layer in data["layers"]] == ["one", "two"]
    assert data["layers"][0]["kept"] == masks["one"].sum()
    value, mean, sd, z, shuffles = data["layers"][0]["scalars"]["fan_in_variance_ratio"]
    scalar = observed[0].scalars["fan_in_variance_ratio"]
    assert (value, mean, sd) == pytest.approx((scalar.value, scalar.null_mean, scalar.null_sd), rel=1e-5)
    assert (z, shuffles) == (pytest.approx(scalar.z, rel=1e-4), 0)
    assert sum(data["layers"][0]["fan_in"]["lines"]) == 300
    assert sum(data["layers"][0]["fan_out"]["lines"]) == 40
    overall = sum(mask.sum() for mask in masks.values()) / (300 * 40 + 20 * 300)
    assert data["overall"] == pytest.approx(overall, rel=1e-5)
    assert sum(layer["erk"] * np.prod(layer["shape"]) for layer in data["layers"]) == pytest.approx(
        overall * 18000, rel=1e-4
    )
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_pictures_of_many_layers_are_smaller():
    observed = _observed(**{f"layer{k}": RNG.random((140, 280)) < 0.2 for k in range(49)})
    [picture] = [
        layer["picture"] for layer in network_data(replace(observed, layers=observed.layers[:1]))["layers"]
    ]
    assert (picture["rows"], picture["columns"]) == (140, 256)
    picture = network_data(observed)["layers"][0]["picture"]
    assert (picture["rows"], picture["columns"], picture["bits"]) == (70, 128, False)
    assert picture["white"] <= 1


def test_as_many_digits_as_tell_a_value_from_its_null():
    assert (ratio(0.641933), ratio(0.642128)) == ("0.642", "0.642")
    assert (ratio(0.641933, 6.1e-5), ratio(0.642128, 6.1e-5)) == ("0.64193", "0.64213")
    assert ratio(1234.5, 0.2) == "1234.5"
    assert ratio(0.5, 0.2) == ratio(0.5, 0.0) == ratio(0.5, float("nan")) == "0.5"
    assert ratio(0.0, 0.1) == "0"


def test_a_page_is_not_written_over_a_folder(tmp_path):
    observed = _observed(a=RNG.random((8, 12)) < 0.5)
    with pytest.raises(InputError, match="is a folder; give the page a file name"):
        observed.write_page(tmp_path)


def test_patterns_that_hold_everywhere_are_named():
    planted = np.tile([True, False, True, False], (8, 6))
    first = replace(observed_layer("a", planted), patterns=("2:4 along inputs",))
    observed = ObservedNetwork("masks.npz", (first, observed_layer("b", RNG.random((4, 8)) < 0.5)))
    assert lede(observed).endswith(" Patterns that hold everywhere: 2:4 along inputs in 1 layer.")
    assert [layer["patterns"] for layer in network_data(observed)["layers"]] == [["2:4 along inputs"], []]


def test_kernels_of_any_number_of_axes_are_drawn_slice_by_slice():
    layer = observed_layer("conv", RNG.random((4, 6)) < 0.5, None)
    for shape, maps in (((5, 4), 1), ((3, 5, 4), 3), ((2, 3, 5, 4), 6), ((2, 1, 2, 3, 5, 4), 12)):
        kernel = RNG.random(shape)
        [drawn] = kind_pictures(replace(layer, arrays={"kernel_positions": kernel}))
        assert (drawn["of"], drawn["rows"], drawn["columns"]) == (maps, 5, 4)
        assert drawn["high"] == pytest.approx(kernel[..., :5, :4].max(), abs=1e-3) or maps > drawn["maps"]
