"""The command line: verbs that each make one call into the library. Progress goes to stderr, results to stdout."""

from prunescope.cli.app import app
from prunescope.cli.entry import main, ray_alone

__all__ = ["app", "main", "ray_alone"]
