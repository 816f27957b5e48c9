"""Masks from elsewhere on a command line: what its options say of them, and what is measured of them then."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from prunescope.digits import sizes_in
from prunescope.errors import InputError

if TYPE_CHECKING:
    from prunescope.layers import ObservedNetwork
    from prunescope.mask import ImageShape


@dataclass(frozen=True)
class OfElsewhere:
    """What a command line says of masks from elsewhere, by the names of its options."""

    shape: str | None = None
    zeros: str = "auto"
    order: str = "auto"
    heads: int | None = None
    patch: int | None = None
    tokens: str | None = None
    pixels: str = "chw"

    def check(self) -> None:
        """Raise InputError for a value that an option does not take."""
        from prunescope.layers.kinds import Pixels
        from prunescope.tensors import Order, Zeros

        for name, kinds in (("zeros", Zeros), ("order", Order), ("pixels", Pixels)):
            known = get_args(kinds)
            if (value := getattr(self, name)) not in known:
                raise InputError(f"--{name} is {value!r}: give {', '.join(known[:-1])} or {known[-1]}")
        for name, count in (("heads", self.heads), ("patch", self.patch)):
            if count is not None and count < 1:
                raise InputError(f"--{name} is {count}: give a number above 0")

    def check_of_run(self) -> None:
        """Raise InputError where something is said of a run, which knows its own layers."""
        if self != OfElsewhere():
            raise InputError("--shape, --zeros, --order, … are for masks from elsewhere: a run knows its own")


def observed_elsewhere(source: Path, said: OfElsewhere, layer: str | None = None) -> ObservedNetwork:
    """Return what is measured of a file or folder of masks or weights; what was left out is said on stderr.

    Raises InputError for options that are not known, and for a source without masks.
    """
    from prunescope.layers.observed_network import lacks_images
    from prunescope.layers.observing import observe

    said.check()

    def say(line: str) -> None:
        print(f"prunescope: {source}: {line}", file=sys.stderr)

    shape = None if said.shape is None else parsed_shape(said.shape)
    observed = observe(
        source,
        layer=layer,
        shape=shape,
        zeros=said.zeros,  # type: ignore[arg-type]
        order=said.order,  # type: ignore[arg-type]
        heads=said.heads,
        patch=said.patch,
        tokens=None if said.tokens is None else parsed_grid(said.tokens),
        pixels=said.pixels,  # type: ignore[arg-type]
        say=say,
    )
    if shape is None and lacks_images(observed):
        print(
            "prunescope: --shape is not given: where inputs lie, as locality needs, is not known",
            file=sys.stderr,
        )
    return observed


def parsed_shape(text: str) -> ImageShape:
    """Return the shape that a text as 3x32x32 says; raise InputError for another text."""
    channels, height, width = _sizes(text, 3, "--shape", "CxHxW, as in 3x32x32")
    return channels, height, width


def parsed_grid(text: str) -> tuple[int, int]:
    """Return the grid that a text as 14x14 says; raise InputError for another text."""
    height, width = _sizes(text, 2, "--tokens", "HxW, as in 14x14")
    return height, width


def _sizes(text: str, count: int, option: str, form: str) -> list[int]:
    """Return the sizes in a text such as 14x14; raise InputError, which names the option, unless they are so many."""
    sizes = sizes_in(text)
    if sizes is None or len(sizes) != count:
        given = text if len(text) <= 60 else f"{text[:60]}…"
        raise InputError(f"{option} is {given!r}: give {form}")
    return sizes
