"""This module labels experiments by the fields in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from prunescope.analysis.formats import percent
from prunescope.experiment import Experiment, build
from prunescope.experiment.dotted import dotted_values
from prunescope.experiment.fields import name_of_root
from prunescope.pruning import known_traits

Fields = dict[str, Any]
Aspect = Callable[[Fields], str | None]

SOURCES = {
    "nlgp": "NLGP",
    "nlgp-clone": "Gaussian clone",
    "imagenet32": "ImageNet32",
    "imagenet64": "ImageNet64",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
}
TASKS = {
    "classes": "original classes",
    "modulo": "random classes",
    "random": "random classes",
    "semantic": "semantic classes",
    "semantic-5-random-5": "5 semantic, 5 random",
    "semantic-partial": "partial semantic",
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
REFERENCE = "reference"


def labels(experiments: Sequence[Experiment], methods: Mapping[str, str] | None = None) -> list[str]:
    """Return one label for each experiment, all different, such as ``10 % of the data``, ``SGD 0.02`` or ``one-shot``.

    A label states the aspects in which the experiments differ. Where there are several, it states only those in which
    this experiment differs from most, and an experiment that agrees with most in all of them is the ``reference``. A
    single experiment is labelled by its name; so are several with different names that differ in none of ASPECTS.
    ``methods``: labels of methods that are not installed, by the method's name.
    """
    names = [experiment.name for experiment in experiments]
    fields = [experiment.model_dump(mode="json", exclude={"name", "run"}) for experiment in experiments]
    differing = _differing(fields, [*ASPECTS[:METHOD], partial(_method, methods or {}), *ASPECTS[METHOD:]])
    if len(names) == 1 or (not differing and len(set(names)) == len(names)):
        return names
    parts = [[text for text in texts if text] for texts in zip(*differing, strict=True)] or [
        [] for _ in names
    ]
    if len(differing) > 1:
        parts = [part or [REFERENCE] for part in _apart(differing)]
    for twins in _twins(parts):
        for number, more in zip(twins, _leaves([experiments[number] for number in twins]), strict=True):
            own = [text for text in parts[number] if text != REFERENCE]
            parts[number] = [*own, *more] or [REFERENCE]
    return [", ".join(part) for part in parts]


def densities_text(densities: Sequence[float]) -> str:
    """Return densities as text: ``10 %, 1 %``."""
    return ", ".join(percent(density) for density in densities)


def _differing(fields: Sequence[Fields], aspects: Sequence[Aspect]) -> list[list[str | None]]:
    """Return the texts of all experiments for each aspect in which they differ."""
    texts = [[aspect(one) for one in fields] for aspect in aspects]
    return [row for row in texts if len({text for text in row if text is not None}) > 1]


def _apart(differing: Sequence[Sequence[str | None]]) -> list[list[str]]:
    """Return the texts of each experiment without those that at least half of the experiments share."""
    parts: list[list[str]] = [[] for _ in differing[0]]
    for row in differing:
        counts = Counter(text for text in row if text is not None)
        (first, most), (_, next_most) = counts.most_common(2)
        usual = first if most > next_most and 2 * most >= counts.total() else None
        for part, text in zip(parts, row, strict=True):
            part += [text] if text and text != usual else []
    return parts


def _twins(parts: Sequence[list[str]]) -> list[list[int]]:
    """Return the indices of experiments that have the same label, in one list for each such label."""
    same: dict[tuple[str, ...], list[int]] = {}
    for number, part in enumerate(parts):
        same.setdefault(tuple(part), []).append(number)
    return [numbers for numbers in same.values() if len(numbers) > 1]


def _leaves(experiments: Sequence[Experiment]) -> list[list[str]]:
    """Return texts such as ``levels 7`` for fields in which experiments with the same label differ.

    Left out are fields that an experiment's method does not read, values that say that something is not done, and, where
    the experiments differ in several fields, the defaults; all fields are told where that leaves two of them alike.
    """
    held = [dotted_values(experiment) for experiment in experiments]
    names = [
        name
        for name in held[0]
        if name not in ("name", "data.root", "data.name") and not name.startswith("run.")
        if any(one[name] != held[0][name] for one in held)
    ]
    short = [[name for name in names if _tells(name, one, alone=len(names) == 1)] for one in held]
    parts = [[_leaf(name, one[name]) for name in told] for told, one in zip(short, held, strict=True)]
    if _twins(parts):
        return [[_leaf(name, one[name]) for name in names] for one in held]
    return parts


def _tells(name: str, values: Mapping[str, Any], *, alone: bool) -> bool:
    """Return whether the value of a field says something of an experiment; ``alone``: it differs in no other field."""
    section, _, field = name.partition(".")
    known = known_traits(values["prune.method"]).fields
    if section == "prune" and known is not None and field not in {*known, "method", "options"}:
        return False
    if values[name] is None or values[name] is False:
        return False
    return alone or values[name] != _defaults().get(name)


@cache
def _defaults() -> dict[str, Any]:
    return dotted_values(build({"name": "defaults"}))


def _leaf(name: str, value: Any) -> str:
    name = name.rpartition(".")[2]
    if value is True:
        return name.replace("_", " ")
    if name == "density" and value is not None:
        return densities_text(value if isinstance(value, list) else [value])
    text = ", ".join(map(str, value)) if isinstance(value, list) else value
    return f"{name.replace('_', ' ')} {text}"


def _source(fields: Fields) -> str:
    """Return the name of the data set, that of the source where it is the only set of its kind."""
    data = fields["data"]
    name = data.get("name") or name_of_root(data.get("root", ""))
    return SOURCES.get(data["source"]) or name or str(data["source"])


def _set(fields: Fields) -> str | None:
    """Return the name that a set of a known source was given, which tells it from others of that source."""
    return fields["data"].get("name") or None if fields["data"]["source"] in SOURCES else None


def _task(fields: Fields) -> str:
    kind, _, rest = fields["data"]["task"].partition(":")
    return TASKS.get(kind, f"classes of {rest.rpartition('/')[2]}")


def _noise(fields: Fields) -> str:
    noise = fields["data"].get("label_noise", 0)
    return f"{100 * noise:g} % label noise" if noise else "clean labels"


def _fraction(fields: Fields) -> str:
    fraction = fields["data"]["fraction"]
    return "all the data" if fraction == 1 else f"{100 * fraction:g} % of the data"


def _rotation(fields: Fields) -> str:
    return f"rotated {fields['data']['rotate']:g}°" if fields["data"]["rotate"] else "upright"


def _translation(fields: Fields) -> str:
    return "translated" if fields["data"]["translate"] else "in place"


def _method(known: Mapping[str, str], fields: Fields) -> str:
    name = str(fields["prune"]["method"])
    label = known_traits(name).label
    return known.get(name, label) if label == name else label


def _reads(fields: Fields, field: str) -> bool:
    return field in known_traits(fields["prune"]["method"]).reads


def _scope(fields: Fields) -> str | None:
    if not _reads(fields, "scope"):
        return None
    return {"layer": "layer-wise", "global": "global"}[fields["prune"]["scope"]]


def _layout(fields: Fields) -> str | None:
    if not _reads(fields, "layout"):
        return None
    layout = fields["prune"].get("layout", "uniform")
    return {"erk": "ERK", "shuffle": "shuffled"}.get(layout, layout)


def _network(fields: Fields) -> str:
    hidden = fields["network"]["hidden"]
    return f"{len(hidden)}×{hidden[0]}" if len(set(hidden)) == 1 else "-".join(map(str, hidden))


def _norm(fields: Fields) -> str:
    return {"none": "no batch norm"}.get(fields["network"]["norm"], f"norm {fields['network']['norm']}")


def _optimizer(fields: Fields) -> str:
    kind, rate = fields["train"]["optimizer"], fields["train"]["lr"]
    return f"{OPTIMIZERS.get(kind, kind)} {rate:g}"


def _steps(fields: Fields) -> str:
    return f"{fields['train']['steps']:,} steps".replace(",", "\u2009")


def _rewind(fields: Fields) -> str | None:
    prune = fields["prune"]
    if not _reads(fields, "rewind"):
        return None
    return f"rewind to {prune['rewind_step']}" if prune["rewind"] else "no rewind"


def _rate(fields: Fields) -> str | None:
    return f"p = {fields['prune']['rate']:g}" if _reads(fields, "rate") else None


ASPECTS: tuple[Aspect, ...] = (
    _source,
    _set,
    _task,
    _noise,
    _fraction,
    _rotation,
    _translation,
    _scope,
    _layout,
    _network,
    _norm,
    _optimizer,
    _steps,
    _rewind,
    _rate,
)
METHOD = ASPECTS.index(_scope)  # The aspect of the method is inserted here.
