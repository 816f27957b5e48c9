"""Numbers and verdicts of claims on runs that were not trained: run with `pytest tests/reproduce/test_claims.py`."""

import numpy as np
import pytest
import skimage.transform

from prunescope.mask import Mask
from prunescope.reproduce import plots
from prunescope.reproduce.claims import SECTIONS
from prunescope.reproduce.derived import direction, excess_share
from prunescope.reproduce.recipes import MINIATURE
from prunescope.reproduce.stored import Miniature

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
    for name in ("gain", "peak"):
        assert claim(name).measure(mini).verdict == "holds"


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
    assert claim("random").measure(mini).verdict == "does not hold"
    assert claim("task-none").measure(mini).verdict == "does not hold"
    assert claim("rotated").measure(mini).verdict != "holds"
    gap = claim("global").measure(mini).tests[0]
    assert gap.verdict == "holds"


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
