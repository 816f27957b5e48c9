"""What a sweep tells whoever watches it; this interface, and a reporter that says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.sweep.planning import Plan, Planned
    from prunescope.sweep.room import Room


class SweepReporter:
    """Hears what a sweep does; this one says nothing."""

    def planned(self, plan: Plan, room: Room, threads: int | None) -> None:
        """The plan, and the room it will run in, before anything is done."""

    def preparing(self, done: int, total: int, what: str) -> None:
        """Data preparation has done ``done`` of ``total`` of ``what``."""

    def started(self, run: Planned, pid: int, node: str = "") -> None:
        """A run starts or goes on in process ``pid`` of this machine, or of a cluster's ``node``."""

    def heard(self, run: Planned, event: dict[str, Any]) -> None:
        """A run says something: see prunescope.sweep.worker."""

    def ended(self, run: Planned, how: str, message: str) -> None:
        """A run's process has ended: done, failed, stopped, retry (it was killed) or in use."""

    def stopping(self) -> None:
        """Runs were asked to save and stop."""

    def close(self) -> None:
        """Give the terminal back."""


silent = SweepReporter()
