"""prunescope.training.state: run with `pytest tests/training/test_state.py`."""

from dataclasses import replace

import numpy as np
import pytest

from prunescope.mask import Mask
from prunescope.model import PARAMETERS, Ticket, initial
from prunescope.training.state import EngineState

SIZES = (20, 9, 7, 3)


def ticket(sizes=SIZES):
    rng = np.random.default_rng(0)
    pairs = list(zip(sizes[1:-1], sizes[:-2], strict=True))
    return Ticket(
        tuple(Mask(rng.random(p) < 0.3) for p in pairs), tuple(rng.random(n) < 0.5 for n, _ in pairs)
    )


def state(slots=2):
    rng = np.random.default_rng(1)
    model = initial(SIZES, "before", 0)
    parameters = [getattr(layer, field) for layer in model.layers for field in PARAMETERS]
    moments = tuple(tuple(rng.random(p.shape, np.float32) for p in parameters) for _ in range(slots))
    return EngineState(model, ticket(), moments, steps=7, loss_sum=0.1, loss_steps=3)


# as versions up to this one wrote them: a checkpoint of any of them is read
@pytest.mark.parametrize("slots", [0, 1, 2])
def test_the_names_in_a_checkpoint_are_these(slots):
    fields = ("weight", "bias", "gamma", "beta", "mean", "variance")
    expected = [f"layer{n}.{field}" for n in (1, 2, 3) for field in fields]
    expected += [f"moment{n}" for n in range(12 * slots)] + ["counts"]
    expected += ["kept1.weights", "kept1.biases", "kept2.weights", "kept2.biases"]
    arrays = state(slots).to_arrays()
    assert list(arrays) == expected
    assert arrays["counts"].dtype == np.float64
    assert arrays["counts"].tolist() == [7, 0.1, 3]
    assert arrays["kept2.weights"].dtype == arrays["kept1.biases"].dtype == np.uint8


@pytest.mark.parametrize("slots", [0, 1, 2])
def test_a_state_survives_becoming_arrays(slots):
    before = state(slots)
    arrays = dict(reversed(before.to_arrays().items()))
    after = EngineState.from_arrays(arrays)
    assert after.ticket == before.ticket
    assert (after.steps, after.loss_sum, after.loss_steps) == (7, 0.1, 3)
    assert [len(slot) for slot in after.moments] == [12] * slots
    for name, array in after.to_arrays().items():
        assert array.tobytes() == arrays[name].tobytes(), name


def test_a_state_of_before_masks_were_written_has_none():
    arrays = {name: array for name, array in state().to_arrays().items() if not name.startswith("kept")}
    found = EngineState.from_arrays(arrays)
    assert found.ticket is None
    assert found.fitting_ticket(ticket()) is None
    assert found.to_arrays().keys() == arrays.keys()


def test_masks_of_a_network_of_other_sizes_do_not_fit():
    assert state().fitting_ticket(ticket()) == ticket()
    assert state().fitting_ticket(ticket((20, 9, 8, 3))) is None
    assert state().fitting_ticket(ticket((20, 9, 3))) is None


def test_moments_of_another_optimiser_are_refused():
    assert state(1).moments_of(1) is not None
    with pytest.raises(ValueError, match="the optimiser has 2 moments of each parameter, the state 1"):
        state(1).moments_of(2)


def test_a_state_without_counts_is_refused():
    arrays = replace(state()).to_arrays()
    del arrays["counts"]
    with pytest.raises(KeyError, match="counts"):
        EngineState.from_arrays(arrays)
