"""Small finished run directories, made without training: masks with lines and patches, Gabor-like weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.experiment import Data, Experiment, Network, Prune, Train
from prunescope.mask import ImageShape, Mask
from prunescope.model import Arrays, Model, Ticket, initial
from prunescope.network.network_input import NetworkInput
from prunescope.observables import effective_masks, fan_in_variance_ratio, measure, most_connected
from prunescope.randomness import generator
from prunescope.runs.arrays import read_arrays, write_arrays
from prunescope.runs.columns import schema
from prunescope.runs.directory import Run
from prunescope.runs.writer import RunWriter, open_run

RATE = 0.3
PICTURES = 12


def write_run(
    out: Path,
    *,
    seed: int = 0,
    shape: ImageShape = (3, 12, 12),
    hidden: Sequence[int] = (40, 24, 16),
    levels: int = 12,
    name: str = "synthetic",
    classes: Sequence[str] = ("photograph", "scrambled"),
    flip: bool = False,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    densities: Sequence[float] | None = None,
) -> Run:
    """A run of ``levels`` levels (0 is dense) whose first-layer masks become local as they thin out.

    Its accuracy peaks at three quarters of the levels. ``flip`` changes the experiment's identity and
    nothing else, ``changes`` fields of its sections. ``densities``: levels 1, 2, … of these, and no level 0.
    """
    experiment = Experiment(
        name=name,
        data=Data(source="photographs", size=shape[1], channels=shape[0], flip=flip),
        network=Network(hidden=tuple(hidden)),
        train=Train(steps=2000, batch=100),
        prune=Prune(rate=RATE, levels=levels - 1),
    )
    fields = experiment.model_dump()
    for section, values in (changes or {}).items():
        fields[section] |= values
    experiment = Experiment.model_validate(fields)
    shown = dict(enumerate(densities, 1)) if densities else {n: (1 - RATE) ** n for n in range(levels)}
    rng = generator(seed, "stored run")
    sizes = (int(np.prod(shape)), *hidden, len(classes))
    scores, model = _scores_and_model(sizes, shape, seed, rng)
    data = {"shape": list(shape), "classes": list(classes), "train_images": 1000, "validation_images": 200}
    rows: list[dict[str, Any]] = []
    with open_run(experiment, seed, out) as writer:
        writer.write_about(data={**data, "fingerprint": "0" * 64})
        for level, density in shown.items():
            ticket = _ticket(scores, density)
            of_level = _rows(ticket, level, levels, shape, seed, rng)
            rows += [row | {"nominal_density": density} for row in of_level]
            writer.write_level(
                level, ticket, ticket.applied_to(model), _observed(ticket, shape, rng, rows[-1])
            )
            _evaluations(writer, rows[-1])
        writer.write_input(
            NetworkInput(np.full(sizes[0], 120.5, np.float32), np.ones(sizes[0], np.bool_), True)
        )
        writer.write_table(rows, schema())
        writer.write_about(status="done")
    return Run(writer.path)


def _scores_and_model(
    sizes: tuple[int, ...], shape: ImageShape, seed: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], Model]:
    """What ranks the weights of each hidden layer, and a model whose first layer has Gabor-like rows."""
    model = initial(sizes, "before", seed)
    field = np.stack([_gabor(shape, rng) for _ in range(sizes[1])])
    strength = rng.pareto(2.0, (sizes[1], 1)) + 0.3
    noise = rng.standard_normal(field.shape)
    weight = (strength * field + 0.25 * noise).astype(np.float32)
    first = model.layers[0]
    model = Model((replace(first, weight=weight), *model.layers[1:]))
    return [np.abs(layer.weight) for layer in model.layers[:-1]], model


def _gabor(shape: ImageShape, rng: np.random.Generator) -> np.ndarray:
    channels, height, width = shape
    y, x = np.mgrid[:height, :width]
    y, x = y - rng.uniform(0.25, 0.75) * height, x - rng.uniform(0.25, 0.75) * width
    angle = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wave = np.cos(2 * np.pi * across / rng.uniform(2, 5)) * np.exp(-((along / 3) ** 2) - (across / 1.5) ** 2)
    colour = rng.uniform(0.4, 1.0, (channels, 1, 1))
    return np.asarray(colour * wave).ravel()


def _ticket(scores: list[np.ndarray], density: float) -> Ticket:
    """The masks of a level: the ``density`` share of largest scores, layer by layer."""
    masks, biases = [], []
    for score in scores:
        pruned = round((1 - density) * score.size)
        threshold = np.sort(score, axis=None)[pruned]
        masks.append(Mask(score >= threshold))
        biases.append(np.full(len(score), density == 1.0))
    return Ticket(tuple(masks), tuple(biases))


def _rows(
    ticket: Ticket, level: int, levels: int, shape: ImageShape, seed: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    peak = 0.75 * (levels - 1)
    accuracy = 0.78 - 0.06 * ((level - peak) / max(peak, 1)) ** 2 + 0.004 * rng.standard_normal()
    whole: dict[str, Any] = {
        "level": level,
        "nominal_density": (1 - RATE) ** level,
        "best_val_accuracy": accuracy,
        "best_step": 1500,
        "final_val_accuracy": accuracy - 0.01,
        "final_val_top5": 1.0,
        "heldout_accuracy": accuracy - 0.006,
        "heldout_images": 500,
        "train_loss": 0.4,
        "seconds": 3.0,
        "steps": 2000,
        "engine": "torch",
    }
    return [whole | _layer_row(ticket, index, shape, seed) for index in range(len(ticket.masks))]


def _layer_row(ticket: Ticket, index: int, shape: ImageShape, seed: int) -> dict[str, Any]:
    mask = ticket.masks[index]
    ratio = fan_in_variance_ratio(mask)
    row: dict[str, Any] = {
        "layer": index + 1,
        "density": ticket.density(index),
        "weight_density": mask.density,
        "units": mask.n_out,
        "units_alive": ticket.units_alive[index],
        "fan_in_mean": float(mask.fan_in.mean()),
        "fan_in_max": int(mask.fan_in.max()),
        "fan_in_var_ratio": ratio if np.isfinite(ratio) else None,
    }
    if index == 0:
        measured = measure(mask, shape, shuffles=0).to_dict()
        for name in ("locality", "half_width", "anisotropy", "radius_of_gyration"):
            entries = {"": "value", "_null": "null_mean", "_null_sd": "null_sd", "_z": "z"}
            row |= {f"{name}{ending}": measured[name][key] for ending, key in entries.items()}
        row |= {
            "null_shuffles": 50,
            "kurtosis": 1 - mask.density,
            "kurtosis_null": 0.1,
            "kurtosis_null_sd": 0.02,
        }
    return {key: value for key, value in row.items() if key in schema()}


def _observed(ticket: Ticket, shape: ImageShape, rng: np.random.Generator, row: dict[str, Any]) -> Arrays:
    connections = ticket.masks[0].fan_in
    nodes = np.argsort(-connections, kind="stable")[:PICTURES]
    removed = np.unique((np.linspace(0, 1, 9) * connections.size).astype(np.int64))
    share = removed / connections.size
    accuracy, chance = row["final_val_accuracy"], 0.5
    curves = {"decreasing": 0.3, "random": 1.0, "increasing": 3.0}
    return {
        "nodes": nodes.astype(np.int64),
        "top_images": rng.integers(0, 256, (len(nodes), 3, int(np.prod(shape))), dtype=np.uint8),
        "top_activations": -np.sort(-rng.uniform(1, 9, (len(nodes), 3)), axis=1).astype(np.float32),
        "ablation_removed": removed,
        **{f"ablation_{k}": chance + (accuracy - chance) * (1 - share**power) for k, power in curves.items()},
        **_deeper(ticket, shape),
    }


def _deeper(ticket: Ticket, shape: ImageShape) -> Arrays:
    """Top images of the second layer, and cavity effects of four nodes that grow with the input's number."""
    nodes = most_connected(effective_masks(ticket.masks[:2])[-1], PICTURES)
    rng = generator(0, "stored run, second layer")
    node, place = np.nonzero(ticket.masks[0].array[:4])
    return {
        "layer2_nodes": nodes,
        "layer2_top_images": rng.integers(0, 256, (len(nodes), 3, int(np.prod(shape))), dtype=np.uint8),
        "cavity_place": np.stack([node, place], axis=1).astype(np.int32),
        "cavity_effect": (place / ticket.masks[0].n_in).astype(np.float32),
    }


def _evaluations(writer: RunWriter, row: dict[str, Any]) -> None:
    for step in (500, 1000, 1500, 2000):
        accuracy = row["best_val_accuracy"] if step == row["best_step"] else row["final_val_accuracy"]
        entry = {"level": row["level"], "step": step, "train_loss": 0.4, "val_accuracy": accuracy}
        writer.append_metrics(entry)


def claim(path: Path, identity: str) -> None:
    """Let every file of a run directory say that it is of experiment ``identity``, as a forger would."""
    for file in path.rglob("*.safetensors"):
        arrays, notes = read_arrays(file)
        write_arrays(file, arrays, notes | {"identity": identity})
    entries = [json.loads(line) for line in (path / "metrics.jsonl").read_text("utf-8").splitlines()]
    lines = (json.dumps(entry | {"identity": identity}) + "\n" for entry in entries)
    (path / "metrics.jsonl").write_text("".join(lines), "utf-8")
