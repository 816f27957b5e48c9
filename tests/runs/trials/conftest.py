"""What the tests of trials share."""

import pytest

from prunescope.runs import clock


@pytest.fixture
def ticks(monkeypatch):
    """A clock that goes on by a second each time it is read, so that whatever is timed takes one."""
    now = [0.0]

    def tick():
        now[0] += 1
        return now[0]

    monkeypatch.setattr(clock, "now", tick)
