"""The command line: verbs that each make one call into the library. Progress goes to stderr, results to stdout."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from prunescope import _lazy
from prunescope.signals import Stopped, raise_stopped, receiving, stop_signals
from prunescope.streams import lasting_streams

if TYPE_CHECKING:
    from prunescope.cli.entry import ray_alone as ray_alone

__all__ = ["main", "ray_alone"]

__getattr__, __dir__, _ = _lazy.attach("prunescope.cli", {"ray_alone": "entry"})


def main(arguments: list[str] | None = None) -> Any:
    """Run a command line and exit with the code that ``entry.run_command_line`` returns, or with that of a signal.

    A signal may come while the verbs are imported, so that they are imported here.
    """
    given = sys.argv[1:] if arguments is None else arguments

    with lasting_streams(), receiving(raise_stopped, stop_signals()[1:]):
        try:
            from prunescope.cli.entry import run_command_line

            code = run_command_line(given)
        except KeyboardInterrupt as error:
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            # After everything was saved the code is 130, whatever the signal: then this is no Stopped.
            code = 128 + number
            print("prunescope: interrupted; run the same command to go on", file=sys.stderr)
    sys.exit(code)
