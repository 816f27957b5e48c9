"""A card that is not there: a device with a name and a memory, on which the CPU computes."""

from __future__ import annotations

from dataclasses import replace

import prunescope.training
import tiny
from prunescope.experiment import Experiment
from prunescope.runs.trials import level_ends
from prunescope.training.torch import device
from prunescope.training.torch.device_engine import DeviceEngine, Execution
from prunescope.training.torch.torch_passes import TorchPasses


class Card:
    """The device ``card``, with so many ``free`` bytes, for what estimates a run; ``captures`` has one for each engine."""

    def __init__(self, monkeypatch, free=10**10):
        self.free, self.captures = free, []
        monkeypatch.setattr(device, "open_device", lambda name: None)
        monkeypatch.setattr(device, "check_device", lambda name, precision, use="": None)
        monkeypatch.setattr(device, "device_name", lambda name: "a card")
        monkeypatch.setattr(device, "free_memory", lambda name: self.free)
        monkeypatch.setattr(prunescope.training, "make_engine", self.engine)
        real = level_ends._one_end

        def one_end(setting, *rest):
            real(replace(setting, experiment=on_cpu(setting.experiment)), *rest)

        monkeypatch.setattr(level_ends, "_one_end", one_end)

    def engine(self, experiment, mean, live_pixels, update_rule="kept"):
        self.captures.append(Recorder())
        execution = Execution(self.captures[-1], TorchPasses(False))
        return DeviceEngine(on_cpu(experiment), mean, live_pixels, update_rule, execution)


class Recorder:
    """A ``capture`` that records nothing, and counts what was to be recorded and what is replayed."""

    def __init__(self):
        self.captures = self.replays = 0

    def __call__(self, warm_up, steps):
        self.captures += 1

        def replay():
            self.replays += 1
            steps()

        return replay


def on_cpu(experiment: Experiment) -> Experiment:
    """Return the experiment on the CPU."""
    return experiment.model_copy(update={"run": experiment.run.model_copy(update={"device": "cpu"})})


def with_card(**sections) -> Experiment:
    """Return a tiny experiment on the device ``card``."""
    return tiny.experiment(run={"device": "card", "threads": 1}, **sections)
