"""What the tests of runs and of their estimates share."""

import pytest

from cards import Card


@pytest.fixture
def card(monkeypatch):
    """A machine with a card."""
    return Card(monkeypatch)
