"""Derive the ten macro-classes of the paper's Table 1 from WordNet 3.0 by rules, and write their table.

``python tools/macro_classes.py /usr/share/wordnet/data.noun`` rewrites
src/prunescope/data/tasks/imagenet_classes.tsv: wnids and devkit numbers are kept, names and macro-classes are
derived again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prunescope.data.tasks.imagenet import HEADER, TABLE, Category, categories
from prunescope.errors import InputError

MISCELLANEOUS = 9

# The first synset of the list that is a hypernym of a class, over any chain, decides; a wnid is "n" and the
# synset's offset. Single classes come first, where the paper's choice follows from no order.
RULES = (
    ("03776460", 9),  # mobile home: construction, not vehicle
    ("02939185", 8),  # caldron: implement, not container
    ("04423845", 6),  # thimble: container, not covering
    ("02084071", 0),  # dog
    ("01861778", 1),  # mammal
    ("01503061", 2),  # bird
    ("01661091", 2),  # reptile
    ("02512053", 3),  # fish
    ("01627424", 3),  # amphibian
    ("01905661", 3),  # invertebrate
    ("03800933", 5),  # musical instrument
    ("03183080", 4),  # device
    ("03100490", 7),  # conveyance, transport
    ("03405265", 7),  # furnishing
    ("03122748", 5),  # covering
    ("02729837", 6),  # appliance
    ("03294048", 6),  # equipment
    ("03094503", 6),  # container
    ("04341686", 9),  # structure, construction
    ("03563967", 8),  # implement
    ("00017222", 8),  # plant
    ("13086908", 8),  # plant part: fruit among them
    ("12992868", 8),  # fungus
    ("07555863", 8),  # food, solid food: vegetables and edible fruit among them
    ("00021265", 8),  # food, nutrient
)


@dataclass(frozen=True)
class Synset:
    """A noun synset: its words and hypernyms (offsets, those of instances included)."""

    words: tuple[str, ...]
    hypernyms: tuple[str, ...]


def read_nouns(path: Path) -> dict[str, Synset]:
    """Read noun synsets by offset from WordNet's ``data.noun``, whose format is wndb(5WN).

    Raises InputError for a file in another format.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: not readable; WordNet 3.0's dict/data.noun is needed") from None
    try:
        return dict(_synset(line) for line in lines if line and not line.startswith(" "))
    except (IndexError, ValueError):
        raise InputError(f"{path}: not WordNet's data.noun") from None


def _synset(line: str) -> tuple[str, Synset]:
    fields = line.split(" | ")[0].split()
    count = int(fields[3], 16)
    words = fields[4 : 4 + 2 * count : 2]
    first = 4 + 2 * count
    pointers = [fields[first + 1 + 4 * i :][:4] for i in range(int(fields[first]))]
    hypernyms = (offset for symbol, offset, kind, _ in pointers if symbol in ("@", "@i") and kind == "n")
    return fields[0], Synset(tuple(word.replace("_", " ") for word in words), tuple(hypernyms))


def classify(wnids: Iterable[str], nouns: Mapping[str, Synset]) -> list[int]:
    """Return the macro-class 0 … 9 of each wnid; raise InputError for one that is no noun of WordNet 3.0."""

    @cache
    def above(offset: str) -> frozenset[str]:
        return frozenset({offset}.union(*(above(parent) for parent in nouns[offset].hypernyms)))

    found = []
    for wnid in wnids:
        if wnid[1:] not in nouns:
            raise InputError(f"{wnid}: no such noun synset in this WordNet, version 3.0 is needed")
        own = above(wnid[1:])
        found.append(next((label for offset, label in RULES if offset in own), MISCELLANEOUS))
    return found


def make_table(nouns: Mapping[str, Synset]) -> str:
    """Return the text of src/prunescope/data/tasks/imagenet_classes.tsv."""
    known = categories()
    labels = classify((category.wnid for category in known), nouns)
    rows = [
        Category(category.wnid, category.devkit, nouns[category.wnid[1:]].words[0], label)
        for category, label in zip(known, labels, strict=True)
    ]
    lines = [f"{row.wnid}\t{row.devkit}\t{row.name}\t{row.semantic}" for row in rows]
    return "\n".join([*HEADER, *lines]) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/macro_classes.py PATH/TO/data.noun")
    TABLE.write_text(make_table(read_nouns(Path(sys.argv[1]))), "utf-8")
