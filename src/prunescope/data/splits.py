"""This module chooses which images of a source's validation part are validation images; the rest are held out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope import experiment
from prunescope.data.dataset import Images
from prunescope.data.raw_images import Labels
from prunescope.data.tasks.imagenet import CLASSES
from prunescope.errors import InputError
from prunescope.randomness import generator

SOURCE_ORDER, STRATIFIED = "source order", "stratified"


def split_rule(data: experiment.Data, classes: int, chosen: str | None = None) -> str:
    """Return the rule by which validation images are chosen: ``chosen``, or by default that of the source.

    ``classes``: the number of the source's classes. Folders, .npz, idx and parquet files are stratified, since
    they are often sorted by class or writer; parquet files with ImageNet's 1000 classes keep ImageNet's order, as the official
    files do. Raises InputError for an unknown rule.
    """
    if chosen is not None:
        if chosen not in (SOURCE_ORDER, STRATIFIED):
            raise InputError(f"the split rule is {chosen!r}: use {SOURCE_ORDER!r} or {STRATIFIED!r}")
        return chosen
    if data.source in ("folder", "npz", "idx") or (data.source == "parquet" and classes != CLASSES):
        return STRATIFIED
    return SOURCE_ORDER


def split_images(
    pixels: NDArray[Any], labels: Labels, drawn_by: Labels, count: int, rule: str
) -> tuple[Images, Images]:
    """Return the validation and the held-out images of a validation part ``pixels`` [N, n0], ``labels`` [N].

    ``drawn_by``: the source's own labels [N], by which a stratified draw goes. ``count``: how many validation images
    are wanted. By "source order" they are the first ones, and both sets refer to ``pixels``; so they do where all
    images are validation images. Images that are drawn are copied.
    """
    if rule == SOURCE_ORDER or count >= len(labels):
        return Images(pixels[:count], labels[:count]), Images(pixels[count:], labels[count:])
    chosen = stratified(drawn_by, count)
    return Images(pixels[chosen], labels[chosen]), Images(pixels[~chosen], labels[~chosen])


def stratified(labels: Labels, count: int) -> NDArray[np.bool_]:
    """Return which ``count`` of the images are drawn, bool [N], the same at every call.

    Each class has its share of them, by largest remainders, of equal ones that of the lower label first. A mask
    keeps the rows in their order, so that a file is read in one direction.
    """
    numbers, sizes = np.unique(labels, return_counts=True)
    quotas = sizes * count // len(labels)
    remainders = sizes * count % len(labels)
    quotas[np.argsort(-remainders, kind="stable")[: count - quotas.sum()]] += 1
    chosen = np.zeros(len(labels), np.bool_)
    for number, quota in zip(numbers, quotas, strict=True):
        rows = np.flatnonzero(labels == number)
        chosen[generator(0, "validation split", int(number)).permutation(rows)[:quota]] = True
    return chosen


def split_notes(validation: Images, heldout: Images, asked: int, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Return a line for each thing about the two sets that whoever reads an accuracy should know."""
    notes = []
    count = len(validation)
    if count < asked:
        notes.append(
            f"{count:,} of {asked:,} validation images asked for: the validation part has no more, so that none is "
            "held out and no accuracy is free of the choice of the best step; set data.validation lower"
        )
    elif not len(heldout):
        notes.append(
            f"all {count:,} images of the validation part are validation images, so that none is held out and no "
            "accuracy is free of the choice of the best step; set data.validation lower"
        )
    for name, images in (("validation", validation), ("held-out", heldout)):
        found = np.unique(images.labels)
        if len(found) == 1:
            notes.append(
                f"all {name} images are of one class, {classes[found[0]]}: their accuracy says little"
            )
        elif 0 < len(found) < len(classes):
            notes.append(f"{len(classes) - len(found)} of {len(classes)} classes without a {name} image")
    return tuple(notes)
