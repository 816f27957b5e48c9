"""Times of pieces: run with `pytest tests/runs/test_piece_times.py`."""

import pytest

from prunescope.runs.piece_times import collecting_times, piece


def test_pieces_of_a_name_are_added_up_while_somebody_collects(monkeypatch):
    clock = iter([1.0, 1.5, 4.0, 6.0, 7.0, 7.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    with piece("before"):
        pass
    with collecting_times() as times:
        with piece("a"):
            pass
        with piece("b"):
            pass
        with pytest.raises(KeyError), piece("a"):
            raise KeyError
    assert times == {"a": 0.75, "b": 2.0}
    with piece("after"):
        pass
    assert set(times) == {"a", "b"}
