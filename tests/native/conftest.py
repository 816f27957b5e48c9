"""Shared by the tests of the native engine."""

import pytest
import torch

from prunescope.native import why_not
from prunescope.training.native_engine import instruction_sets


@pytest.fixture(params=[] if why_not() else instruction_sets())
def isa(request):
    """Every instruction set that this machine runs."""
    return request.param


@pytest.fixture
def set_threads():
    """torch.set_num_threads, taken back at the end."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
