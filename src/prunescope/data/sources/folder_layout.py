"""This module finds which folders of an image set are classes, and which the training and validation parts.

What cannot be understood is refused with what was found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from prunescope.data.source_checks import check_class_name
from prunescope.data.sources.folder_pictures import LeftOut, folders, loose_pictures, pictures_below
from prunescope.data.sources.labels import by_name
from prunescope.errors import InputError
from prunescope.files import open_regular

ANNOTATIONS = "val_annotations.txt"  # tiny-imagenet-200: file, wnid, box

# The words that names of parts have, in the order of preference, and those that they may have beside them.
_TRAIN = ("train", "training")
_VALIDATION = ("val", "valid", "validation", "dev", "eval", "evaluation", "test", "testing")
_BESIDE = ("set", "data", "dataset", "images", "image", "imgs", "img", "split", "folder")
_SOME = 8  # class folders whose folders are inspected each time a set is opened


@dataclass(frozen=True)
class FolderLayout:
    """The folder whose folders are the classes, and the validation part, None where there is none."""

    train: Path
    validation: Path | None
    notes: tuple[str, ...] = ()


def find_layout(root: Path) -> FolderLayout:
    """Return where the parts of an image set in ``root`` are.

    Folders called train, training, … and val, validation, test, … in any case are the parts when there are folders in
    them. Raises InputError for parts without a training part, two training parts, and classes without folders.
    """
    names = folders(root)
    trains, parts = _called(names, _TRAIN), _called(names, _VALIDATION)
    nested = [name for name in (*trains, *parts) if folders(root / name)]
    if len(trains) > 1 and nested:
        raise InputError(f"{root}: {trains[0]} and {trains[1]} in it: which has the training images?")
    if trains and trains[0] not in nested and parts:
        raise InputError(f"{root / trains[0]}: no class folders in it, expected {trains[0]}/CLASS/*")
    if not trains or trains[0] not in nested:
        if parts and (nested or len(parts) == len(names)):
            raise InputError(
                f"{root}: {', '.join(parts)} but no train in it, expected train/CLASS/* and {parts[0]}/CLASS/*"
            )
        doubtful = [*trains, *parts]
        notes = [f"taken as classes, since no folder is in them: {', '.join(doubtful)}"] if doubtful else []
        return FolderLayout(root, None, (*notes, *_check_classes(root, names)))
    used = [trains[0], *parts[:1]]
    unused = [name for name in names if name not in used]
    notes = [f"folders beside {' and '.join(used)} are not used: {', '.join(unused)}"] if unused else []
    if not parts:
        notes.append(
            f"{trains[0]} but no validation part: a fixed tenth of each of its classes is the validation part"
        )
    notes += _check_classes(root / trains[0], folders(root / trains[0]))
    return FolderLayout(root / trains[0], root / parts[0] if parts else None, tuple(notes))


def _check_classes(root: Path, names: list[str]) -> tuple[str, ...]:
    """Return a note on folders below the class folders ``names`` of ``root``, whose pictures count to the class.

    Raises InputError for class folders that hold parts (CLASS/train/*), and for folders that hold folders where the
    words in their names say that they are parts (photos_train, photos_test).
    """
    if len(names) < 2:
        return ()  # refused with advice by class_names
    # Of a million images in a thousand classes, listing every folder once more would take seconds.
    worded = [name for name in names if _words(name) & {*_TRAIN, *_VALIDATION}]
    below = {name: folders(root / name) for name in dict.fromkeys([*names[:_SOME], *worded])}
    for name, inside in below.items():
        parts = [*_called(inside, _TRAIN)[:1], *_called(inside, _VALIDATION)[:1]]
        if len(parts) == 2:
            raise InputError(
                f"{root / name}: {' and '.join(parts)} in a class folder: parts must be above the classes, as "
                f"{parts[0]}/{name}/*"
            )
    several = [
        name for name in worded if len(below[name]) > 1 or any(folders(root / name / x) for x in below[name])
    ]
    parts = [next((x for x in several if _words(x) & {*words}), "") for words in (_TRAIN, _VALIDATION)]
    if all(parts):
        raise InputError(
            f"{root}: {' and '.join(parts)} hold folders: if they are the training and the validation part, call them "
            "train and val; if they are classes, move their images out of these folders"
        )
    inside = [f"{name}/{part}" for name in names[:_SOME] if len(below[name]) > 1 for part in below[name]]
    if not inside:
        return ()
    more = ", …" if len(inside) > 3 else ""
    return (
        f"images in folders below the class folders ({', '.join(inside[:3])}{more}) count to the class above them; if "
        "those are the classes, move them up",
    )


def are_parts(names: Sequence[str]) -> bool:
    """Return whether the names of classes are those of training and validation parts."""
    return len(names) > 1 and all(
        any(_wanted(name, words) for words in (_TRAIN, _VALIDATION)) for name in names
    )


def class_names(root: Path) -> list[str]:
    """Return the names of the class folders in ``root``, sorted; numbers in numerical order.

    Raises InputError for fewer than two, with what lies there instead.
    """
    names = folders(root)
    if len(names) < 2:
        raise InputError(
            f"{root}: {len(names)} class folder{'s' * (len(names) != 1)} in it, at least 2 are needed"
            f"{instead(root, names)}"
        )
    for name in names:
        check_class_name(name, f"{root}: the name {name!a} of a class folder", "rename the folder")
    return list(by_name(names))


def instead(root: Path, names: list[str]) -> str:
    """Return what lies in ``root`` in place of class folders, for the end of a message."""
    if len(names) == 1 and len(folders(root / names[0])) > 1:
        return f"; if the classes are in {names[0]}, say data.root={root / names[0]}"
    count = loose_pictures(root)
    return f"; {count:,} images lie directly in it: move them to CLASS/*" if count else ""


def annotated(folder: Path) -> list[tuple[str, Path]]:
    """Return the class and the path of each picture of a validation part in tiny-imagenet's form, sorted.

    ``folder`` holds val_annotations.txt and pictures, or a folder images with them. Raises InputError for pictures
    without a line, lines without a picture, and a folder without the file.
    """
    file = folder / ANNOTATIONS
    found = {path.name: path for path in pictures_below(folder, LeftOut())}
    if found and not file.is_file():
        raise InputError(
            f"{folder}: {len(found):,} images but no class folders and no {ANNOTATIONS}: their classes are not known; "
            f"move them to {folder.name}/CLASS/*"
        )
    if not found:
        raise InputError(f"{folder}: no image in it, expected {folder.name}/CLASS/*")
    pairs = []
    try:
        with open_regular(file) as stream:
            lines = stream.read().decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file}: not a readable text file") from None
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        if len(cells) < 2 or cells[0] not in found:
            what = (
                "expected FILE<TAB>CLASS" if len(cells) < 2 else f"no image {cells[0]}, or two lines for it"
            )
            raise InputError(f"{file}: line {number}: {what}")
        pairs.append((cells[1], found.pop(cells[0])))
    if found:
        others = f", nor for {len(found) - 1:,} others" if len(found) > 1 else ""
        raise InputError(f"{file}: no line for the image {min(found)}{others}")
    return sorted(pairs)


def refuse_file(path: Path) -> NoReturn:
    """Raise InputError for a root that is a file."""
    raise InputError(f"data.root={path}: a file, not a folder of images")


def _called(names: list[str], wanted: tuple[str, ...]) -> list[str]:
    """Return the names that are one of ``wanted`` but for case, signs, digits and words beside it, in its order."""
    found = {name: _wanted(name, wanted) for name in names}
    return sorted((name for name in names if found[name]), key=lambda name: wanted.index(found[name]))


def _wanted(name: str, wanted: tuple[str, ...]) -> str:
    """Return the one of ``wanted`` that a name consists of (train, Train-Set, val_images, train2017), else ""."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    ends = ("", *_BESIDE)
    return next((word for word in wanted for end in ends if plain in (word + end, end + word)), "")


def _words(name: str) -> set[str]:
    """Return the words of a name, which are small, from one sign or digit to the next."""
    return set(re.split(r"[^a-z]+", name.lower()))
