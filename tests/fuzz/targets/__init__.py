"""What is fuzzed: each target has a name, seeds made on the spot, and a function that reads an input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzz.tree import Tree


class Skipped(Exception):
    """Raised for an input that is not to be read, as a command that would train for hours."""


@dataclass(frozen=True)
class Target:
    """A reader: ``seeds`` makes valid inputs by name, with the help of an empty folder, and ``read`` reads one.

    ``read`` is called with the folder of the input and an empty folder to write to. ``kept``: beginnings of paths in
    inputs that mutations leave as they are. ``writes``: whether reading may change the input. ``may_refuse``: whether
    some seeds are of formats that are refused.
    """

    name: str
    seeds: Callable[[Path], dict[str, Tree]]
    read: Callable[[Path, Path], None]
    kept: tuple[str, ...] = ()
    writes: bool = False
    may_refuse: bool = False


def all_targets() -> dict[str, Target]:
    """Return every target by name."""
    from fuzz.targets import command_lines, data, experiments, masks, models, pictures, runs, tasks

    modules = (data, pictures, tasks, masks, models, experiments, command_lines, runs)
    found = [target for module in modules for target in module.TARGETS]
    return {target.name: target for target in found}
