"""Sizes small enough to measure in a second."""

import pytest

from prunescope.bench import Sizes

SMALL = Sizes(
    shape=(3, 4, 4),
    hidden=(24, 20),
    batch=30,
    images=80,
    rounds=3,
    turn_seconds=0.001,
    points=((3, 1.0), (3, 0.2), (7, 0.2)),
    sequence_classes=3,
    sequence_levels=4,
    sequence_steps=20,
    sequence_eval_every=5,
    sequence_images=40,
    evaluation_densities=(1.0, 0.2),
    evaluation_rounds=2,
    layer_width=16,
    layer_batch=16,
    layer_densities=(0.5, 0.1),
    layer_turn_seconds=0.001,
    imp_classes=3,
    imp_levels=4,
    imp_steps=2,
    observed_units=10,
    observed_densities=(0.5, 0.1),
    threads_classes=3,
    copied_floats=1000,
)


@pytest.fixture(scope="session")
def small():
    return SMALL
