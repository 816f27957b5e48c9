"""Write one self-contained HTML page about the layers of a network that was pruned anywhere. Cheap to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunescope.layers import ObservedNetwork


def write_layers_page(observed: ObservedNetwork, out: Path) -> Path:
    """Write the page of what was measured of a network's layers to file ``out`` and return its path.

    The page loads nothing from the network and can be opened from the file system. Raises InputError where the file
    cannot be written, and where it is there and no page.
    """
    from prunescope.report.observed.page import layers_html
    from prunescope.report.standalone import write_page

    return write_page(Path(out), lambda: layers_html(observed), "page")
