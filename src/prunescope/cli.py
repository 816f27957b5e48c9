"""Stands in for the package ``cli/`` in an editable install made before it was one; goes with the next install."""

from pathlib import Path

__path__ = [str(Path(__file__).with_suffix(""))]

from prunescope.cli.app import app as app
from prunescope.cli.entry import main as main
from prunescope.cli.entry import ray_alone as ray_alone
