"""What the verb ``reproduce`` prints: the plan, and the files drawn."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from prunescope.errors import InputError
from prunescope.reproduce.request import Request, needed, planned, reproduce


def print_reproduction(
    words: Sequence[str],
    *,
    scale: str,
    data: Sequence[str],
    out: Path,
    figures: Path,
    seeds: int | None,
    at_once: int | None,
    dry_run: bool,
) -> None:
    """Run and draw what ``words`` ask for, figures and key=value fields; the files written go to stdout."""
    overrides = [word for word in words if "=" in word]
    for word in overrides:
        if word.partition("=")[0] in ("scale", "name"):
            raise InputError(f"{word}: the {word.partition('=')[0]} is not set as a field here; see --scale")
    wanted = tuple(word for word in words if "=" not in word)
    request = Request(wanted, scale, tuple(data), out, figures, seeds, tuple(overrides))
    if dry_run:
        _print_plan(request, at_once)
        return
    from prunescope.cli.sweep_progress import SweepLines, SweepLive
    from prunescope.cli.sweeping import plan_lines

    reporter = SweepLive(plan_lines) if sys.stderr.isatty() else SweepLines(plan_lines)
    try:
        result = reproduce(request, at_once=at_once, reporter=reporter)
    finally:
        reporter.close()
    for path in result.written:
        print(path)
    for path, message in result.failed.items():
        print(f"prunescope: {path}: {message}", file=sys.stderr)
    for figure, message in result.undrawn.items():
        print(f"prunescope: figure {figure} is not drawn: {message}", file=sys.stderr)
    if result.failed or result.undrawn:
        raise RuntimeError(f"{len(result.failed)} runs failed, {len(result.undrawn)} figures are not drawn")


def _print_plan(request: Request, at_once: int | None) -> None:
    """What is there, what is to be run, and what that will cost."""
    from prunescope.cli.sweeping import plan_lines, run_lines
    from prunescope.sweep.planning import check_room
    from prunescope.sweep.room import Room

    if not needed(request):
        print("no run is needed")
        return
    whole = planned(request)
    check_room(whole)
    room = Room.of_this_machine(whole, at_once)
    print("\n".join([*run_lines(whole), *plan_lines(whole, room, None)]))
