"""Mask changes move the masks of an engine in the middle of a level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prunescope.mask import BoolArray, Mask
from prunescope.model import Model, Ticket
from prunescope.training.engine import Engine
from prunescope.training.probe import Probe


def change(engine: Engine, ticket: Ticket, probe: Probe, step: int, stays: Ticket | None = None) -> None:
    """Put ``engine`` under the masks of ``ticket`` in the middle of a level, after ``step`` of its updates.

    Weights and biases that are kept before and after (and by ``stays``, when it is given) retain their values and
    optimiser moments; all others become 0. A unit that retains none of its weights would be constant, and batch norm
    would divide rounding noise by its deviation: its new weights start at the run's initial values instead. Moments
    of parameters that get no gradient any more become 0, so that a unit that was cut off does not drift. The loss
    counters and moving averages go on, except that inputs which vary, are read or start anew only from now on take
    the statistics of the coming step's batch as their averages. A change to the same ticket changes nothing.
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
    """Return the model with initial weights in units that only new weights feed; and these, as inputs of each map."""
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
    """Return which inputs of each map vary with the image; all of them without a norm, where it makes no difference."""
    live = ticket.live_inputs(probe.live_pixels)
    return live if probe.norm != "none" else tuple(np.ones_like(inputs) for inputs in live)


def _read(ticket: Ticket) -> list[BoolArray]:
    """Return which inputs of each map have a kept weight."""
    hidden: list[BoolArray] = [np.any(mask.array, axis=0) for mask in ticket.masks]
    return [*hidden, np.ones(ticket.masks[-1].n_out, np.bool_)]


def _trained(kept: Ticket, live: tuple[BoolArray, ...], read: list[BoolArray], norm: str) -> list[BoolArray]:
    """Return, for each parameter in the order of an engine's moments, which entries are kept and get a gradient."""
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
    """Return the model with the coming batch's statistics as the averages of the ``fresh`` inputs of each map."""
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
