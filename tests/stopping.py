"""A reporter that stops a run, for tests of what is gone on with."""

import signal
from itertools import count

from prunescope.runs.reporting import Reporter


class Stop(Reporter):
    """Sends this process a signal at the ``number``-th time that steps are reported, over all levels."""

    def __init__(self, number):
        self.left = count(number, -1)

    def stepped(self, level, step):
        if next(self.left) == 1:
            signal.raise_signal(signal.SIGTERM)
