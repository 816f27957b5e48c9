"""Tables of text that users write: maps of classes and orders of classes."""

from __future__ import annotations

from pathlib import Path

from fuzz.targets import Target
from fuzz.tree import Tree

_CLASSES = ("n01", "n02", "n03", "n04")


def _map_seeds(folder: Path) -> dict[str, Tree]:
    texts = {
        "numbers": "0\t1\n1\t0\n2\t1\n3\t0\n",
        "commas": "label,new\n3,0\n2,1\n1,0\n0,1\n",
        "names": "# comment\nn01\t1\nn02\t0\nn03\t1\nn04\t0\nn99\t7\n",
        "wide": "label\twnid\tname\tsuperclass\n3\tn01\tkit, fox\t0\n2\tn02\tb\t1\n1\tn03\tb\t2\n0\tn04\td\t1\n",
    }
    return {name: {f"{name}.tsv": text.encode()} for name, text in texts.items()}


def _read_map(folder: Path, out: Path) -> None:
    from prunescope.data.tasks.resolving import resolve
    from prunescope.experiment import Data

    column = ":superclass" if (folder / "wide.tsv").exists() else ""
    file = next(folder.glob("*.tsv"), folder / "none.tsv")
    resolve(Data(task=f"map:{file}{column}"), _CLASSES)


def _order_seeds(folder: Path) -> dict[str, Tree]:
    return {"names": {"order.tsv": b"n01\t4\nn02\t3\nn03\t1\nn04\t2\n"}}


def _read_order(folder: Path, out: Path) -> None:
    from prunescope.data.tasks.resolving import resolve
    from prunescope.experiment import Data

    resolve(Data(class_order=str(folder / "order.tsv")), _CLASSES)


TARGETS = (
    Target("task-map", _map_seeds, _read_map),
    Target("class-order", _order_seeds, _read_order),
)
