"""Training trains one level at a time; engines, native or torch, execute its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope.errors import InputError
from prunescope.experiment.device import read_device

if TYPE_CHECKING:
    import numpy as np

    from prunescope.experiment import Experiment
    from prunescope.mask import BoolArray
    from prunescope.training.engine import Engine
    from prunescope.training.levels import UpdateRule


def make_engine(
    experiment: Experiment, mean: np.ndarray, live_pixels: BoolArray, update_rule: UpdateRule = "kept"
) -> Engine:
    """Make the engine that ``run.engine`` names; ``auto`` takes the native one unless `why_not_native` has a reason.

    ``mean`` float32 [n0] is the mean image in pixel units, ``live_pixels`` bool [n0] is False for pixels that
    never vary, and ``update_rule`` says which weights a step changes (levels.UpdateRule). Raises InputError for a
    device that this machine does not have, and for an engine that cannot run the experiment.
    """
    check_place(experiment)
    wanted = experiment.run.engine
    reason = None if wanted == "torch" else why_not_native(experiment, update_rule)
    if wanted == "native" and reason:
        raise InputError(f"run.engine=native: {reason}")
    if wanted == "torch" or reason:
        if read_device(experiment.run.device).kind != "cpu":
            from prunescope.training.torch.device_engine import DeviceEngine

            return DeviceEngine(experiment, mean, live_pixels, update_rule)
        from prunescope.training.torch.engine import TorchEngine

        return TorchEngine(experiment, mean, live_pixels, update_rule)
    from prunescope.training.native_engine import NativeEngine

    return NativeEngine(experiment, mean, live_pixels)


def check_place(experiment: Experiment) -> None:
    """Raise InputError, in one line, where ``run.device`` is not here, or has no such engine or ``train.precision``.

    torch is imported only where that has to be asked: not for the CPU.
    """
    name, precision = experiment.run.device, experiment.train.precision
    kind = read_device(name).kind
    if kind != "cpu" and experiment.run.engine == "native":
        raise InputError(f"run.engine=native: {_on_a_cpu_alone(name)}")
    if kind != "cpu" or precision == "tf32":
        from prunescope.training.torch.device import check_device

        check_device(name, precision)


def why_not_native(experiment: Experiment, update_rule: UpdateRule = "kept") -> str | None:
    """Return why the native engine cannot run ``experiment`` here, in one line, or None where it can."""
    from prunescope.native import why_not

    if update_rule != "kept":
        method = experiment.prune.method
        return f"prune.method={method} trains pruned weights too; the native engine has only the kept ones"
    if experiment.run.device != "cpu":
        return _on_a_cpu_alone(experiment.run.device)
    if experiment.network.norm == "after":
        return "network.norm is 'after'; the native engine has norm before the map, or none"
    return why_not()


def _on_a_cpu_alone(device: str) -> str:
    return f"run.device is {device!r}; the native engine runs on a CPU"


def engine_note(experiment: Experiment, update_rule: UpdateRule = "kept") -> str:
    """Return which engine ``make_engine`` takes and, where torch was not asked for, why it is not native."""
    if experiment.run.engine == "torch":
        return "torch"
    reason = why_not_native(experiment, update_rule)
    if reason:
        return f"torch ({reason})"
    from prunescope.native import kernels

    return f"native ({kernels().instruction_sets()[0]})"
