"""This module lets the module names of earlier versions be imported for one more version, with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature

# For each old module, the modules that hold its contents now; the first is the one that took its place.
RENAMED: dict[str, tuple[str, ...]] = {
    "analysis.derived": ("analysis.run_observables",),
    "analysis.pairs": ("analysis.locality",),
    "analysis.picks": ("analysis.compared_levels",),
    "arrays_file": ("runs.arrays", "files"),
    "bench.machine": ("runs.machine",),
    "bench.show": ("cli.bench",),
    "cli.looking": ("cli.showing",),
    "cli.reproduction": ("cli.reproduce",),
    "cli.running": ("cli.run", "cli.sweep", "cli.reproduce"),
    "cli.sweeping": ("cli.sweep",),
    "data.dealing": ("data.tasks.random_groups",),
    "data.folders": ("data.prepared.reading",),
    "data.imagenet": ("data.tasks.imagenet",),
    "data.photographs": ("data.sources.photographs",),
    "data.pickles": ("data.sources.pickles",),
    "data.preparation": ("data.prepared.preparation",),
    "data.raw": ("data.raw_images", "data.source_checks"),
    "data.readers": ("data.sources",),
    "data.rotation": ("data.prepared.rotation",),
    "data.streams": ("data.sources.streams",),
    "data.tasks.dealing": ("data.tasks.random_groups",),
    "driver": ("runs.driver", "pruning.running"),
    "estimate": ("pruning.running", "runs.estimate"),
    "figures.accuracy": ("figures.paper.accuracy",),
    "figures.angles": ("figures.parts.angles", "analysis.directions"),
    "figures.atlas": ("figures.extra.atlas",),
    "figures.choice": ("analysis.groups", "analysis.best_levels"),
    "figures.columns": ("figures.parts.side_by_side",),
    "figures.comparison": ("figures.paper.comparison",),
    "figures.connectivity": ("figures.paper.connectivity", "analysis.connectivity"),
    "figures.convergence": ("figures.paper.convergence",),
    "figures.curves": ("figures.parts.curves", "analysis.curves"),
    "figures.drawing": ("figures.parts.drawing", "analysis.groups"),
    "figures.filters": ("figures.extra.gabor",),
    "figures.flow": ("figures.extra.flow",),
    "figures.gaussianity": ("figures.extra.kurtosis",),
    "figures.hierarchy": ("figures.paper.hierarchy",),
    "figures.labels": ("analysis.labels",),
    "figures.locality": ("figures.paper.locality", "analysis.locality", "figures.parts.locality_maps"),
    "figures.masks": ("figures.paper.masks",),
    "figures.methods": ("figures.extra.methods",),
    "figures.movie": ("figures.parts.movie",),
    "figures.parts.columns": ("figures.parts.side_by_side",),
    "figures.parts.pair_maps": ("figures.parts.locality_maps",),
    "figures.picks": ("analysis.compared_levels",),
    "figures.progressive": ("figures.paper.progressive",),
    "figures.random_nodes": ("figures.paper.random_nodes",),
    "figures.relative": ("figures.extra.relative_locality", "analysis.locality"),
    "figures.same_nodes": ("figures.paper.same_nodes",),
    "figures.samples": ("figures.parts.samples",),
    "figures.sketch": ("figures.paper.sketch",),
    "figures.style": ("figures.parts.style", "analysis.formats"),
    "figures.superclasses": ("figures.paper.superclasses",),
    "figures.tasks": ("figures.paper.tasks",),
    "figures.tiles": ("figures.parts.tiles",),
    "figures.variants": ("figures.paper.variants",),
    "figures.videos": ("figures.paper.videos",),
    "levels": ("training.levels",),
    "observables.bins": ("observables.fan_in_bins",),
    "observables.fields": ("observables.receptive_fields",),
    "observables.foreign": ("tensors.mask_files",),
    "observables.mask_files": ("tensors.mask_files",),
    "observe": ("observables",),
    "observed": ("analysis.run_observables",),
    "observing": ("runs.level_measurements", "runs.columns"),
    "observing_activations": ("runs.preactivations",),
    "products": ("network.precision",),
    "progress": ("runs.reporting", "cli.progress", "analysis.formats"),
    "pruning.dynamics.shrinking": ("pruning.dynamics.scheduled",),
    "pruning.plain_forward": ("network.differentiable",),
    "reproduce.claims.derived": ("reproduce.claims.quantities",),
    "reproduce.claims.measured": ("reproduce.claims.measured_quantity",),
    "reproduce.claims.stored": ("reproduce.claims.miniature",),
    "reproduce.claims_data": ("reproduce.claims.data",),
    "reproduce.claims_methods": ("reproduce.claims.methods",),
    "reproduce.claims_network": ("reproduce.claims.network",),
    "reproduce.derived": ("reproduce.claims.quantities",),
    "reproduce.evidence": ("reproduce.claims.evidence",),
    "reproduce.numbers": ("reproduce.page.numbers",),
    "reproduce.plot_parts": ("reproduce.page.plot_parts",),
    "reproduce.plots": ("reproduce.page.plots",),
    "reproduce.rules": ("reproduce.claims.rules", "reproduce.claims.measured_quantity"),
    "reproduce.running": ("reproduce.request",),
    "reproduce.show": ("cli.reproduce",),
    "reproduce.sources": ("reproduce.images",),
    "reproduce.stored": ("reproduce.claims.miniature",),
    "run_writer": ("runs.writer",),
    "runs.activations": ("runs.preactivations",),
    "runs.classified": ("runs.correct_images",),
    "runs.measured": ("runs.extra_columns",),
    "runs.measurements": ("runs.level_measurements",),
    "scale": ("experiment.scale",),
    "sections": ("experiment.fields",),
    "store": ("runs.directory",),
    "sweep.axes": ("sweep.sweep_file", "experiment.overrides", "experiment.dotted"),
    "sweep.beacon": ("sweep.ray.liveness",),
    "sweep.board": ("sweep.status",),
    "sweep.child": ("sweep.executor",),
    "sweep.costs": ("sweep.job_costs", "sweep.planning"),
    "sweep.crew": ("sweep.executor",),
    "sweep.executing": ("sweep.execution", "sweep.checks", "sweep.scheduler", "sweep.executor"),
    "sweep.jobs": ("sweep.job", "sweep.options", "sweep.planning"),
    "sweep.ray.crew": ("sweep.ray.executor",),
    "sweep.ray_cluster": ("sweep.ray.cluster",),
    "sweep.ray_crew": ("sweep.ray.executor",),
    "sweep.ray_node": ("sweep.ray.node",),
    "sweep.reading": ("sweep.sweep_file",),
    "sweep.reporting": ("sweep.status",),
    "sweep.resources": ("sweep.capacity", "sweep.run_shares", "sweep.planning", "runs.machine"),
    "sweep.room": ("sweep.capacity",),
    "sweep.scheduling": ("sweep.scheduler", "sweep.execution"),
    "sweep.show": ("cli.sweep",),
    "sweep.tracking": ("sweep.checks",),
    "tables": ("analysis",),
    "tables.collect": ("analysis.tables",),
    "tables.comparing": ("analysis.comparison",),
    "tables.facts": ("analysis.quantities",),
    "tables.intervals": ("analysis.statistics",),
    "tables.show": ("cli.tables",),
    "track.feeding": ("track.upload",),
    "track.live": ("track.live_upload",),
    "track.show": ("cli.tracking",),
    "training.captured_step": ("training.torch.captured_step",),
    "training.feeds": ("training.torch.block_feed",),
    "training.masks": ("training.mask_changes", "training.state"),
    "training.step_rules": ("training.torch.step_rules",),
    "training.torch.batch_buffers": ("training.torch.block_feed",),
    "training.torch.feeds": ("training.torch.block_feed",),
    "training.torch_engine": ("training.torch.engine",),
    "training.torch_step": ("training.torch.step",),
    "verbs": ("cli.printing",),
}

# For each module, the old and the new names of its public classes and functions. A module that kept its own name finds
# the old ones by ``__getattr__ = old_names(__name__)``.
RENAMED_NAMES: dict[str, dict[str, str]] = {
    "analysis.compared_levels": {"Pick": "ExperimentLevel", "pick_table": "level_table"},
    "analysis.groups": {"Options": "FigureOptions"},
    "analysis.locality": {"Relative": "RelativeDensity"},
    "experiment.overrides": {"parse": "parsed_axis", "override": "formatted"},
    "figures.parts.curves": {"looks": "line_styles"},
    "pruning.dynamics.scheduled": {"Feedback": "FeedbackPruning"},
    "reproduce.claims.measured_quantity": {"Quantity": "MeasuredQuantity"},
    "reproduce.claims.miniature": {"Kind": "ExperimentRuns"},
    "sweep.capacity": {"Room": "Capacity"},
    "sweep.executor": {
        "Crew": "Executor",
        "LocalCrew": "LocalExecutor",
        "Member": "Worker",
        "Child": "WorkerProcess",
        "Order": "Request",
    },
    "sweep.planning": {"Planned": "PlannedRun", "Status": "RunState", "check_room": "check_disk"},
    "sweep.ray.executor": {"RayCrew": "RayExecutor", "RayTask": "RayWorker", "task": "remote_task"},
    "sweep.ray.liveness": {"Beacon": "LivenessLock", "unfit": "storage_problem"},
    "sweep.ray.node": {"Sweep": "SweepContext", "work": "serve"},
    "sweep.status": {"Board": "SweepStatus", "State": "RunStatus"},
    "sweep.sweep_file": {"Entry": "SweepEntry"},
    "track.live_upload": {"Tracked": "TrackingReporter"},
    "track.upload": {"Feed": "Upload", "feed": "upload"},
}
ROOT = "prunescope."


class OldModule(ModuleType):
    """A module under an old name, which finds every name in the modules that took its place.

    ``homes``: the dotted names of those modules, in the order in which they are searched.
    """

    def __init__(self, name: str, homes: Sequence[str]) -> None:
        super().__init__(name, f"Now {' and '.join(homes)}.")
        self._homes = homes

    def __getattr__(self, name: str) -> Any:
        for home in self._homes:
            current = RENAMED_NAMES.get(home.removeprefix(ROOT), {}).get(name, name)
            found = getattr(import_module(home), current, None)
            if found is not None:
                return found
        raise AttributeError(f"module {self.__name__!r}, now {' and '.join(self._homes)}, has no {name!r}")


class OldModuleAndFunction(OldModule):
    """An old module whose name is that of a public function by now, such as ``prunescope.observe``: both at once.

    Importing the module makes it an attribute of the package, in place of the function. Therefore it can be called, and
    does what the function does.
    """

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function."""
        return self._function(*arguments, **options)

    @property
    def _function(self) -> Callable[..., Any]:
        package, _, name = self.__name__.rpartition(".")
        found: Callable[..., Any] = sys.modules[package].__getattr__(name)
        return found

    @property
    def __signature__(self) -> Signature:
        """The signature of the function, for ``inspect`` and for notebooks."""
        from inspect import signature  # slow to import

        return signature(self._function)


class OldNames(MetaPathFinder, Loader):
    """Finds modules and the submodules of packages under their old names, for Python's import system."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module spec of an old name, None for any other name."""
        return ModuleSpec(fullname, self, is_package=True) if current_names(fullname) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the OldModule of a spec, with a DeprecationWarning.

        Raises ModuleNotFoundError where the modules that took its place do not exist.
        """
        homes = current_names(spec.name)
        for home in homes:
            import_module(home)
        warnings.warn(
            f"{spec.name} is now {' and '.join(homes)}: the old name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        package, _, name = spec.name.rpartition(".")
        is_public = name in getattr(sys.modules.get(package), "__all__", ())
        return (OldModuleAndFunction if is_public else OldModule)(spec.name, homes)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing, since an old module has no code of its own."""


def current_names(fullname: str) -> tuple[str, ...]:
    """Return the dotted names of the modules that took the place of an old one, empty for any other name.

    ``prunescope.observe.locality``, for example, is now ``prunescope.observables.locality``.
    """
    name = fullname.removeprefix(ROOT)
    if name == fullname:
        return ()
    if name in RENAMED:
        return tuple(ROOT + home for home in RENAMED[name])
    package, _, last = fullname.rpartition(".")
    above = current_names(package)
    return (f"{above[0]}.{last}",) if above else ()


def old_names(module: str) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module that finds its names of earlier versions, with a DeprecationWarning.

    ``module`` is its dotted name, a key of RENAMED_NAMES. The function raises AttributeError for any other name.
    """
    names = RENAMED_NAMES[module.removeprefix(ROOT)]

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warnings.warn(
            f"{module}.{name} is now {names[name]}: the old name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        return getattr(import_module(module), names[name])

    return find


def install() -> None:
    """Make old names importable, by a finder that is asked before folders are searched."""
    sys.meta_path.insert(0, OldNames())
