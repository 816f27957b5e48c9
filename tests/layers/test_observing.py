"""prunescope.layers.observing: run with `pytest tests/layers/test_observing.py`."""

import numpy as np
import pytest

import prunescope as ps
from prunescope.errors import InputError
from prunescope.observables import measure

RNG = np.random.default_rng(0)


def test_a_file_of_masks_is_measured_layer_by_layer(tmp_path):
    first, second = RNG.random((8, 48)) < 0.3, RNG.random((4, 8)) < 0.5
    np.savez(tmp_path / "masks.npz", first=first, second=second)
    observed = ps.observe(tmp_path / "masks.npz", shape=(3, 4, 4))
    assert [layer.name for layer in observed] == ["first", "second"]
    assert observed[0].density == first.mean()
    assert observed[0].scalars["locality"] == measure(first, (3, 4, 4)).locality
    assert "locality" not in observed[1].scalars
    assert observed[1].arrays["fan_in"].tolist() == second.sum(1).tolist()
    table = observed.table
    assert table.filter(layer="second", quantity="fan_in_variance_ratio")["value"][0] == pytest.approx(
        measure(second, None).fan_in_variance_ratio.value
    )


def test_layers_are_ranked_by_their_distance_from_their_null(tmp_path):
    uneven = np.zeros((20, 100), bool)
    uneven[:2] = True
    np.savez(tmp_path / "masks.npz", even=RNG.random((20, 100)) < 0.1, uneven=uneven)
    assert [layer.name for layer in ps.observe(tmp_path / "masks.npz").ranked] == ["uneven", "even"]


def test_a_layer_without_weights_is_noted_and_a_network_without_any_refused(tmp_path):
    np.savez(tmp_path / "masks.npz", empty=np.zeros((3, 4), bool), full=np.ones((3, 4), bool))
    observed = ps.observe(tmp_path / "masks.npz")
    assert [layer.name for layer in observed] == ["full"]
    assert observed.notes == ("empty keeps no weight: not measured",)
    np.savez(tmp_path / "empty.npz", empty=np.zeros((3, 4), bool))
    with pytest.raises(InputError, match="empty keeps no weight"):
        ps.observe(tmp_path / "empty.npz")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("shape", "3x2", "shape '3x2' is not that of an image"),
        ("shape", 30, "shape is 30: give C, H, W"),
        ("shape", (3, 2), r"shape is \(3, 2\): give C, H, W"),
        ("heads", "x", "heads is 'x': give a whole number"),
        ("patch", 2.5, "patch is 2.5: give a whole number"),
        ("tokens", 5, r"tokens is 5: give \(H, W\)"),
        ("order", "xx", "order is 'xx': give auto, oi or io"),
        ("zeros", True, "zeros is True: give auto, always or never"),
    ],
)
def test_options_of_another_kind_are_refused(option, value, words):
    with pytest.raises(InputError, match=words):
        ps.observe(np.eye(30, dtype=bool), **{option: value})


def test_layers_are_found_by_number_and_by_name():
    observed = ps.observe({"a": np.eye(4, dtype=bool), "b": np.eye(5, dtype=bool)})
    assert observed["b"] is observed[1]
    with pytest.raises(InputError, match="no layer c; there are a, b"):
        observed["c"]


def test_a_run_is_measured_at_a_level(finished_run):
    observed = ps.observe(finished_run, level=2)
    assert [layer.name for layer in observed] == ["level 2, layer 1", "level 2, layer 2"]
    [second] = ps.observe(finished_run, level=2, layer=2)
    assert second.scalars == observed[1].scalars
