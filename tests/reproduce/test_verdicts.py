"""How often verdicts are wrong, by simulation at the edge of truth: run with `pytest tests/reproduce/test_verdicts.py`.

Each case draws many claims whose truth lies just on the edge, where chance misleads most often, and counts wrong
verdicts. The rules allow 2.5 %; 1000 draws scatter around that by 0.5 %. More draws, and the rates themselves:
`PYTHONPATH=tests python tests/reproduce/test_verdicts.py`.
"""

import math
from collections import Counter
from itertools import pairwise
from statistics import fmean

import numpy as np
import pytest

from prunescope.analysis import best_levels
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity, Sample, difference
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.rules import Test, combine, within_a_quarter
from prunescope.reproduce.claims.sections import SECTIONS

CLAIMS = 1000
ALLOWED = 0.04
SEEDS = (3, 5, 10)
STEP = -math.log10(0.7)  # of the levels, in log10 u
LEVELS = 17
EITHER = ("holds", "contradicted")


def measured(values, kind="one", **options):
    return MeasuredQuantity(
        kind, {seed: Sample(v, "", "") for seed, v in enumerate(values.tolist())}, kind=kind, **options
    )


def normal(rng, n, mean=0.0, sd=1.0):
    return rng.normal(mean, sd, n)


def above_a_constant(rng, n):
    return [Test("", measured(normal(rng, n, 5)), 5.0)]


def below_a_constant(rng, n):
    return [Test("", measured(normal(rng, n, 5)), low=-math.inf, high=5.0)]


def paired_within_an_experiment(rng, n):
    seeds = normal(rng, n, sd=5)
    return [Test("", measured(seeds + normal(rng, n)), measured(seeds + normal(rng, n, sd=2)))]


def two_experiments(rng, n):
    return [Test("", measured(normal(rng, n)), measured(normal(rng, n), "other"))]


def two_experiments_of_different_noise(rng, n):
    return [Test("", measured(normal(rng, n)), measured(normal(rng, n, sd=4), "other"))]


def two_experiments_on_the_same_data(rng, n):
    """Seeds share a part: paired from five seeds on, Welch below."""
    seeds = normal(rng, n)
    first, second = (measured(seeds + normal(rng, n), kind, data="same") for kind in ("one", "other"))
    return [Test("", first, second)]


def equivalence(rng, n):
    """The mean lies on the upper limit, the lower one far away."""
    return [Test("", measured(normal(rng, n, 20)), low=-20.0, high=20.0)]


def equivalence_within_the_noise(rng, n):
    """Both limits are so near that chance can lead beyond either."""
    return [Test("", measured(normal(rng, n, 0.02)), low=-0.02, high=0.02)]


def equivalence_of_two_experiments(rng, n):
    return [Test("", measured(normal(rng, n, 6)), measured(normal(rng, n), "other"), -6.0, 6.0)]


def a_measured_limit(rng, n, side=1):
    """The excess is just a quarter of the whole one, whose own noise is larger."""
    excess, whole = measured(normal(rng, n, side * 5)), measured(normal(rng, n, 20, 4), "other")
    return list(within_a_quarter(excess, whole, "the whole"))


def a_measured_limit_from_below(rng, n):
    return a_measured_limit(rng, n, -1)


def a_level(rng, n, mean, sd=0.3):
    """log10 u of the level next to a peak that lies anywhere between levels."""
    return STEP * np.round(normal(rng, n, mean, sd) / STEP)


def on_the_grid(rng, n):
    """The mean of the peaks is the bound; what is measured is the level next to each."""
    peak = measured(a_level(rng, n, -1.0), half_step=STEP / 2)
    return [Test("", peak, low=-math.inf, high=-1.0)]


def a_sharp_peak_on_the_grid(rng, n):
    """The peaks scatter less than a step, so that rounding moves their mean by up to half of one."""
    peak = measured(a_level(rng, n, -1.0, STEP / 4), half_step=STEP / 2)
    return [Test("", peak, low=-math.inf, high=-1.0)]


def two_on_the_grid(rng, n):
    peaks = [measured(a_level(rng, n, -1.0), kind, half_step=STEP / 2) for kind in ("one", "other")]
    return [Test("", *peaks)]


def one_of_four_on_the_edge(rng, n):
    """Three tests hold for certain; the claim holds by chance when the fourth does."""
    sure = [Test("", measured(normal(rng, n, 1000))) for _ in range(3)]
    return [*sure, Test("", measured(normal(rng, n)))]


def four_on_the_edge(rng, n):
    """Any of four can contradict."""
    return [Test("", measured(normal(rng, n))) for _ in range(4)]


def a_ladder_on_the_edge(rng, n):
    """Steps of one experiment that share their ends, as in the claim about locality."""
    steps = [measured(row) for row in rng.normal(size=(4, n))]
    return [Test("", after, before) for before, after in pairwise(steps)]


def four_equivalences_on_the_edge(rng, n):
    """As in the claim about global pruning: eight bounds can contradict."""
    return [Test("", measured(normal(rng, n, 0.02)), low=-0.02, high=0.02) for _ in range(4)]


def the_same_difference_twice(rng, n):
    """As for the fewest images and for no meaning: two experiments against one."""
    first, second, third = (measured(normal(rng, n), kind) for kind in ("one", "two", "three"))
    return [Test("", first, third), Test("", first, second)]


def two_of_different_noise(rng, n):
    """As in the claims about accuracy: two experiments against the middle one, which is the noisiest."""
    first, middle, last = (
        measured(normal(rng, n, sd=sd), kind) for kind, sd in (("one", 1), ("middle", 4), ("last", 1))
    )
    return [Test("", first, middle), Test("", middle, last)]


CASES = (
    above_a_constant,
    below_a_constant,
    paired_within_an_experiment,
    two_experiments,
    two_experiments_of_different_noise,
    two_experiments_on_the_same_data,
    equivalence,
    equivalence_within_the_noise,
    equivalence_of_two_experiments,
    a_measured_limit,
    a_measured_limit_from_below,
    on_the_grid,
    a_sharp_peak_on_the_grid,
    two_on_the_grid,
    one_of_four_on_the_edge,
    four_on_the_edge,
    a_ladder_on_the_edge,
    four_equivalences_on_the_edge,
    the_same_difference_twice,
    two_of_different_noise,
)


def shares(claims):
    """How often each verdict comes out."""
    found = Counter(claims)
    return {verdict: found[verdict] / found.total() for verdict in (*EITHER, "not decided")}


def simulated(case, n, claims=CLAIMS):
    rng = np.random.default_rng([n, CASES.index(case)])
    return shares(combine(case(rng, n)) for _ in range(claims))


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_at_the_edge_of_truth_either_verdict_is_rare(case, n):
    found = simulated(case, n)
    assert all(found[verdict] <= ALLOWED for verdict in EITHER), found


@pytest.mark.parametrize("n", SEEDS)
def test_far_from_the_edge_verdicts_are_right(n):
    """Rules that decide nothing would be right too."""
    rng = np.random.default_rng(n)
    clear = {3: 20, 5: 8, 10: 4}[n]
    for sign, verdict in ((1, "holds"), (-1, "contradicted")):
        tests = ([Test("", measured(normal(rng, n, sign * clear)))] * 2 for _ in range(300))
        assert shares(combine(several) for several in tests)[verdict] > 0.8


class EqualLevels(Miniature):
    """An experiment in which no level differs from the dense one but by the noise of training, of 0.4 points."""

    def __init__(self, rng, n):
        self.densities = {level: 0.7**level for level in range(LEVELS + 1)}
        accuracies = 0.08 + 0.004 * rng.normal(size=(n, LEVELS + 1))
        self.accuracies = [dict(enumerate(row)) for row in accuracies.tolist()]

    def at(self, name, kind, column, u, unit="", **options):
        level = min(self.densities, key=lambda level: abs(math.log(self.densities[level] / u)))
        return self._of(name, [level] * len(self.accuracies))

    def at_cross_fitted(self, name, kind, column, unit=""):
        chosen = best_levels.cross_fitted(dict(enumerate(self.accuracies)), self.densities)
        return self._of(name, [chosen[seed] for seed in range(len(self.accuracies))])

    def at_own_best(self):
        return self._of("", [best_levels.best(self.densities, row) for row in self.accuracies])

    def _of(self, name, levels):
        found = [row[level] for row, level in zip(self.accuracies, levels, strict=True)]
        return MeasuredQuantity(
            name, {seed: Sample(v, "", "") for seed, v in enumerate(found)}, "%", kind="imp"
        )


@pytest.mark.parametrize("n", SEEDS)
def test_a_gain_at_a_level_fixed_in_advance_is_not_made_by_choosing(n):
    claim = next(claim for section in SECTIONS for claim in section.claims if claim.id == "gain")
    rng = np.random.default_rng(n)
    verdicts, chosen, described = [], [], []
    for _ in range(CLAIMS):
        mini = EqualLevels(rng, n)
        evidence = claim.measure(mini)
        verdicts.append(evidence.verdict)
        described.append(fmean(evidence.quantities[-1].values))
        chosen.append(difference("", mini.at_own_best(), evidence.quantities[1]))
    found = shares(verdicts)
    assert all(found[verdict] <= ALLOWED for verdict in EITHER), found
    # What the other seeds choose gains nothing, what a seed chooses for itself nearly a point.
    assert abs(fmean(described)) < 4 * np.std(described) / math.sqrt(len(described))
    assert fmean(fmean(one.values) for one in chosen) == pytest.approx(0.0072, abs=0.0004)
    assert shares(combine([Test("", one)]) for one in chosen)["holds"] > 0.15


if __name__ == "__main__":
    for one in CASES:
        for seeds in SEEDS:
            rates = simulated(one, seeds, 20_000)
            print(
                f"{one.__name__:40} n = {seeds:2}",
                *(f"{k} {100 * v:.2f} %" for k, v in rates.items()),
                flush=True,
            )
