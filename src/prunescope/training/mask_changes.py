"""Masks in the middle of a level: move them under an engine that trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prunescope.mask import BoolArray, Mask
from prunescope.model import Model, Ticket
from prunescope.training.engine import Engine
from prunescope.training.probe import Probe


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
    both = _both(before, ticket, ticket if stays is None else stays)
    model, anew = _restarted(both.applied_to(state.model), both, ticket, probe)
    live, was_live = (_varying(t, probe) for t in (ticket, before))
    read, was_read = _read(ticket), _read(before)
    trained = _trained(both, live, read, probe.norm)
    moments = tuple(
        tuple(np.where(kept, moment, np.float32(0)) for kept, moment in zip(trained, slot, strict=True))
        for slot in state.moments
    )
    fresh = [
        now & used & (restarted | ~(then & had))
        for now, used, then, had, restarted in zip(live, read, was_live, was_read, anew, strict=True)
    ]
    model = _averaged(model, ticket, fresh, probe, step)
    engine.restore(replace(state, model=model, ticket=ticket, moments=moments))


def _both(*tickets: Ticket) -> Ticket:
    first = tickets[0]
    masks = [
        Mask(np.logical_and.reduce([t.masks[n].array for t in tickets])) for n in range(len(first.masks))
    ]
    biases = [np.logical_and.reduce([t.biases[n] for t in tickets]) for n in range(len(first.masks))]
    return Ticket(tuple(masks), tuple(biases))


def _restarted(model: Model, both: Ticket, ticket: Ticket, probe: Probe) -> tuple[Model, list[BoolArray]]:
    """The model with initial weights where nothing but what grows feeds a unit; which inputs of each map those are."""
    live = ticket.live_inputs(probe.live_pixels)
    layers, found = list(model.layers), [np.zeros(len(live[0]), np.bool_)]
    for index, (old, new) in enumerate(zip(both.masks, ticket.masks, strict=True)):
        weight = layers[index].weight
        grown = new.array & ~old.array
        alive = np.any((weight != 0) & live[index], axis=1)
        restarted: BoolArray = np.any(grown & live[index], axis=1) & ~alive
        if restarted.any() and probe.norm != "none":
            values = probe.initial.layers[index].weight
            started = np.where(grown & restarted[:, None], values, weight)
            layers[index] = replace(layers[index], weight=started)
        found.append(restarted)
    return Model(tuple(layers)), found


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


def _averaged(model: Model, ticket: Ticket, fresh: list[BoolArray], probe: Probe, step: int) -> Model:
    """The model with averages in which those of ``fresh`` inputs of each map are a batch's own."""
    owners = {"before": fresh, "after": fresh[1:], "none": []}[probe.norm]
    if not any(inputs.any() for inputs in owners):
        return model
    layers = list(model.layers)
    statistics = zip(owners, probe.statistics(model, ticket, step), strict=True)
    for index, (inputs, (mean, variance)) in enumerate(statistics):
        own = layers[index]
        layers[index] = replace(
            own, mean=np.where(inputs, mean, own.mean), variance=np.where(inputs, variance, own.variance)
        )
    return Model(tuple(layers))
