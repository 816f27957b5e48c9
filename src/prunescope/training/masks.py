"""Masks in the middle of a level: move them under an engine, and write them down beside its state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prunescope.mask import BoolArray, Mask
from prunescope.model import Arrays, Model, Ticket
from prunescope.training.engine import Engine
from prunescope.training.probe import Probe


def kept_arrays(ticket: Ticket) -> Arrays:
    """The ticket as named arrays, eight weights a byte; shapes are those of the model stored beside it."""
    arrays: Arrays = {}
    for number, (mask, bias) in enumerate(zip(ticket.masks, ticket.biases, strict=True), 1):
        arrays[f"kept{number}.weights"] = mask.pack()
        arrays[f"kept{number}.biases"] = np.packbits(bias)
    return arrays


def kept_ticket(arrays: Mapping[str, np.ndarray]) -> Ticket | None:
    """The inverse of kept_arrays, for arrays that hold a model too; None where they hold no masks."""
    count = sum(name.startswith("kept") and name.endswith(".weights") for name in arrays)
    masks, biases = [], []
    for number in range(1, count + 1):
        n_out, n_in = arrays[f"layer{number}.weight"].shape
        masks.append(Mask.unpack(arrays[f"kept{number}.weights"], n_out, n_in))
        biases.append(np.unpackbits(arrays[f"kept{number}.biases"], count=n_out).astype(np.bool_))
    return Ticket(tuple(masks), tuple(biases)) if count else None


def fitting_ticket(state: Mapping[str, np.ndarray], current: Ticket) -> Ticket | None:
    """The masks of an engine's state; None where it has none, or those of a network of other sizes."""
    ticket = kept_ticket(state)
    if ticket is None or [m.array.shape for m in ticket.masks] != [m.array.shape for m in current.masks]:
        return None
    return ticket


def change(engine: Engine, ticket: Ticket, probe: Probe, step: int, stays: Ticket | None = None) -> None:
    """Go on under ``ticket`` in the middle of a level, ``step`` updates of which are done.

    Weights and biases that are kept before and after go on with their values and optimiser moments, all
    others are 0; of ``stays``, when it is given, only those that it keeps too. A unit none of whose
    weights goes on would be constant, and batch norm would divide rounding noise by its deviation: what
    feeds it starts at the run's initial weights instead. The loss counters and the moving averages go on, but
    those of inputs that come to vary or to be read only now, or start anew, are the statistics of the coming
    step's batch. What gets no gradient any more loses its moments: a unit that was cut off stands still. A
    change to the same ticket changes nothing.
    """
    before, state = engine.ticket, engine.state()
    model = Model.from_arrays({k: v for k, v in state.items() if k.startswith("layer")})
    both = _both(before, ticket, ticket if stays is None else stays)
    changed = state | both.applied_to(model).to_arrays() | kept_arrays(ticket)
    anew = _restart(changed, both, ticket, probe)
    live, was_live = (_varying(t, probe) for t in (ticket, before))
    read, was_read = _read(ticket), _read(before)
    trained = _trained(both, live, read, probe.norm)
    for slot in range(sum(name.startswith("moment") for name in state) // len(trained)):
        for index, kept in enumerate(trained):
            name = f"moment{slot * len(trained) + index}"
            changed[name] = np.where(kept, state[name], np.float32(0))
    fresh = [
        now & used & (restarted | ~(then & had))
        for now, used, then, had, restarted in zip(live, read, was_live, was_read, anew, strict=True)
    ]
    engine.restore(changed | _averages(changed, ticket, fresh, probe, step))


def _both(*tickets: Ticket) -> Ticket:
    first = tickets[0]
    masks = [
        Mask(np.logical_and.reduce([t.masks[n].array for t in tickets])) for n in range(len(first.masks))
    ]
    biases = [np.logical_and.reduce([t.biases[n] for t in tickets]) for n in range(len(first.masks))]
    return Ticket(tuple(masks), tuple(biases))


def _restart(state: Arrays, both: Ticket, ticket: Ticket, probe: Probe) -> list[BoolArray]:
    """Put initial weights into units that nothing feeds any more but what grows; which inputs of each map those are."""
    live = ticket.live_inputs(probe.live_pixels)
    found = [np.zeros(len(live[0]), np.bool_)]
    for index, (old, new) in enumerate(zip(both.masks, ticket.masks, strict=True)):
        name = f"layer{index + 1}.weight"
        grown = new.array & ~old.array
        alive = np.any((state[name] != 0) & live[index], axis=1)
        restarted: BoolArray = np.any(grown & live[index], axis=1) & ~alive
        if restarted.any() and probe.norm != "none":
            values = probe.initial.layers[index].weight
            state[name] = np.where(grown & restarted[:, None], values, state[name])
        found.append(restarted)
    return found


def _varying(ticket: Ticket, probe: Probe) -> tuple[BoolArray, ...]:
    """Inputs of each map that vary with the image; without a norm what does not vary is like the others."""
    live = ticket.live_inputs(probe.live_pixels)
    return live if probe.norm != "none" else tuple(np.ones_like(inputs) for inputs in live)


def _read(ticket: Ticket) -> list[BoolArray]:
    """Inputs of each map with a kept weight."""
    hidden: list[BoolArray] = [np.any(mask.array, axis=0) for mask in ticket.masks]
    return [*hidden, np.ones(ticket.masks[-1].n_out, np.bool_)]


def _trained(kept: Ticket, live: tuple[BoolArray, ...], read: list[BoolArray], norm: str) -> list[BoolArray]:
    """For each parameter, in the order of an engine's moments: whether it is kept and gets a gradient."""
    present = [a & b for a, b in zip(live, read, strict=True)]
    whole = np.ones(1, np.bool_)
    found: list[BoolArray] = []
    for index in range(len(present)):
        weight = bias = gamma = beta = whole
        if index < len(kept.masks):
            rows = present[index + 1]
            weight, bias = kept.masks[index].array & rows[:, None], kept.biases[index] & rows
        normed = index + {"before": 0, "after": 1, "none": len(present)}[norm]
        if normed < len(present):
            gamma, beta = present[normed], read[normed]
        found += [weight, bias, gamma, beta]
    return found


def _averages(state: Arrays, ticket: Ticket, fresh: list[BoolArray], probe: Probe, step: int) -> Arrays:
    """Averages in which those of ``fresh`` inputs of each map are a batch's own."""
    owners = {"before": fresh, "after": fresh[1:], "none": []}[probe.norm]
    if not any(inputs.any() for inputs in owners):
        return {}
    model = Model.from_arrays({k: v for k, v in state.items() if k.startswith("layer")})
    found: Arrays = {}
    for number, (inputs, batch) in enumerate(
        zip(owners, probe.statistics(model, ticket, step), strict=True), 1
    ):
        for name, value in zip(("mean", "variance"), batch, strict=True):
            key = f"layer{number}.{name}"
            found[key] = np.where(inputs, value, state[key])
    return found
