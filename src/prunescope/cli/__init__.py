"""Verbs. Each is one call into the library; progress goes to stderr, results to stdout."""

from prunescope.cli.app import app
from prunescope.cli.entry import main, ray_alone

__all__ = ["app", "main", "ray_alone"]
