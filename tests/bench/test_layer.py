"""prunescope.bench.layer: run with `pytest tests/bench/test_layer.py`."""

import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest

from prunescope.bench.layer import make_task, measure_here, measure_layers
from prunescope.bench.layer_competitors import COMPETITORS, native, plain
from prunescope.bench.trainers import Disagreement

OTHERS = ("prunescope.native.layer", "sparseprop", "sparselab")


class SparseLayer:
    """NumPy where the native layer will be: feature-major in and out."""

    factor = 1.0
    told: ClassVar[list[int]] = []

    def __init__(self, weight, mask, threads):
        self.weight, self.mask = weight, mask
        self.told.append(threads)

    def forward(self, x):
        assert x.flags.c_contiguous
        self.x = x
        return self.weight @ x

    def backward(self, dy):
        return self.weight.T @ dy, (dy @ self.x.T)[self.mask] * self.factor


@pytest.fixture
def alone(monkeypatch):
    """No other library is there."""
    for name in OTHERS:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def with_native(alone, monkeypatch):
    module = ModuleType("prunescope.native.layer")
    module.SparseLayer = type("SparseLayer", (SparseLayer,), {})
    monkeypatch.setitem(sys.modules, "prunescope.native.layer", module)
    return module.SparseLayer


def test_plain_is_the_masked_product_and_its_gradients():
    task = make_task(12, 9, 0.3)
    y, dx, dw = plain(task).results()
    assert task.mask.sum() == 43
    assert np.array_equal(task.weight != 0, task.mask)
    assert y == pytest.approx(task.x @ task.weight.T, rel=1e-4, abs=1e-5)
    assert dx == pytest.approx(task.dy @ task.weight, rel=1e-4, abs=1e-5)
    assert dw == pytest.approx((task.dy.T @ task.x)[task.mask], rel=1e-4, abs=1e-5)


@pytest.mark.usefixtures("with_native")
def test_results_come_back_in_one_layout():
    task = make_task(12, 9, 0.3)
    for own, its in zip(native(task).results(), plain(task).results(), strict=True):
        assert own == pytest.approx(its, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["sparseprop", "sparselab"])
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_other_libraries_compute_the_same(name):
    pytest.importorskip(name, reason="pip install 'prunescope[bench]'")
    task = make_task(64, 48, 0.02)  # 82 of 4096: with rows and columns that keep nothing
    assert not task.mask.any(1).all()
    for own, its in zip(COMPETITORS[name](task).results(), plain(task).results(), strict=True):
        assert own == pytest.approx(its, rel=1e-4, abs=1e-5)


@pytest.mark.usefixtures("alone")
def test_what_is_not_installed_is_noted(small):
    rows, notes = measure_here(small)
    assert [(row["u"], row["competitor"]) for row in rows] == [(0.5, "plain"), (0.1, "plain")]
    assert [note.split()[0] for note in notes] == ["native", "sparseprop", "sparselab"]
    assert ["prunescope[bench] brings it" in note for note in notes] == [False, True, True]


@pytest.mark.usefixtures("with_native")
def test_what_is_there_takes_part(small):
    rows, notes = measure_here(small)
    assert [row["competitor"] for row in rows] == ["plain", "native"] * 2
    assert all(row["rounds"] == small.rounds and row["error"] < 1e-5 for row in rows)
    assert len(notes) == 2


def test_native_is_told_its_threads(small, with_native):
    with_native.told.clear()
    rows, _ = measure_here(small, 3)
    assert {row["threads"] for row in rows} == {3}
    assert with_native.told == [3] * len(small.layer_densities)


def test_a_layer_that_computes_something_else_is_refused(small, with_native):
    with_native.factor = 1.01
    with pytest.raises(Disagreement, match=r"u = 0\.5: native differs from plain PyTorch by 0\.01"):
        measure_here(small)


@pytest.mark.parametrize(("threads", "line"), [(1, "layer: one thread"), (2, "layer: 2 threads")])
def test_a_process_of_its_own_measures(small, threads, line):
    said = []
    rows, _ = measure_layers(small, threads, said.append)
    assert {row["u"] for row in rows} == {0.5, 0.1}
    assert all(row["seconds"] > 0 for row in rows)
    assert {row["threads"] for row in rows} == {threads}
    assert said == [line]


def test_a_failure_there_is_an_error_here(small):
    broken = small.__class__(layer_width=0)
    with pytest.raises(RuntimeError, match="bench layer: "):
        measure_layers(broken, 1, lambda line: None)
