"""The process that reads inputs: `python -m fuzz.worker SCRATCH` takes requests as lines of JSON and answers each.

It may crash or hang on any input; whoever started it knows from the last line which one that was.
"""

from __future__ import annotations

import faulthandler
import functools
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any, TextIO

from fuzz import checks
from fuzz.mutations import Change, applied, mutated
from fuzz.targets import Target, all_targets
from fuzz.tree import Tree

GIVE_UP = 60.0  # seconds after which the process ends itself, when compiled code does not heed the alarm


def main(scratch: Path) -> None:
    """Answer requests until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    errors = (scratch / "stderr").open("w")
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(errors.fileno(), 2)
    faulthandler.enable(errors)
    os.fsync = _silent  # What is written here need not outlive the machine.
    tempfile.tempdir = str(scratch / "temporary")
    Path(tempfile.tempdir).mkdir(exist_ok=True)
    os.environ["PRUNESCOPE_CACHE"] = str(scratch / "out" / "cache")
    for line in sys.stdin:
        request = json.loads(line)
        for answer in answered(request, scratch, errors):
            print(json.dumps(answer), file=answers, flush=True)


def _silent(fd: Any) -> None:
    pass


def answered(request: dict[str, Any], scratch: Path, errors: TextIO) -> Any:
    """Yield the answers to a request: what begins, its outcome, and at last that all is done.

    A request names a target and either ``first``, ``seed`` and the ``seconds`` for as many inputs as they allow (or
    ``count``), or a ``recipe``: the name of a seed and changes.
    """
    target = all_targets()[request["target"]]
    if "recipe" in request:
        recipe = request["recipe"]
        yield {"begin": recipe}
        yield {"end": asdict(_read(target, of_recipe(target, recipe), scratch, errors))}
    else:
        began, index = time.monotonic(), request["first"]
        while time.monotonic() - began < request["seconds"] and index < request["first"] + request["count"]:
            tree, recipe = input_of(target, request["seed"], index)
            yield {"begin": recipe, "index": index}
            yield {"end": asdict(_read(target, tree, scratch, errors))}
            index += 1
    yield {"done": True}


@functools.cache
def seeds(name: str) -> dict[str, Tree]:
    """Return the valid inputs of a target by name."""
    with tempfile.TemporaryDirectory() as folder:
        return all_targets()[name].seeds(Path(folder))


def input_of(target: Target, seed: int, index: int) -> tuple[Tree, dict[str, Any]]:
    """Return input number ``index`` and its recipe. The first are the valid inputs; the others follow from ``seed``."""
    own = seeds(target.name)
    names = list(own)
    if index < len(names):
        return own[names[index]], {"seed": names[index], "changes": []}
    rng = Random(f"{seed}/{target.name}/{index}")
    name = rng.choice(names)
    tree, changes = mutated(rng, own[name], list(own.values()), target.kept)
    return tree, {"seed": name, "changes": changes}


def of_recipe(target: Target, recipe: dict[str, Any]) -> Tree:
    """Return the input of a recipe; changes that do not fit the seed, as one that is made otherwise now, are left out."""
    tree = seeds(target.name)[recipe["seed"]]
    changes: list[Change] = recipe["changes"]
    for change in changes:
        try:
            tree = applied(tree, change)
        except Exception:
            continue
    return tree


def _read(target: Target, tree: Tree, scratch: Path, errors: TextIO) -> checks.Outcome:
    errors.seek(0)
    errors.truncate()
    faulthandler.dump_traceback_later(GIVE_UP, exit=True, file=errors)
    try:
        return checks.read(target, tree, scratch)
    finally:
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
