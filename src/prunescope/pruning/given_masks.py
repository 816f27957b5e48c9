"""Reading of the masks that ``prune.masks`` names, from a file or from a level of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from prunescope.errors import InputError, MissingInput
from prunescope.experiment import Prune
from prunescope.experiment.mask_place import MaskPlace
from prunescope.mask import Mask
from prunescope.model import Ticket
from prunescope.pruning import find_traits
from prunescope.runs.directory import Run
from prunescope.training.levels import Setting


@dataclass(frozen=True, eq=False)
class GivenMasks:
    """The masks that ``prune.masks`` names: what is kept, and the density that was meant.

    ``run``: the run that they are of, None for a file. ``names``: what each mask is called where it comes from.
    ``notes``: lines on what a file holds beside them.
    """

    place: MaskPlace
    ticket: Ticket
    nominal_density: float
    names: tuple[str, ...]
    run: Run | None = None
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the masks and of the kept biases, in hexadecimal digits."""
        content = hashlib.sha256()
        for mask, bias in zip(self.ticket.masks, self.ticket.biases, strict=True):
            content.update(mask.digest.encode() + np.packbits(bias).tobytes())
        return content.hexdigest()


def mask_place(prune: Prune) -> MaskPlace:
    """Return the place that ``prune.masks`` names; raise InputError when it is not given."""
    if not prune.masks:
        raise InputError(
            "prune.masks is not given: prune.method=given needs a file of masks, or a level of a run, "
            "as in prune.masks=runs/quickstart-0123456789ab/seed-{seed}@7"
        )
    return MaskPlace.of(prune.masks)


def given_masks(prune: Prune, hidden: Sequence[int], seed: int) -> GivenMasks:
    """Read the masks that ``prune.masks`` names for a network with these hidden layers.

    The biases are those that the run keeps at that level, and all of them for masks of a file. Raises MissingInput for a
    file or a run that is not there, and InputError for a level that is not, and for masks that do not belong to such a
    network.
    """
    place = mask_place(prune).at(seed)
    try:
        found = _of_file(place, len(hidden)) if place.level is None else _of_run(place, place.level)
    except InputError as error:
        raise (MissingInput(str(error)) if is_missing(place.path) else error) from None
    check_shapes(found, (None, *hidden))
    return found


def is_missing(path: Path) -> bool:
    """Return whether nothing is at a path; False where that cannot be known, as in a folder that may not be read."""
    try:
        return not path.exists()
    except OSError:
        return False


def check_shapes(given: GivenMasks, sizes: Sequence[int | None]) -> None:
    """Raise InputError, which names the layer and both shapes, unless the masks belong to the sizes (n0, …) of layers.

    n0 is None where the data are not known yet. A mask that keeps nothing is refused, since no network has such a layer.
    """
    masks, where = given.ticket.masks, f"prune.masks: {given.place}"
    if len(masks) != len(sizes) - 1:
        named = ", ".join(given.names[:4]) + ", …" * (len(masks) > 4)
        raise InputError(
            f"{where} holds {_counted(len(masks), 'mask')} ({named}); the network has "
            f"{_counted(len(sizes) - 1, 'hidden layer')}, each of which needs one, and its output layer stays whole"
        )
    shapes = ((n_out, n_in) for n_in, n_out in pairwise(sizes))
    for number, (mask, name, (n_out, n_in)) in enumerate(zip(masks, given.names, shapes, strict=True), 1):
        if mask.n_out != n_out or mask.n_in != (n_in or mask.n_in):
            turned = (mask.n_in, mask.n_out) == (n_out, n_in or mask.n_out)
            raise InputError(
                f"{where}: {name} is {mask.n_out}x{mask.n_in}; layer {number} of the network "
                f"{f'is {n_out}x{n_in}' if n_in else f'has {n_out} units'}"
                f"{'; it may be the other way round, a mask is [n_out, n_in]' if turned else ''}"
            )
        if not mask.density:
            raise InputError(
                f"{where}: {name} keeps no weight: layer {number} of the network needs at least one"
            )


def given_notes(setting: Setting) -> list[str]:
    """Return what a reader of the run must know of its given masks: how dense they are, which biases are kept, of what data.

    Nothing is returned for another method. Raises InputError where the masks cannot be read.
    """
    prune = setting.experiment.prune
    if "masks" not in (find_traits(prune.method).fields or ()):
        return []
    given = given_masks(prune, setting.sizes[1:-1], setting.seed)
    biases = "all biases" if given.run is None else "the biases that its run keeps"
    notes = [
        f"prune.masks: {given.place} keeps {100 * given.ticket.weight_density:.4g} % of the hidden weights, and {biases}",
        *given.notes,
    ]
    theirs = given.run.data.get("fingerprint") if given.run else None
    if theirs and setting.dataset is not None and theirs != setting.dataset.fingerprint:
        notes.append(f"prune.masks: {given.place.path} was run on other images or another task")
    return notes


def _of_run(place: MaskPlace, level: int) -> GivenMasks:
    try:
        run = Run(place.path)
    except InputError:
        raise InputError(
            f"prune.masks: {str(place.path)!r} is not a run directory; give one, as in …/seed-{{seed}}@{level}"
        ) from None
    if level not in run.levels:
        raise InputError(f"prune.masks: {run.path}: no level {level}; finished levels are {run.levels}")
    ticket, table = run.ticket(level), run.table
    nominal = table.filter(table["level"] == level)["nominal_density"][0]
    names = tuple(f"layer {number}" for number in range(1, len(ticket.masks) + 1))
    return GivenMasks(place, ticket, float(nominal), names, run)


def _of_file(place: MaskPlace, hidden: int) -> GivenMasks:
    if (place.path / "run.json").is_file():
        raise InputError(
            f"prune.masks: {place} is a run: name one of its finished levels, {Run(place.path).levels}, as in {place}@1"
        )
    named, notes = _read(place.path)
    if len(named) == hidden + 1 and named[-1][1].density == 1:
        notes.append(f"{named.pop()[0]}: of the output layer, which stays whole")
    masks = tuple(mask for _, mask in named)
    ticket = Ticket(masks, tuple(np.ones(mask.n_out, np.bool_) for mask in masks))
    given = GivenMasks(place, ticket, ticket.weight_density, tuple(name for name, _ in named))
    return replace(given, notes=tuple(f"prune.masks: {note}" for note in notes))


def _read(path: Path) -> tuple[list[tuple[str, Mask]], list[str]]:
    """Return the masks in a file with their names, in the order of layers, and lines on what else it holds."""
    # Slow to import, and lists of methods need none of it.
    from prunescope.tensors import ReadingOptions, named_masks, shown
    from prunescope.tensors.printable import size_words

    notes: list[str] = []
    masks = []
    try:
        for named in named_masks(path, ReadingOptions(each_name=True), notes.append):
            if named.array.ndim != 2:
                shape = size_words(named.array.shape)
                raise InputError(f"{path}: {shown(named.name)} is {shape}; layers of the network are linear")
            masks.append((shown(named.name), Mask.owning(named.array)))
    except InputError as error:
        raise InputError(f"prune.masks: {error}") from None
    return masks, notes


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
