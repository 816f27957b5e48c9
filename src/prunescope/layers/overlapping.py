"""Compare the masks of two networks: what they share, layer by layer, against chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import get_args

from prunescope.arguments import flag
from prunescope.digits import is_whole
from prunescope.errors import InputError
from prunescope.layers.kinds import LayerMask
from prunescope.layers.network_overlap import LayerOverlap, NetworkOverlap
from prunescope.layers.pairing import Chain, paired, resolved_chain
from prunescope.layers.source_layers import Selection, layers_of
from prunescope.observables.unit_matching import overlap_layers
from prunescope.runs.directory import Run, is_run
from prunescope.tensors import Order, ReadingOptions, Zeros, shown


def overlap(
    a: object,
    b: object,
    *,
    match: bool = True,
    levels: int | tuple[int, int] | None = None,
    chain: Chain = "auto",
    zeros: Zeros = "auto",
    order: Order = "auto",
) -> NetworkOverlap:
    """Count what the masks of two networks share, layer by layer, as stored and with units matched, against chance.

    a, b: whatever ``observe`` takes: a mask, an array or a tensor, a run, the path of a file or of a run, and of the
    latter ``PATH@LEVEL`` too. ``match``: whether units are matched. ``levels``: of the runs, one for both or two; None
    for the last level that both have finished. ``chain``: whether the units of a layer are the inputs of the next:
    "hidden" (of all layers), "outputs" (and those of the last one are output units, which are never matched), "none", or
    "auto". ``zeros`` and ``order``: tensors.ReadingOptions. Raises InputError for what holds no mask and for layers whose shapes do not belong together. docs/science.md,
    "Overlap" and "Matched units".
    """
    if chain not in get_args(Chain):
        raise InputError(f"chain is {chain!r}: give {', '.join(get_args(Chain))}")
    match = flag("match", match)
    notes: list[str] = []
    first, second = _both(a, b, levels)
    reading = ReadingOptions(zeros, order)
    pairs = paired(
        _layers(first, reading, _said_of("first", notes)),
        _layers(second, reading, _said_of("second", notes)),
        notes.append,
    )
    stands = resolved_chain(pairs, chain, of_run=all(isinstance(one[0], Run) for one in (first, second)))
    last = len(pairs) - 1
    beside = (
        pair.beside(
            follows=stands != "none" and place > 0, matched=not (stands == "outputs" and place == last)
        )
        for place, pair in enumerate(pairs)
    )
    found = list(overlap_layers(beside, match=match))
    layers = tuple(
        LayerOverlap(pair.names, pair.form, stored, matched)
        for pair, (stored, matched) in zip(pairs, found, strict=True)
    )
    notes += _of_matching(layers, stands) if match else []
    return NetworkOverlap((_told_apart(*first), _told_apart(*second)), layers, stands, tuple(notes))


def _said_of(which: str, notes: list[str]) -> Callable[[str], None]:
    """Return what adds a line that is said of one of the networks to the notes."""
    return lambda line: notes.append(f"the {which}: {line}")


Source = tuple[object, int | None]


def _both(a: object, b: object, levels: int | tuple[int, int] | None) -> tuple[Source, Source]:
    """Return what is compared, runs opened, with the level of each run."""
    given = levels if isinstance(levels, tuple) else (levels, levels)
    if len(given) != 2:
        raise InputError(f"levels are {given}: give one for both, or two")
    (first, own), (second, other) = _at_level(a), _at_level(b)
    wanted = [told if told is not None else level for told, level in zip((own, other), given, strict=True)]
    sources = first, second
    for source, level in zip(sources, wanted, strict=True):
        if level is not None and not isinstance(source, Run):
            raise InputError("a level is of runs: a mask file has none")
    if isinstance(first, Run) and isinstance(second, Run):
        if wanted == [None, None]:
            both = sorted(set(first.levels) & set(second.levels))
            if not both:
                raise InputError(f"{first.path} and {second.path}: no level that both have finished")
            wanted = [both[-1], both[-1]]
        wanted = [run.finished_level(level) for run, level in zip((first, second), wanted, strict=True)]
        if first.path.resolve() == second.path.resolve() and wanted[0] == wanted[1]:
            raise InputError(
                f"{first.path}: level {wanted[0]} is compared with itself: give two levels, as RUN@{wanted[0]}"
            )
    return (first, wanted[0]), (second, wanted[1])


def split_level(text: str) -> tuple[Path, int | None]:
    """Return the path and the level that a text as ``PATH@LEVEL`` names; all of what exists is a path."""
    before, at, after = text.rpartition("@")
    if at and is_whole(after) and not Path(text).exists():
        return Path(before), int(after)
    return Path(text), None


def _at_level(source: object) -> Source:
    """Return a source and its level: the run of a directory, of ``PATH@LEVEL`` too; None where no level is told."""
    if not isinstance(source, str | Path):
        return source, None
    path, level = split_level(str(source))
    if is_run(path):
        return Run(path), level
    if level is not None:
        raise InputError(f"{path}: not a run directory, and a level is of runs")
    return path, None


def _layers(source: Source, reading: ReadingOptions, say: Callable[[str], None]) -> Iterator[LayerMask]:
    """Yield the layers of a source; those of a run are named by their number alone, at whatever level."""
    what, level = source
    found = layers_of(what, Selection(level=level, reading=reading), say)
    if not isinstance(what, Run):
        yield from found
        return
    for number, layer in enumerate(found, 1):
        yield LayerMask(f"layer {number}", layer.mask, layer.form, layer.origin)


def _told_apart(source: object, level: int | None) -> str:
    """Return the name of what was compared, with what tells it apart from another of the same name."""
    if isinstance(source, Run):
        return f"{source.path.parent.name}/{source.path.name}, level {source.finished_level(level)}"
    return (
        shown("/".join(Path(source).parts[-2:])) if isinstance(source, str | Path) else type(source).__name__
    )


def _of_matching(layers: Sequence[LayerOverlap], chain: Chain) -> list[str]:
    """Return what a reader of the numbers after matching must know."""
    notes = []
    if chain == "outputs":
        name = layers[-1].name
        notes.append(
            f"{name} is taken for the output layer: its units are not matched (chain hidden matches them)"
        )
    elif chain == "none" and len(layers) > 1:
        notes.append("layers are not taken for a chain: each is matched by itself, with its inputs as stored")
    large = [layer.name for layer in layers if layer.matched is None]
    if large:
        notes.append(f"too many units to be matched: {', '.join(large[:6])}{', …' * (len(large) > 6)}")
    some = [layer for layer in layers if layer.matched is not None and layer.matched.sampled is not None]
    if some:
        notes.append(
            f"the share after matching is that of some units of {len(some)} large layer{'s' * (len(some) > 1)} "
            "(matched_units in the table)"
        )
    return notes
