"""prunescope trains and prunes networks and measures the structure of the masks that pruning leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunescope import _lazy, _renamed, _views

if TYPE_CHECKING:
    from prunescope._version import __version__ as __version__
    from prunescope.analysis.tables import table as table
    from prunescope.errors import InputError as InputError
    from prunescope.experiment import Experiment as Experiment
    from prunescope.layers.observing import observe as observe
    from prunescope.layers.overlapping import overlap as overlap
    from prunescope.mask import Mask as Mask
    from prunescope.notebook.running import run as run
    from prunescope.observables import effective_masks as effective_masks
    from prunescope.observables import fan_in as fan_in
    from prunescope.observables import fan_out as fan_out
    from prunescope.observables import inhomogeneous_null as inhomogeneous_null
    from prunescope.observables import repetition_null as repetition_null
    from prunescope.observables import uniform_null as uniform_null
    from prunescope.observables import weight_image as weight_image
    from prunescope.observables.locality import locality as locality
    from prunescope.observables.measure import measure as measure
    from prunescope.observables.repetition import measure_repetition as measure_repetition
    from prunescope.observables.repetition import repetition as repetition
    from prunescope.runs.directory import Run as Run

    load = Run

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    {
        "Experiment": "experiment",
        "InputError": "errors",
        "Mask": "mask",
        "Run": "runs.directory",
        "__version__": "_version",
        "effective_masks": "observables",
        "fan_in": "observables",
        "fan_out": "observables",
        "inhomogeneous_null": "observables",
        "load": "runs.directory:Run",
        "locality": "observables",
        "measure": "observables",
        "measure_repetition": "observables",
        "observe": "layers.observing",
        "overlap": "layers.overlapping",
        "repetition": "observables",
        "repetition_null": "observables",
        "run": "notebook.running",
        "table": "analysis.tables",
        "uniform_null": "observables",
        "weight_image": "observables",
    },
)

_renamed.install()
# What values show of themselves: they know nothing of figures, and these functions are imported when they are shown.
_views.provide(
    {
        "Mask.html": "prunescope.notebook.masks:mask_html",
        "Mask.plot": "prunescope.figures.plots:mask_figure",
        "NetworkOverlap.html": "prunescope.notebook.overlaps:overlap_html",
        "NetworkOverlap.text": "prunescope.cli.overlapping:overlap_text",
        "NetworkOverlap.plot": "prunescope.figures.layer_overlaps:overlap_figure",
        "Observables.html": "prunescope.notebook.scalars:observables_html",
        "ObservedLayer.html": "prunescope.notebook.layers:layer_html",
        "Observables.text": "prunescope.cli.layer_tables:scalars_text",
        "ObservedLayer.text": "prunescope.cli.layer_tables:layer_text",
        "ObservedNetwork.html": "prunescope.notebook.layers:network_html",
        "ObservedNetwork.text": "prunescope.cli.layer_tables:network_text",
        "ObservedNetwork.plot": "prunescope.figures.layers:plot_layers",
        "ObservedNetwork.write_page": "prunescope.report.observed:write_layers_page",
        "Run.html": "prunescope.notebook.runs:run_html",
        "Run.plot": "prunescope.figures:plot",
    }
)
