"""ImageNet's thousand classes (ILSVRC 2012): wnids, devkit numbers, names, macro-classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from prunescope import experiment
from prunescope.data.raw import Labels
from prunescope.errors import InputError

TABLE = Path(__file__).parent / "imagenet_classes.tsv"
HEADER = (
    "# Classes of ILSVRC 2012 in the order of its devkit. Names: the first word of each synset of WordNet 3.0,",
    "# Copyright 2006 by Princeton University, All rights reserved. Made by tools/macro_classes.py.",
    "wnid\tdevkit\tname\tsemantic",
)
MACRO_CLASSES: tuple[str, ...] = (
    "dog",
    "other mammal",
    "bird, reptile",
    "fish, amphibian, invertebrate",
    "device",
    "covering, musical instrument",
    "container, appliance, equipment",
    "transport, furnishing",
    "plant, fungus, food, implement",
    "construction, miscellaneous",
)
ORDERS = ("devkit", "sorted")
OFFICIAL = ("imagenet32", "imagenet64")
CLASSES = 1000


@dataclass(frozen=True)
class Category:
    """A class: ``devkit`` is its number from 1, ``semantic`` its macro-class of the paper's Table 1."""

    wnid: str
    devkit: int
    name: str
    semantic: int


@cache
def categories() -> tuple[Category, ...]:
    """All classes in devkit order."""
    lines = TABLE.read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines[len(HEADER) :]]
    return tuple(Category(wnid, int(number), name, int(label)) for wnid, number, name, label in rows)


def devkit_places(data: experiment.Data, names: Sequence[str], numbers: Labels) -> Labels | None:
    """Devkit number - 1 of each class of the source; None where nothing says what its classes are.

    Class names that are wnids say it; so does ``data.class_order``: "devkit" or "sorted" of a source
    with all 1000 classes, or a file, whose ``numbers`` these are. The official files are in devkit
    order unless a file says otherwise; parquet files with 1000 unnamed classes are in that of the sorted
    wnids, but for semantic tasks only. Raises InputError for an order that the data contradict.
    """
    by_name = _places_of(names)
    if data.class_order in ORDERS:
        return _places_in(data.class_order, by_name, len(names))
    if by_name is not None:
        return by_name
    if data.source in OFFICIAL or data.class_order:
        return numbers if numbers.max() < CLASSES else None
    unnamed = data.source == "parquet" and list(names) == [str(i) for i in range(CLASSES)]
    return sorted_places() if unnamed and data.task.startswith("semantic") else None


def _places_in(order: str, by_name: Labels | None, count: int) -> Labels:
    if count != CLASSES:
        raise InputError(
            f"data.class_order={order} is for ImageNet's {CLASSES} classes, the data has {count}"
        )
    places = np.arange(CLASSES) if order == "devkit" else sorted_places()
    if by_name is not None and not np.array_equal(by_name, places):
        raise InputError(f"data.class_order={order}, but the wnids of the data stand in another order")
    return places


def sorted_places() -> Labels:
    """Devkit number - 1 of the classes in the order of their wnids."""
    return np.argsort([category.wnid for category in categories()]).astype(np.int64)


def unknown_name(names: Sequence[str]) -> str | None:
    """The first name that is not the wnid of a class of ImageNet."""
    known = _place_of_wnid()
    return next((name for name in names if name not in known), None)


def _places_of(names: Sequence[str]) -> Labels | None:
    if unknown_name(names) is not None:
        return None
    known = _place_of_wnid()
    return np.array([known[name] for name in names], np.int64)


@cache
def _place_of_wnid() -> dict[str, int]:
    return {category.wnid: place for place, category in enumerate(categories())}
