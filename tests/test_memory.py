"""prunescope.memory: run with `pytest tests/test_memory.py`."""

import resource

import pytest

from prunescope import memory
from prunescope.errors import InputError


def test_what_does_not_fit_is_refused_before_it_is_taken(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2 * 10**9)
    memory.check_memory(2 * 10**9, "a mask")
    with pytest.raises(InputError, match=r"^a mask would take 3\.0 GB of memory; 2\.0 GB are available$"):
        memory.check_memory(3 * 10**9, "a mask")


def test_a_library_that_takes_more_than_is_available_fails_and_the_limit_is_lifted(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1 << 28)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(MemoryError), memory.limited_memory():
        bytearray(1 << 30)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    with memory.limited_memory(mapped=1 << 31):
        assert len(bytearray(1 << 29)) == 1 << 29
