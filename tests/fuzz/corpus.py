"""What was found is kept as recipes: a target, the name of one of its valid inputs, and the changes to it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fuzz.checks import Outcome
from fuzz.processes import Recipe, Worker

FOLDER = Path(__file__).parent / "corpus"
MOST = 4096  # bytes of a recipe


def entries(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return the recipes in a folder, each with its file's name."""
    return [
        json.loads(path.read_text("utf-8")) | {"name": path.stem} for path in sorted(folder.glob("*.json"))
    ]


def key(target: str, outcome: Outcome) -> str:
    """Return what makes a find another than those before: target, kind of fault, and place in the code."""
    kind = re.sub(r"\d+", "N", outcome.kind)
    return f"{target}: {kind} in {outcome.frame}"


def smaller(worker: Worker, target: str, recipe: Recipe, outcome: Outcome) -> Recipe:
    """Return the recipe with as few of its changes as lead to the same find."""
    wanted = key(target, outcome)
    changes = list(recipe["changes"])
    for change in list(changes):
        fewer = {"seed": recipe["seed"], "changes": [other for other in changes if other is not change]}
        found = [seen for _, seen in worker.read({"target": target, "recipe": fewer})]
        if found and found[-1].is_fault and key(target, found[-1]) == wanted:
            changes = fewer["changes"]
    return {"seed": recipe["seed"], "changes": changes}


def store(target: str, recipe: Recipe, outcome: Outcome, folder: Path = FOLDER) -> Path | None:
    """Write a find as a recipe and return its path; None where it is too large, or kept already."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{outcome.kind} {outcome.frame.removesuffix('.py')}".lower()).strip(
        "-"
    )
    path = folder / f"{target}--{slug[:80]}.json"
    content = {"target": target, "recipe": recipe, "found": f"{outcome.kind} in {outcome.frame}"}
    text = json.dumps(content, indent=1)
    if path.exists() or len(text) > MOST:
        return None
    folder.mkdir(exist_ok=True)
    path.write_text(text + "\n", "utf-8")
    return path
