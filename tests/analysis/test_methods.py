"""prunescope.analysis.methods: run with `pytest tests/analysis/test_methods.py`."""

import pytest

from prunescope.analysis.methods import sentence, stored_labels
from prunescope.errors import InputError
from prunescope.pruning import find_traits, method_names
from prunescope.report.page import describe
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import write_run


def of_method(tmp_path, method, **prune):
    changes = {"prune": {"method": method, "density": (0.1, 0.01)} | prune}
    return write_run(tmp_path, levels=3, hidden=(8,), shape=(1, 6, 6), changes=changes)


def change(run, **about):
    with open_run(run.experiment, run.seed, run.path.parents[1]) as writer:
        writer.write_about(**about)
    return Run(run.path)


@pytest.mark.parametrize("method", method_names())
def test_every_sentence_has_the_experiments_values(method, tmp_path):
    text = sentence(of_method(tmp_path, method))
    assert "{" not in text
    assert ("10 % and 1 %" in text) is ("{density}" in find_traits(method).sentence)


def test_iterative_pruning_is_told_with_its_rate_and_rewinding(tmp_path):
    assert sentence(of_method(tmp_path / "a", "imp", rate=0.2, rewind_step=150)) == (
        "after each level the smallest 20 % of the weights left are pruned and the rest rewound to step 150"
    )
    assert sentence(of_method(tmp_path / "b", "imp", rewind=False)).endswith("of the weights left are pruned")


def test_given_masks_are_told_with_the_levels_after_them(tmp_path):
    assert sentence(of_method(tmp_path / "a", "given", masks="m.npz")) == (
        "level 1 is trained with given masks (m.npz)"
    )
    text = sentence(of_method(tmp_path / "b", "given", masks="m.npz", further=2, rate=0.2, rewind=False))
    assert text.endswith("(m.npz); after it, for 2 levels, the smallest 20 % of the weights left are pruned")


def test_snip_is_not_told_as_iterative_pruning(tmp_path):
    text = describe(of_method(tmp_path, "snip"))
    assert text.endswith(
        "before training all weights are pruned but the 10 % and 1 % to which the loss is most sensitive."
    )
    assert "after each level" not in text


def test_what_a_run_stored_goes_before_what_is_installed(tmp_path):
    run = of_method(tmp_path, "snip")
    assert stored_labels([run]) == {}
    stored = change(run, method={"label": "other", "sentence": "{options} {nothing} {__class__} {density}"})
    assert stored_labels([stored]) == {"snip": "other"}
    assert sentence(stored) == "{} {nothing} {__class__} 10 % and 1 %"


@pytest.mark.parametrize("damaged", ["text", {"label": 1, "sentence": None}, []])
def test_what_is_no_text_is_refused(tmp_path, damaged):
    run = change(of_method(tmp_path, "snip"), method=damaged)
    with pytest.raises(InputError, match=r"run\.json: damaged \(method"):
        stored_labels([run])
