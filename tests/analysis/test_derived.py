"""prunescope.analysis.run_observables, on stored runs: run with `pytest tests/analysis/test_derived.py`."""

import shutil

import numpy as np
import pytest

import tiny
from prunescope import observables
from prunescope.analysis.run_observables import (
    densities_against_erk,
    run_cavity,
    run_flow,
    run_gabor,
    run_hierarchy,
)
from prunescope.errors import InputError
from prunescope.pruning.running import run
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.directory import Run


def test_flow_of_trained_weights(finished_run):
    found = run_flow(finished_run)
    sums = np.array(
        [
            [np.abs(layer.weight).sum(dtype=float) for layer in finished_run.model(level).layers[:-1]]
            for level in finished_run.levels
        ]
    )
    share = sums / sums.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.share, share)
    kept = [sum(mask.kept for mask in finished_run.ticket(level).masks) for level in finished_run.levels]
    factor = np.log(np.divide(kept[:-1], kept[1:]))[:, np.newaxis]
    np.testing.assert_allclose(found.exponent, np.log(share[1:] / share[:-1]) / factor)
    np.testing.assert_allclose(factor, np.log(1 / 0.7), rtol=0.1)  # p but for biases and rounding


def test_flow_of_what_pruning_left(finished_run):
    found = run_flow(finished_run, "pruned")
    assert found.share.shape == (3, 2)
    kept = [
        np.abs(layer.weight)[mask.array].sum(dtype=float)
        for layer, mask in zip(finished_run.model(1).layers[:-1], finished_run.ticket(2).masks, strict=True)
    ]
    np.testing.assert_allclose(found.share[1], np.array(kept) / sum(kept))
    with pytest.raises(InputError, match="moment is 'late': use trained or pruned"):
        run_flow(finished_run, "late")


def test_cavities_are_parted_by_the_next_levels_mask(finished_run):
    split = run_cavity(finished_run, 1)
    following = finished_run.mask(2).array
    assert following[split.kept.node, split.kept.input].all()
    assert not following[split.pruned.node, split.pruned.input].any()
    assert min(len(split.kept.effect), len(split.pruned.effect)) > 10
    size = np.abs(finished_run.model(1).layers[0].weight)
    np.testing.assert_array_equal(split.pruned_size, size[split.pruned.node, split.pruned.input])
    assert split.kept_size.min() >= split.pruned_size.max()  # what magnitude pruning does
    assert run_cavity(finished_run, 3) is None  # nothing was pruned after the last level


def test_masks_that_lie_in_each_other_by_chance_part_no_cavities(images_file, tmp_path):
    """SNIP's levels are all pruned at initialisation, none from the level before."""
    snip = run(
        tiny.experiment(data={"root": str(images_file)}, prune={"method": "snip", "density": [0.5, 0.2]}),
        out=tmp_path,
    )
    assert not (snip.mask(2).array & ~snip.mask(1).array).any()
    assert run_cavity(snip, 1) is None


def test_runs_without_cavities_still_read(finished_run, tmp_path):
    path = shutil.copytree(finished_run.path, tmp_path / "old")
    file = path / "level-001" / "observations.safetensors"
    old = {k: v for k, v in read_arrays(file)[0].items() if not k.startswith(("cavity", "kurtosis"))}
    write_arrays(file, old)
    assert run_cavity(Run(path), 1) is None


def test_gabors_and_hierarchies_of_a_run(finished_run):
    fits = run_gabor(finished_run, 2, [3, 0], shuffles=1)
    weights = finished_run.model(2).layers[0].weight
    again = observables.gabor_fit(weights, finished_run.mask(2), finished_run.shape, nodes=[0], shuffles=1)
    assert fits.r2[1] == again.r2[0]
    assert fits.null_r2[1, 0] == again.null_r2[0, 0]
    top, bottom = run_hierarchy(finished_run, 2, 2, 4, top=5)
    assert (top.layer, top.nodes.tolist(), bottom.layer) == (2, [4], 1)
    assert finished_run.mask(2, 2).array[4, bottom.nodes].all()
    assert len(bottom.nodes) == 5


def test_densities_stand_against_erdos_renyi_at_the_same_total(finished_run):
    ticket = finished_run.ticket(3)
    measured, expected = densities_against_erk(ticket)
    sizes = [mask.array.size for mask in ticket.masks]
    assert measured == tuple(mask.density for mask in ticket.masks)
    assert np.dot(expected, sizes) == pytest.approx(np.dot(measured, sizes))
    shapes = [mask.array.shape for mask in ticket.masks]
    ratio = [sum(shape) / np.prod(shape) for shape in shapes]
    if max(expected) < 1:
        assert expected[0] / expected[1] == pytest.approx(ratio[0] / ratio[1])
