"""These fixtures are stored runs that the figures are drawn from."""

import numpy as np
import pytest

from prunescope.experiment import Data, Experiment, Network, Prune
from prunescope.mask import Mask
from prunescope.model import Ticket, initial
from prunescope.runs.columns import schema
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run
from stored_runs import write_run

# A progressive run: what each of three layers keeps at each level, and the accuracy. Layer 1 is left at level 2,
# layer 2 at level 3, layer 3 cannot be pruned.
PROGRESSIVE = (
    ((1.0, 1.0, 1.0), 0.60),
    ((0.5, 1.0, 1.0), 0.65),
    ((0.25, 1.0, 1.0), 0.60),
    ((0.25, 0.5, 1.0), 0.70),
    ((0.25, 0.25, 1.0), 0.55),
    ((0.25, 0.5, 0.5), 0.50),
)


@pytest.fixture
def coarse(monkeypatch):
    """Draw coarse pictures, for tests that read numbers alone; fine ones take time."""
    monkeypatch.setattr("prunescope.figures.parts.drawing.PNG_DPI", 20)


@pytest.fixture(scope="session")
def seeds(tmp_path_factory):
    """Three seeds of one experiment."""
    out = tmp_path_factory.mktemp("stored")
    return [write_run(out, seed=seed) for seed in range(3)]


@pytest.fixture(scope="session")
def grey(tmp_path_factory):
    """A run on images of one channel, higher than wide."""
    return write_run(tmp_path_factory.mktemp("grey"), shape=(1, 12, 9), levels=8, name="grey")


@pytest.fixture(scope="session")
def progressive(tmp_path_factory):
    """A run that prunes layer after layer, as PROGRESSIVE says: 3x4x4 pixels, hidden layers of 8 units."""
    return _progressive(tmp_path_factory.mktemp("progressive"))


@pytest.fixture(scope="session")
def tolerant(tmp_path_factory):
    """The same run with a tolerance of 0.06."""
    return _progressive(tmp_path_factory.mktemp("tolerant"), tolerance=0.06)


def _progressive(out, **prune):
    experiment = Experiment(
        name="progressive",
        data=Data(source="photographs", size=4),
        network=Network(hidden=(8, 8, 8)),
        prune=Prune(method="progressive", rate=0.5, **prune),
    )
    sizes = (48, 8, 8, 8, 2)
    model = initial(sizes, "before", 0)
    rows = []
    with open_run(experiment, 0, out) as writer:
        writer.write_about(data={"shape": [3, 4, 4], "classes": ["a", "b"], "fingerprint": "0" * 64})
        for level, (densities, accuracy) in enumerate(PROGRESSIVE):
            ticket = _first_inputs(sizes, densities)
            writer.write_level(level, ticket, ticket.applied_to(model), {"nodes": np.zeros(0, np.int64)})
            rows += [
                {"level": level, "layer": layer, "weight_density": density, "best_val_accuracy": accuracy}
                | {"nominal_density": min(densities)}
                for layer, density in enumerate(densities, 1)
            ]
        writer.write_table(rows, schema())
    return Run(writer.path)


def _first_inputs(sizes, densities):
    """Every unit keeps that share of its inputs, the first of them."""
    dense = Ticket.dense(sizes)
    masks = []
    for mask, density in zip(dense.masks, densities, strict=True):
        array = np.zeros((mask.n_out, mask.n_in), np.bool_)
        array[:, : round(density * mask.n_in)] = True
        masks.append(Mask(array))
    return Ticket(tuple(masks), dense.biases)
