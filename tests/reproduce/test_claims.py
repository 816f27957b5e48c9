"""Numbers and verdicts of claims on runs that were not trained: run with `pytest tests/reproduce/test_claims.py`."""

from pathlib import Path

import numpy as np
import polars
import pytest
import skimage.transform

from prunescope.mask import Mask
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample
from prunescope.reproduce.claims.miniature import ExperimentRuns, Miniature
from prunescope.reproduce.claims.quantities import direction, excess_share
from prunescope.reproduce.claims.sections import SECTIONS
from prunescope.reproduce.page import plots
from prunescope.reproduce.recipes import MINIATURE

SHAPE = (1, 24, 24)


@pytest.fixture(scope="module")
def mini(runs, kinds):
    return Miniature(kinds, runs[0])


def claim(name):
    return next(c for s in SECTIONS for c in s.claims if c.id == name)


def lines(degrees, seed=0):
    """A mask whose nodes keep short horizontal and vertical lines, turned counter-clockwise, and some noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for node in range(120):
        image = np.zeros((48, 48))
        y, x = rng.integers(16, 32, 2)
        if node % 2:
            image[y : y + 2, x - 10 : x + 10] = 1
        else:
            image[y - 10 : y + 10, x : x + 2] = 1
        turned = skimage.transform.rotate(image, degrees, order=1)[12:36, 12:36] > 0.5
        rows.append((turned | (rng.random((24, 24)) < 0.02)).ravel())
    return Mask(np.array(rows))


@pytest.mark.parametrize("degrees", [0, 20, -20, 35])
def test_direction_of_lines(degrees):
    assert direction(lines(degrees), SHAPE) == pytest.approx(degrees, abs=4)


def test_claims_have_names_of_their_own_and_say_their_rule():
    claims = [c for s in SECTIONS for c in s.claims]
    assert len({c.id for c in claims}) == len(claims)
    assert all(c.rule.endswith(".") and c.place and c.there for c in claims)
    assert all(hasattr(plots, section.plot) for section in SECTIONS)


def test_a_run_whose_accuracy_peaks_late_gains_and_peaks_sparse(mini):
    gain = claim("gain").measure(mini)
    assert gain.verdict == "holds"
    assert gain.quantities[0].values == pytest.approx(list(gain.tests[0].differences.values()))
    [peak] = claim("peak").measure(mini).tests
    assert peak.half_steps == pytest.approx(-np.log10(0.7) / 2)
    # Three seeds whose best levels differ: it takes the half step to leave this open.
    assert peak.difference.spread.high < peak.high < peak.spread.high
    assert peak.verdict == "not decided"


def stored(accuracies, densities=None):
    """A kind of which only best validation accuracies are known: by seed, those of level 0 and on."""
    columns = {"layer": 1, "weight_density": 1.0}
    kind = ExperimentRuns((), Path())
    kind.runs = dict.fromkeys(range(len(accuracies)))
    kind.tables = {
        seed: polars.DataFrame(
            [
                {
                    "level": level,
                    "nominal_density": densities[level] if densities else 0.7**level,
                    "best_val_accuracy": value,
                    **columns,
                }
                for level, value in enumerate(row)
            ]
        )
        for seed, row in enumerate(accuracies)
    }
    return kind


def test_the_best_level_is_a_pruned_one_and_of_equals_the_sparsest():
    kind = stored([[0.9, 0.5, 0.7, 0.7], [0.9, 0.6, None, 0.4], [0.9]])
    assert [kind.best_level(seed) for seed in range(3)] == [3, 1, None]


def test_the_level_that_the_other_seeds_choose():
    kind = stored([[0.9, 0.8, 0.1, 0.1], [0.9, 0.1, 0.7, 0.1], [0.9, 0.1, 0.1, 0.6]])
    assert kind.cross_fitted_levels == {0: 2, 1: 1, 2: 1}


def test_levels_form_a_grid_or_none():
    assert stored([[1.0] * 5]).half_step == pytest.approx(-np.log10(0.7) / 2)
    assert stored([[1.0] * 4], (1.0, 0.5, 0.2, 0.1)).half_step == np.inf
    assert stored([[1.0] * 2]).half_step == np.inf


class Invented(Miniature):
    """The kinds of the miniature with numbers made up by name: each seed's lies near it."""

    def __init__(self, kinds, base, scatter=1e-4):
        super().__init__(kinds, base)
        self.numbers = {}
        self.scatter = scatter

    def gather(self, name, kind, sample, unit="", *, null=False):
        number = self.numbers.setdefault((name, kind), 1.0)
        noise = np.random.default_rng(list(f"{name} {kind}".encode())).normal(0, self.scatter, 3)
        samples = {seed: Sample(number + value, "", "") for seed, value in enumerate(noise.tolist())}
        return MeasuredQuantity(name, samples, unit, null, kind=kind)


NUMBERS = (-20.0, -3.0, -1.0, -0.1, 0.0, 0.1, 0.5, 1.0, 1.5, 3.0, 20.0)


def reached(one, mini, verdict):
    """Whether some choice of numbers gives a claim that verdict: one at a time is changed, from several starts."""

    def score():
        evidence = one.measure(mini)
        return evidence.verdict == verdict, evidence.verdicts.count(verdict)

    best = score()
    rng = np.random.default_rng(0)
    for _ in range(20):
        for name in list(mini.numbers) * 2:
            for number in NUMBERS:
                before, mini.numbers[name] = mini.numbers[name], number
                found = score()
                if found > best:
                    best = found
                else:
                    mini.numbers[name] = before
                if best[0]:
                    return True
        mini.numbers = dict(zip(mini.numbers, rng.choice(NUMBERS, len(mini.numbers)).tolist(), strict=True))
        best = score()
    return False


@pytest.mark.parametrize("one", [c for s in SECTIONS for c in s.claims], ids=lambda one: one.id)
def test_every_claim_can_come_out_each_way(one, runs, kinds):
    for verdict in ("holds", "contradicted"):
        assert reached(one, Invented(kinds, runs[0]), verdict), verdict
    scattered = {one.measure(Invented(kinds, runs[0], scatter)).verdict for scatter in (1, 10, 100)}
    assert "not decided" in scattered


def test_verdicts_about_gain_rest_on_one_level(mini):
    for name in ("gain", "data-gain", "task-gain"):
        evidence = claim(name).measure(mini)
        tested = [q for test in evidence.tests for q in (test.first, test.second)]
        wheres = {s.where for q in tested for part in q.parts or (q,) for s in part.samples.values()}
        assert wheres == {f"levels.parquet, level {level}, layer 1, heldout_accuracy" for level in (0, 13)}


def test_quantities_know_their_experiment_and_their_images(mini):
    quantities = claim("gain").measure(mini).quantities
    assert {(q.kind, q.data[:64], q.images) for q in quantities} == {("imp", "0" * 64, "500 held-out")}
    whole = claim("ablation").measure(mini).quantities[-1]
    assert whole.images == "200 validation"
    assert claim("locality").measure(mini).quantities[0].images == ""


def test_lines_and_patches_grow_local(mini):
    evidence = claim("locality").measure(mini)
    values = [np.mean(quantity.values) for quantity in evidence.quantities]
    assert values[0] < values[1] < values[2] < values[3]
    assert evidence.verdict == "holds"


def test_ablation_by_fan_in(mini):
    most, least, _, whole = claim("ablation").measure(mini).quantities
    assert np.mean(most.values) < np.mean(least.values) <= np.mean(whole.values)
    assert claim("ablation").measure(mini).verdict == "holds"


def test_alike_runs_are_equal_and_not_ordered(mini):
    """The stand-in for other kinds has the main experiment's masks: nothing is more local than anything."""
    share = excess_share(mini, "", "oneshot", 0.7**6)
    assert share.values == pytest.approx([1.0] * 3)
    assert claim("imp-oneshot").measure(mini).verdict == "not decided"
    assert claim("task-locality").measure(mini).verdict == "not decided"
    assert claim("random").measure(mini).verdict == "contradicted"
    assert claim("task-none").measure(mini).verdict == "contradicted"
    assert claim("rotated").measure(mini).verdict != "holds"
    gap = claim("global").measure(mini).tests[0]
    assert gap.verdict == "holds"
    assert not gap.difference.paired


def test_every_claim_and_plot_bears_missing_runs(runs):
    _, main, _ = runs
    empty = Miniature({}, runs[0])
    alone = Miniature({"imp": main[:1]}, runs[0])
    for section in SECTIONS:
        for one in section.claims:
            assert one.measure(empty).verdict == one.measure(alone).verdict == "not decided", one.id
        getattr(plots, section.plot)(empty)


def test_a_density_that_no_level_has_is_left_out(mini):
    assert mini.at("", "imp", "locality", 0.003).samples == {}
    assert set(mini.at("", "imp", "locality", 0.7**13).samples) == {0, 1, 2}


def test_seeds_that_ended_early_are_left_out(runs, kinds):
    short = dict(kinds) | {"imp": [*kinds["imp"][:2]]}
    mini = Miniature(short, runs[0])
    evidence = claim("tail").measure(mini)
    assert len(evidence.quantities[0].samples) == 2
    assert evidence.verdict == "not decided"


def test_every_kind_of_the_miniature_is_shown_by_a_claim(runs, kinds):
    used = set()

    class Seen(Miniature):
        def __getitem__(self, kind):
            used.add(kind)
            return super().__getitem__(kind)

    mini = Seen(kinds, runs[0])
    for section in SECTIONS:
        for one in section.claims:
            one.measure(mini)
    # GraSP, of which the paper claims nothing, and a fraction between are drawn only
    assert set(MINIATURE) - used == {"grasp"}
