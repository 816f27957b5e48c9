"""TensorBoard's event files, read back with TensorBoard."""

import numpy as np

from track.truth import numbers


def read_back(folder):
    """Every scalar below a folder as (name, step, value), and its hyperparameters, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0}).Reload()
    points = [
        (name, event.step, event.value) for name in events.Tags()["scalars"] for event in events.Scalars(name)
    ]
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    return points, HParamsPluginData.FromString(content).session_start_info


def assert_holds(folder, run):
    """It has each number of the run's files, once."""
    points, _ = read_back(folder)
    truth = numbers(run)
    assert len(points) == len(truth) > 50
    assert {(name, step): value for name, step, value in points} == {
        where: float(np.float32(value)) for where, value in truth.items()
    }
