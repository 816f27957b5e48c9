"""What methods say of themselves beside their procedures: run with `pytest tests/pruning/test_traits.py`."""

import inspect
import re

import numpy as np
import pytest

import tiny
from prunescope.errors import InputError
from prunescope.experiment import Prune
from prunescope.pruning import check_method, find_method, find_traits, method_names, register
from prunescope.pruning.running import estimate, run
from prunescope.pruning.traits import Traits, level_by_level, unstated
from prunescope.training.torch.step_rules import RULES

SIZES = (108, 12, 8, 3)
OPTIONS = {  # what each method needs to be told
    "imp": {"levels": 2},
    "progressive": {"levels": 3},
    "beta-lasso": {"shrink": 1e-4},
    "given": {"further": 1},
} | {
    key: {"density": [0.5, 0.2]}
    for key in ("oneshot", "snip", "grasp", "synflow", "random", "gradual", "set", "rigl", "dpf")
}


def experiment(method, **sections):
    prune = (
        {"method": method, "rewind_step": 2, "update_every": 5} | OPTIONS[method] | sections.pop("prune", {})
    )
    return tiny.experiment(prune=prune, **sections)


@pytest.fixture(scope="module", autouse=True)
def _masks_that_are_given(tmp_path_factory):
    path = tmp_path_factory.mktemp("given") / "masks.npz"
    np.savez(path, a=np.arange(12 * 108).reshape(12, 108) % 2, b=np.arange(10 * 12).reshape(10, 12) % 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(OPTIONS, "given", OPTIONS["given"] | {"masks": str(path)})
        yield


def test_every_method_is_known_here():
    assert sorted(OPTIONS) == method_names()


@pytest.mark.parametrize("method", OPTIONS)
def test_every_method_states_its_traits(method):
    traits = find_traits(method)
    assert traits != unstated(method)
    assert traits.label
    assert traits.sentence[0].islower()
    assert not traits.sentence.endswith(".")
    assert traits.update_rule in RULES
    assert traits.moves_pruned_weights == (traits.update_rule != "kept")


def test_labels_and_places_are_all_different():
    traits = [find_traits(name) for name in method_names()]
    assert len({one.label for one in traits}) == len({one.order for one in traits}) == len(traits)


@pytest.mark.parametrize("method", OPTIONS)
def test_the_levels_expected_are_those_that_a_run_trains(method, images_file, tmp_path):
    """Their number, their nominal densities, and whether the first is dense."""
    chosen = experiment(method, data={"root": str(images_file)}, train={"steps": 20, "eval_every": 10})
    finished = run(chosen, out=tmp_path)
    traits = find_traits(method)
    expected = traits.expected(chosen.prune, (108, *chosen.network.hidden, 3))
    assert (0 in finished.levels) is traits.dense_first
    assert len(expected.densities) == len(finished.levels)
    if method not in ("progressive", "beta-lasso"):  # densities of the layer being pruned; an outcome
        first = finished.table.filter(layer=1).sort("level")
        assert list(expected.densities) == pytest.approx(first["nominal_density"].to_list())


def test_a_density_is_needed_before_anything_is_run():
    with pytest.raises(InputError, match=r"prune\.density is not given: prune\.method=snip"):
        estimate(tiny.experiment(prune={"method": "snip"}))


def test_layers_densities_are_one_level():
    prune = experiment("oneshot", prune={"density": None, "layer_densities": [0.5, 0.1]}).prune
    expected = find_traits("oneshot").expected(prune, SIZES)
    kept = (0.5 * 108 * 12 + 0.1 * 12 * 8) / (108 * 12 + 12 * 8)
    assert expected.densities == pytest.approx((1.0, kept))


def test_densities_of_another_number_of_layers_are_refused_before_anything_is_run():
    with pytest.raises(InputError, match=r"layer_densities is \[0\.5\]: the network has 2 hidden layers"):
        estimate(experiment("oneshot", prune={"density": None, "layer_densities": [0.5]}))


def test_shuffled_masks_need_a_run_before_anything_is_run():
    with pytest.raises(InputError, match=r"prune\.like is not given"):
        estimate(experiment("random", prune={"layout": "shuffle"}))


def test_levels_that_are_given_are_not_assumed():
    expected = find_traits("progressive").expected(experiment("progressive").prune, SIZES)
    assert (len(expected.densities), expected.assumed) == (4, ())


def test_without_levels_the_stop_rule_is_assumed():
    expected = find_traits("imp").expected(experiment("imp", prune={"levels": None}).prune, SIZES)
    assert len(expected.densities) == 21
    assert "the stop rule decides" in expected.assumed[0]


def test_a_method_that_states_nothing_is_priced_with_its_assumptions():
    prune = experiment("snip").prune.model_copy(update={"method": "from-elsewhere"})
    expected = find_traits("from-elsewhere").expected(prune, SIZES)
    assert expected.densities == (1.0, 0.5, 0.2)
    assert "from-elsewhere states no TRAITS" in expected.assumed[0]


def test_a_registered_method_brings_its_traits(monkeypatch):
    monkeypatch.setattr("prunescope.pruning._registered", {})
    traits = Traits("mine", "weights go", level_by_level, dense_first=True)
    register("mine", traits)(lambda setting: iter(()))
    assert find_traits("mine") is traits
    check_method("mine")


def test_an_unknown_method_is_refused_when_a_run_starts_and_not_when_one_is_read():
    chosen = tiny.experiment(prune={"method": "imq"})
    with pytest.raises(InputError, match="no pruning method 'imq': did you mean 'imp'"):
        run(chosen)
    assert find_traits("imq").label == "imq"


def test_every_built_in_method_names_the_fields_that_it_reads():
    for name in OPTIONS:
        traits, source = find_traits(name), inspect.getsource(inspect.getmodule(find_method(name)))
        assert traits.fields is not None, name
        assert traits.fields <= set(Prune.model_fields), name
        read = set(re.findall(r"\bprune\.(\w+)", source)) & set(Prune.model_fields)
        assert read - {"method"} <= traits.fields, name


def test_more_levels_than_leave_a_weight_are_not_planned():
    expected = level_by_level(Prune(levels=10**12, rate=0.3), SIZES)
    assert len(expected.densities) == 79
    assert 0 < expected.densities[-1] < 1e-12
    assert "next to no weight" in expected.assumed[0]


@pytest.mark.parametrize("fields", [{"stop_units": 0.0}, {"rate": 1e-12}, {"rate": 1e-320}])
def test_levels_without_end_are_refused(fields):
    with pytest.raises(InputError, match=r"prune.levels is 1,000,000,000,000 .*at most 10,000"):
        level_by_level(Prune(levels=10**12, **fields), SIZES)
