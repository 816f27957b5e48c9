"""Hold the numbers that claims are about, by seed, each with the run and the place that it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Sample:
    """One number of one run: its value, the run's relative path, and where in the run the number stands.

    ``images`` says on how many images an accuracy was measured, as in "500 held-out".
    """

    value: float
    run: str
    where: str
    images: str = ""


@dataclass(frozen=True)
class MeasuredQuantity:
    """A number measured in several runs, by seed.

    ``unit``: %, points, × or °, as printed; the first two multiply by 100. ``null``: whether it is a null.
    ``parts``: the quantities that it is computed from. ``kind``: the experiment whose runs it was measured
    in. ``data``: the data of those runs, equal for experiments on the same data; empty when unknown or mixed.
    ``half_step``: half a step of the grid of levels to which the number belongs, 0 for one that can take any
    value.
    """

    name: str
    samples: Mapping[int, Sample]
    unit: str = ""
    null: bool = False
    parts: tuple[MeasuredQuantity, ...] = ()
    kind: str = ""
    data: str = ""
    half_step: float = 0.0

    @property
    def by_seed(self) -> dict[int, float]:
        """The values, by ascending seed."""
        return {seed: self.samples[seed].value for seed in sorted(self.samples)}

    @property
    def values(self) -> list[float]:
        """The values, by ascending seed, without the seeds."""
        return list(self.by_seed.values())

    @property
    def images(self) -> str:
        """The images on which an accuracy was measured, with their number; empty for other quantities."""
        return together(sample.images for sample in self.samples.values())


def difference(name: str, first: MeasuredQuantity, second: MeasuredQuantity) -> MeasuredQuantity:
    """Subtract ``second`` from ``first`` for the seeds that both have, and name both origins."""
    samples = {}
    for seed in sorted(first.samples.keys() & second.samples.keys()):
        a, b = first.samples[seed], second.samples[seed]
        run = a.run if a.run == b.run else f"{a.run} ; {b.run}"
        where = f"[{first.name}] - [{second.name}]"
        samples[seed] = Sample(a.value - b.value, run, where, together((a.images, b.images)))
    return MeasuredQuantity(
        name,
        samples,
        difference_unit(first.unit),
        parts=(first, second),
        kind=first.kind if first.kind == second.kind else f"{first.kind} ; {second.kind}",
        data=first.data if first.data == second.data else "",
        half_step=first.half_step + second.half_step,
    )


def scaled(name: str, factor: float, quantity: MeasuredQuantity) -> MeasuredQuantity:
    """Multiply a quantity by ``factor``, seed by seed."""
    samples = {
        seed: replace(sample, value=factor * sample.value, where=f"{factor:g} * [{quantity.name}]")
        for seed, sample in quantity.samples.items()
    }
    half_step = abs(factor) * quantity.half_step
    return replace(quantity, name=name, samples=samples, parts=(quantity,), half_step=half_step)


def difference_unit(unit: str) -> str:
    """Return the unit of a difference of two numbers: percentages differ by points."""
    return "points" if unit == "%" else unit


def together(texts: Iterable[str]) -> str:
    """Join several texts by commas, each once, without the empty ones."""
    return ", ".join(sorted(set(texts) - {""}))


def places(quantities: Iterable[MeasuredQuantity]) -> set[str]:
    """Return the paths of all runs that the quantities come from."""
    runs = (sample.run for quantity in quantities for sample in quantity.samples.values())
    return {run for several in runs for run in several.split(" ; ")}
