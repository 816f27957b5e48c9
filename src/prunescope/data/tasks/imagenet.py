"""This module lists ImageNet's thousand classes (ILSVRC 2012): wnids, devkit numbers, names and macro-classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from prunescope import experiment
from prunescope.data.raw_images import Labels
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
    """A class of ImageNet.

    ``wnid``: its WordNet identifier. ``devkit``: its number in the ILSVRC devkit, from 1. ``semantic``: the index in
    MACRO_CLASSES of its macro-class (paper, Table 1).
    """

    wnid: str
    devkit: int
    name: str
    semantic: int


@cache
def categories() -> tuple[Category, ...]:
    """Return all classes in devkit order."""
    lines = TABLE.read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines[len(HEADER) :]]
    return tuple(Category(wnid, int(number), name, int(label)) for wnid, number, name, label in rows)


def devkit_places(data: experiment.Data, names: Sequence[str], numbers: Labels) -> Labels | None:
    """Return the devkit number - 1 of each class of the source, or None where nothing says what its classes are.

    ``names``: the classes' names, which say it where all are wnids. ``numbers``: int64, the classes' numbers from 0,
    those of the file ``data.class_order`` where there is one. ``data.class_order`` may also be "devkit" or "sorted"
    for a source with all 1000 classes. The official files are in devkit order unless a file says otherwise. Parquet
    files with 1000 unnamed classes are in the order of the sorted wnids, which is assumed for semantic tasks only.
    Raises InputError for an order that the data contradict.
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
    """Return the places of all classes in ``order``; raise InputError if count or names contradict it."""
    if count != CLASSES:
        raise InputError(
            f"data.class_order={order} is for ImageNet's {CLASSES} classes, the data has {count}"
        )
    places = np.arange(CLASSES) if order == "devkit" else sorted_places()
    if by_name is not None and not np.array_equal(by_name, places):
        raise InputError(f"data.class_order={order}, but the wnids of the data stand in another order")
    return places


def sorted_places() -> Labels:
    """Return the devkit number - 1 of all classes, int64 [1000], in the order of their wnids."""
    return np.argsort([category.wnid for category in categories()]).astype(np.int64)


def unknown_name(names: Sequence[str]) -> str | None:
    """Return the first name that is not the wnid of a class of ImageNet, or None."""
    known = _place_of_wnid()
    return next((name for name in names if name not in known), None)


def _places_of(names: Sequence[str]) -> Labels | None:
    """Return the places of the classes whose wnids are ``names``, or None if one is not a wnid."""
    if unknown_name(names) is not None:
        return None
    known = _place_of_wnid()
    return np.array([known[name] for name in names], np.int64)


@cache
def _place_of_wnid() -> dict[str, int]:
    return {category.wnid: place for place, category in enumerate(categories())}
