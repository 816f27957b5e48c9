"""The number of threads of torch: run with `pytest tests/training/torch/test_threads.py`."""

import pytest
import torch

from prunescope.training.torch.threads import torch_threads


@pytest.fixture(autouse=True)
def two_threads():
    """Torch with two threads, whatever the machine has."""
    with torch_threads(2):
        yield


@pytest.mark.parametrize(("count", "inside"), [(1, 1), (3, 3), (0, 2)])
def test_threads_are_those_asked_for_until_the_block_ends(count, inside):
    with torch_threads(count):
        assert torch.get_num_threads() == inside
    assert torch.get_num_threads() == 2


def test_threads_are_as_before_when_the_block_fails():
    with pytest.raises(KeyError), torch_threads(3):
        raise KeyError
    assert torch.get_num_threads() == 2
