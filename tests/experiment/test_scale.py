"""prunescope.experiment.scale: run with `pytest tests/experiment/test_scale.py`."""

from itertools import pairwise

import pytest

from prunescope.data.sources import photographs
from prunescope.errors import InputError
from prunescope.experiment import load, preset_names
from prunescope.experiment.scale import SCALES, WITHOUT_FILES

ORDER = list(SCALES)  # from mini to paper


def at(preset, scale, *overrides):
    return load(preset, [f"scale={scale}", *overrides])


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_valid_and_no_smaller_at_each_larger_scale(preset):
    sizes = [at(preset, scale) for scale in ORDER]
    for less, more in pairwise(sizes):
        assert all(a <= b for a, b in zip(less.network.hidden, more.network.hidden, strict=True))
        for section, field in (("train", "steps"), ("train", "batch"), ("data", "validation")):
            assert getattr(getattr(less, section), field) <= getattr(getattr(more, section), field), field
        if more.prune.levels is not None:
            assert less.prune.levels <= more.prune.levels


@pytest.mark.parametrize("preset", preset_names())
def test_the_papers_own_scale_changes_nothing(preset):
    assert at(preset, "paper") == load(preset)


@pytest.mark.parametrize("scale", ORDER[:-1])
def test_scaled_experiments_of_the_paper_stay_apart_and_say_their_scale(scale):
    presets = [name for name in preset_names() if name.startswith("paper/")]
    scaled = [at(name, scale) for name in presets]
    assert [e.name for e in scaled] == [name.replace("paper", scale) for name in presets]
    alike = {}
    for experiment in scaled:
        alike.setdefault(experiment.identity, []).append(experiment.name)
    twins = [names for names in alike.values() if len(names) > 1]
    # both tasks in between become the same label noise where photographs stand in
    stand_in = scale in WITHOUT_FILES
    allowed = [[f"{scale}/semantic-5-random-5", f"{scale}/semantic-partial"]] if stand_in else []
    long = [names for names in twins if names not in allowed]
    assert all({f"{scale}/semantic", f"{scale}/steps-500000"} == set(names) for names in long)
    assert stand_in or not long


def test_laptop_by_the_stated_rules():
    main = at("paper/main", "laptop")
    assert main.network.hidden == (256, 256, 256)
    assert (main.train.steps, main.train.batch, main.train.lr) == (4000, 256, 0.4)
    assert (main.prune.rewind_step, main.prune.levels, main.train.eval_every) == (400, 15, 200)
    assert main.data.fraction == 0.25
    assert 0.7**main.prune.levels == pytest.approx(0.0048, rel=0.02)


def test_layer_by_layer_goes_a_point_below_the_dense_network_at_laptop_alone():
    assert [at("paper/progressive", scale).prune.tolerance for scale in ORDER] == [0, 0, 0.01, 0, 0]
    assert at("paper/main", "laptop").prune.tolerance == 0


def test_relations_between_experiments_survive():
    assert at("paper/sgd-0.02", "laptop").train.lr == pytest.approx(0.08)
    assert at("paper/adam", "laptop").train.lr == 0.01
    assert at("paper/width-2048", "laptop").network.hidden == (512, 512, 512)
    assert at("paper/rewind-100", "laptop").prune.rewind_step == 40
    assert at("paper/rewind-0", "laptop").prune.rewind_step == 0
    assert at("paper/fraction-10", "laptop").data.fraction == pytest.approx(0.025)
    assert 0.8 ** at("paper/rate-0.2", "laptop").prune.levels == pytest.approx(0.0048, rel=0.05)
    assert at("paper/steps-500000", "laptop").train.steps == 8000  # cut at twice the main run's
    short = at("paper/steps-5000", "laptop")
    assert (short.train.steps, short.prune.rewind_step) == (200, 40)


def test_mini_takes_photographs_and_noise_in_place_of_tasks():
    noise = {name: at(f"paper/{name}", "mini").data.label_noise for name in ("semantic", "semantic-partial")}
    assert noise == {"semantic": 0.0, "semantic-partial": 0.5}
    random = at("paper/random-classes", "mini").data
    assert (random.source, random.size, random.task, random.label_noise) == (
        "photographs", 16, "classes", 1.0,
    )  # fmt: skip
    assert at("paper/imagenet64", "mini").data.size == 32


@pytest.mark.parametrize("scale", ORDER)
def test_photographs_are_large_enough_for_every_experiment_of_the_paper(scale):
    for preset in preset_names():
        if preset.startswith("paper/"):
            data = at(preset, scale, "data.source=photographs").data
            raw = photographs.read(data.size, data.patches, data.validation)
            assert raw.shape == (3, data.size, data.size)


def test_the_miniature_is_mini_but_wider_and_evaluated_half_as_often():
    for preset in preset_names():
        if preset.startswith("paper/"):
            mini, richer = at(preset, "mini"), at(preset, "miniature")
            widths = [5 * width // 4 for width in mini.network.hidden]
            words = [f"network.hidden={widths}", f"train.eval_every={mini.train.steps // 10}"]
            assert at(preset, "mini", *words).identity == richer.identity
            assert richer.name == preset.replace("paper", "miniature")


def test_rotated_images_are_not_mirrored():
    assert at("paper/main", "mini").data.flip
    assert not at("paper/rotated", "mini").data.flip
    assert not at("paper/main", "mini", "data.rotate=10").data.flip


def test_what_is_set_by_other_overrides_stays_and_bounds_what_follows_from_it():
    chosen = at("paper/main", "mini", "train.steps=100", "network.hidden=[8]", "name=mine")
    assert (chosen.train.steps, chosen.network.hidden, chosen.name) == (100, (8,), "mine")
    assert (chosen.prune.rewind_step, chosen.train.eval_every) == (20, 5)
    parquet = at("paper/semantic", "laptop", "data.source=parquet", "data.root=somewhere").data
    assert (parquet.source, parquet.fraction, parquet.task, parquet.flip) == (
        "parquet",
        1.0,
        "semantic",
        True,
    )
    large = at("paper/imagenet64", "laptop", "data.source=photographs").data
    assert (large.size, large.patches, large.task) == (64, 100_000, "classes")


def test_small_experiments_are_only_capped():
    quick, mini = load("quickstart"), at("quickstart", "mini")
    assert at("quickstart", "laptop").network == quick.network
    assert (mini.network.hidden, mini.train.steps, mini.train.lr) == ((128, 128, 128), 1500, quick.train.lr)


def test_an_unknown_scale_is_named_with_those_there_are():
    with pytest.raises(InputError, match=r"scale is 'huge': use mini, miniature, laptop, small, paper"):
        at("paper/main", "huge")


def test_a_wrong_field_beside_the_scale_is_still_reported():
    with pytest.raises(InputError, match=r"train\.steps"):
        at("paper/main", "mini", "train.steps=many")
