"""Runs that are a table of levels and nothing else, with the numbers that a test wants."""

from prunescope.experiment import build
from prunescope.runs.columns import schema
from prunescope.runs.directory import Run
from prunescope.runs.writer import open_run


def write(
    out, method, seed, accuracies, first=0, locality=2.0, status="done", lr=0.1, fingerprint=None, **more
):
    """A run whose level n has the n-th accuracy (counted from ``first``), u = 0.5^n and locality + n."""
    experiment = build({"name": method, "train": {"lr": lr}, "prune": {"method": method, "density": 0.1}})
    rows = [
        {
            "level": level,
            "layer": layer,
            "nominal_density": 0.5**level,
            "best_val_accuracy": accuracy,
            "heldout_accuracy": accuracy - 0.01,
            "locality": locality + level if layer == 1 else None,
            "locality_z": 10.0 * level if layer == 1 else None,
            "fan_in_var_ratio": 1.0 + level,
            "fan_in_mean": 101 * 0.5**level,
            "weight_density": 0.5**level,
            **more,
        }
        for level, accuracy in enumerate(accuracies, first)
        for layer in (1, 2)
    ]
    with open_run(experiment, seed, out) as writer:
        writer.write_table(rows, schema())
        writer.write_about(status=status)
        if fingerprint:
            writer.write_about(data={"fingerprint": fingerprint, "validation_images": 100})
    return Run(writer.path)
