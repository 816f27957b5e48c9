"""Reading of the run named by ``prune.like``: its tickets, and the parameters that its levels start from."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.experiment import Prune
from prunescope.experiment.paths import decoded
from prunescope.model import Model, Ticket, initial, layer_sizes
from prunescope.pruning import find_traits
from prunescope.runs.directory import Run
from prunescope.training.levels import Setting


@dataclass(frozen=True, eq=False)
class LikeLevel:
    """A pruned level of the run named by ``prune.like``."""

    number: int
    ticket: Ticket
    nominal_density: float


@dataclass(frozen=True, eq=False)
class LikeRun:
    """The levels > 0 of the run named by ``prune.like``, and the parameters they start from.

    The moving averages of ``start`` are restarted.
    """

    levels: tuple[LikeLevel, ...]
    start: Model


def given_like(prune: Prune) -> str:
    """Return ``prune.like``; raise InputError when it is not given."""
    if not prune.like:
        raise InputError(
            "prune.like is not given: prune.layout=shuffle needs a run directory, "
            "as in prune.like=runs/quickstart-0123456789ab/seed-{seed}"
        )
    return prune.like


def like_run(setting: Setting) -> LikeRun:
    """Read the run that ``prune.like`` names, in which "{seed}" stands for the run's seed.

    Raises InputError when the field is not given, or the run is not finished, has no pruned level, or has other
    layers or another norm.
    """
    run = _opened(setting)
    _check(run, setting)
    nominal = {row["level"]: row["nominal_density"] for row in run.table.iter_rows(named=True)}
    levels = [LikeLevel(n, run.ticket(n), nominal[n]) for n in run.levels if n > 0]
    return LikeRun(tuple(levels), rewound_start(run, setting.sizes))


def like_notes(setting: Setting) -> list[str]:
    """Return a line where a shuffle is like a run on other images than those of ``setting``.

    Masks of one data set may be put on another, but not without a word. Raises InputError where no run is there.
    """
    prune = setting.experiment.prune
    read = prune.layout == "shuffle" and "like" in (find_traits(prune.method).fields or ())
    if not read or setting.dataset is None:
        return []
    run = _opened(setting)
    known = run.data.get("fingerprint")
    if not known or known == setting.dataset.fingerprint:
        return []
    return [f"prune.like: {run.path} was run on other images or another task"]


def _opened(setting: Setting) -> Run:
    path = decoded(given_like(setting.experiment.prune)).replace("{seed}", str(setting.seed))
    try:
        return Run(path)
    except InputError:
        raise InputError(
            f"prune.like is {path!r}: not a run directory; give one, as in …/seed-{{seed}}"
        ) from None


def _check(run: Run, setting: Setting) -> None:
    where = f"prune.like: {run.path}"
    if run.status != "done":
        raise InputError(f"{where} is {run.status}: finish that run first")
    if not any(number > 0 for number in run.levels):
        raise InputError(f"{where} has no pruned level: give a run with levels above 0")
    channels, height, width = run.shape
    sizes = layer_sizes(channels * height * width, run.experiment.network.hidden, len(run.classes))
    if sizes != setting.sizes:
        raise InputError(
            f"{where} has layers of {_words(sizes)}; this experiment has {_words(setting.sizes)}"
        )
    theirs, ours = run.experiment.network.norm, setting.experiment.network.norm
    if theirs != ours:
        raise InputError(f"{where} has network.norm={theirs}; this experiment has {ours}")


def _words(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes)) + " units"


def rewound_start(run: Run, sizes: tuple[int, ...]) -> Model:
    """Return what the levels of a run rewind to, its initial parameters where it does not rewind; averages restarted."""
    if (run.path / "rewind.safetensors").exists():
        return run.read_rewind().restarted()
    prune = run.experiment.prune
    common = prune.scope == "global" and "scope" in find_traits(prune.method).reads
    return initial(sizes, run.experiment.network.norm, run.seed, common=common)
