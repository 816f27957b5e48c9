"""Ranks and scores of logits: run with `pytest tests/training/torch/test_torch_passes.py`."""

import numpy as np
import pytest
import torch

from prunescope.training.torch.torch_passes import ranks, scores

NAN, INF = float("nan"), float("inf")


def slow_rank(logits, label):
    """How many classes come before the right one, sorted by falling logits and then by their numbers."""
    order = sorted(range(len(logits)), key=lambda number: (-logits[number], number))
    return order.index(label)


@pytest.mark.parametrize("classes", [1, 2, 5, 30])
@pytest.mark.parametrize("values", [2, 1000])  # with many ties, and few
def test_ranks_are_places_in_the_order(classes, values):
    rng = np.random.default_rng(classes)
    logits, labels = rng.integers(0, values, (80, classes)), rng.integers(0, classes, 80)
    found = ranks(torch.from_numpy(logits).float(), torch.from_numpy(labels))
    expected = [slow_rank(list(row), label) for row, label in zip(logits, labels, strict=True)]
    assert found.tolist() == expected


def test_of_equal_logits_the_first_class_is_right():
    assert ranks(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("row", "rank"),
    [
        ([NAN, 1.0, 2.0], 3),  # that of the right class itself
        ([1.0, NAN, 0.0], 0),
        ([NAN, NAN, NAN], 3),
        ([INF, 1.0, INF], 0),
        ([-INF, -INF, 0.0], 1),
    ],
)
def test_a_logit_that_is_no_number_is_never_right(row, rank):
    assert ranks(torch.tensor([row]), torch.tensor([0])).tolist() == [rank]


def test_scores_count_the_first_and_the_first_five_and_sum_the_losses():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(70, 9)).astype(np.float32), rng.integers(0, 9, 70)
    found = scores(torch.from_numpy(logits), torch.from_numpy(labels)).tolist()
    places = np.array([slow_rank(list(row), label) for row, label in zip(logits, labels, strict=True)])
    exact = logits.astype(np.float64)
    losses = np.log(np.exp(exact).sum(1)) - exact[np.arange(70), labels]
    assert found[:2] == [(places < 1).sum(), (places < 5).sum()]
    assert found[2] == pytest.approx(losses.sum(), rel=1e-6)


def test_scores_of_what_overflowed_have_no_loss():
    correct, correct5, loss = scores(torch.full((4, 7), NAN), torch.zeros(4, dtype=torch.int64)).tolist()
    assert (correct, correct5) == (0, 0)
    assert np.isnan(loss)
