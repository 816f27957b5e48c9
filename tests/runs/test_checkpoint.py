"""prunescope.runs.checkpoint: run with `pytest tests/runs/test_checkpoint.py`."""

import numpy as np
import pytest

from prunescope.model import Ticket, initial
from prunescope.runs.checkpoint import Checkpoint
from prunescope.training.engine import HostSnapshot, Score
from prunescope.training.loop import Evaluation, Progress
from prunescope.training.state import EngineState

SIZES = (20, 9, 3)
MODEL, TICKET = initial(SIZES, "none", 0), Ticket.dense(SIZES)
PROGRESS = Progress(
    step=7,
    best=0.5,
    best_step=4,
    best_snapshot=HostSnapshot(MODEL),
    kept_snapshot=HostSnapshot(MODEL),
    last=Evaluation(2, 4, 1.25, Score(10, 5, 9, 12.5)),
    best_ticket=TICKET,
    dynamics={"calls": np.array([3])},
)


# as versions up to this one wrote them: a checkpoint of any of them is read
def test_the_names_in_the_file_are_these():
    arrays = Checkpoint(PROGRESS, EngineState(MODEL, TICKET, steps=7), 3.5).to_arrays()
    numbers = [
        f"layer{n}.{f}" for n in (1, 2) for f in ("weight", "bias", "gamma", "beta", "mean", "variance")
    ]
    kept = ["kept1.weights", "kept1.biases"]
    assert sorted(arrays) == sorted(
        [
            *(f"loop/{name}" for name in ("progress", "last", "dynamics.calls")),
            *(f"loop/best.{name}" for name in [*numbers, *kept]),
            *(f"loop/kept.{name}" for name in numbers),
            *(f"engine/{name}" for name in [*numbers, *kept, "counts"]),
            "seconds",
        ]
    )
    assert arrays["loop/progress"].tolist() == [7, 0.5, 4, 0]
    assert arrays["loop/last"].tolist() == [1.25, 10, 5, 9, 12.5, 4]
    assert arrays["seconds"].tolist() == [3.5]


@pytest.mark.parametrize(
    "progress", [Progress(), Progress(step=3, kept_snapshot=HostSnapshot(MODEL)), PROGRESS]
)
def test_a_checkpoint_survives_becoming_arrays(progress):
    before = Checkpoint(progress, EngineState(MODEL, TICKET, steps=7), 3.5).to_arrays()
    after = Checkpoint.from_arrays(dict(reversed(before.items())), level=2)
    assert after.progress.last == progress.last
    assert after.progress.best_ticket == progress.best_ticket
    assert (after.engine.steps, after.engine.ticket, after.seconds) == (7, TICKET, 3.5)
    again = after.to_arrays()
    assert again.keys() == before.keys()
    assert all(again[name].tobytes() == array.tobytes() for name, array in before.items())
