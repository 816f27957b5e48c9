"""What is ahead of a run, in words: run with `pytest tests/cli/test_forecast.py`."""

import time

import tiny
from prunescope.cli.forecast import Forecast, first_layer_rows
from prunescope.model import Ticket, initial
from prunescope.training.levels import Level

SIZES = (12, 4, 2)


def level(number):
    return Level(number, Ticket.dense(SIZES), initial(SIZES, "before", 0), 40, 0.49)


def test_the_levels_and_the_time_left_are_told_once_steps_tell_the_rate(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    forecast = Forecast(tiny.experiment(prune={"levels": 3, "rate": 0.5, "stop_units": 0.0}))
    assert (forecast.of_levels(), forecast.in_all()) == ("", "")
    forecast.start(level(0), 0)
    assert (forecast.of_levels(), forecast.clock.left) == (" of 3", None)
    now[0] += 5
    forecast.at(20)
    assert (forecast.clock.rate, forecast.clock.left, forecast.clock.since_last) == (4, 5, 0)
    assert forecast.in_all().endswith(" left in all")


def test_without_an_experiment_nothing_is_foretold():
    forecast = Forecast()
    forecast.start(level(0), 0)
    forecast.at(20)
    assert (forecast.of_levels(), forecast.in_all()) == ("", "")


def test_rows_of_the_first_layer():
    rows = [{"layer": 1, "level": 0}, {"layer": 2, "level": 0}, {"layer": 1, "level": 1}]
    assert first_layer_rows(rows) == [rows[0], rows[2]]
