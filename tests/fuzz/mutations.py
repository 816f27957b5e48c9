"""Changes of an input: of its bytes, of values in JSON and lines of text, of arrays, columns, entries and files.

A change is a dict that JSON can hold, so that a find is kept as the list of its changes. ``propose`` draws one that
suits a part of the input; ``applied`` makes it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np

from fuzz import columns, containers, values
from fuzz.containers import AGAIN
from fuzz.tree import KINDS, Special, Tree

Change = dict[str, Any]
_MOST = 48  # bytes that a change puts in


def mutated(
    rng: Random, tree: Tree, others: Sequence[Tree], kept: tuple[str, ...]
) -> tuple[Tree, list[Change]]:
    """Return a tree after one to four changes that were drawn, and the changes.

    ``others``: trees from which content may come. ``kept``: beginnings of paths that no change touches.
    """
    changes: list[Change] = []
    wanted = rng.choice((1, 1, 1, 2, 2, 3, 4))
    for _ in range(4 * wanted):
        if not any(_may_change(path, kept) for path in tree):
            break
        change = propose(rng, tree, others, kept)
        try:
            tree = applied(tree, change)
        except Exception:  # It does not fit what earlier changes have left.
            continue
        changes.append(change)
        if len(changes) == wanted:
            break
    if rng.random() < 0.8:
        changes.append({"do": "checksums"})
        tree = applied(tree, changes[-1])
    return tree, changes


def applied(tree: Tree, change: Change) -> Tree:
    """Return a tree after a change; raises an exception where the change does not fit the tree."""
    if change["do"] == "checksums":
        return with_checksums(tree)

    def edit(parts: Tree, name: str) -> None:
        _EDITS[change["do"]](parts, name, change)

    return containers.edited(tree, change["at"], edit)


def propose(rng: Random, tree: Tree, others: Sequence[Tree], kept: tuple[str, ...]) -> Change:
    """Return a change drawn for some part of a tree."""
    paths = [path for path in tree if _may_change(path, kept)]
    name = rng.choice(list(dict.fromkeys(path.rpartition("/")[2] for path in paths)))
    path = rng.choice(
        [path for path in paths if path.rpartition("/")[2] == name]
    )  # all names alike, however many files
    if rng.random() < 0.08:
        return _of_files(rng, path, paths)
    address, data = path, tree[path]
    name = path
    while isinstance(data, bytes) and rng.random() < 0.8:
        parts = containers.taken_apart(name, data)
        if not parts:
            break
        if rng.random() < 0.15:
            return _of_parts(rng, address, list(parts))
        name = rng.choice(list(parts))
        address, data = f"{address}!{name}", parts[name]
    if isinstance(data, Special):
        return {"do": "fill", "at": address, "block": "00", "times": 1}
    return _of_content(rng, address, data, others)


def _may_change(path: str, kept: tuple[str, ...]) -> bool:
    return not kept or not path.startswith(kept)


def _of_files(rng: Random, path: str, paths: list[str]) -> Change:
    choice = rng.randrange(4)
    if choice == 0:
        return {"do": "drop", "at": path}
    if choice == 1:
        return {"do": "special", "at": path, "kind": rng.choice(KINDS)}
    if choice == 2:
        return {"do": "copy", "at": path, "from": rng.choice(paths)}
    place = path.rpartition("/")[0]
    text = rng.choice([text for text in values.TEXTS if "\0" not in text and "\ud800" not in text])
    return {"do": "rename", "at": path, "to": f"{place}/{text}".strip("/") or "x"}


def _of_parts(rng: Random, address: str, names: list[str]) -> Change:
    at = f"{address}!{rng.choice(names)}"
    choice = rng.randrange(4)
    if choice == 0:
        return {"do": "drop", "at": at}
    if choice == 1:
        return {"do": "copy", "at": at, "from": rng.choice(names)}
    if choice == 2:
        return {"do": "copy", "at": f"{at}{AGAIN}", "from": rng.choice(names)}
    return {"do": "rename", "at": at, "to": rng.choice(("x", "x_train.npy", "../x", "labels.npy", "00 IEND"))}


def _of_content(rng: Random, address: str, data: bytes, others: Sequence[Tree]) -> Change:
    if data.startswith(b"PAR1") and rng.random() < 0.7:
        return {"do": "column", "at": address} | columns.drawn(rng, data)
    if address.endswith(".npy") and rng.random() < 0.4:
        small = [shape for shape in values.SHAPES if 0 <= np.prod(shape, dtype=float) < 20_000]
        dtypes = [dtype for dtype in values.DTYPES if dtype not in ("|O", "|V4")]
        shape, dtype = (
            rng.choice([shape for shape in small if min(shape, default=0) >= 0]),
            rng.choice(dtypes),
        )
        return {"do": "array", "at": address, "shape": list(shape), "dtype": dtype, "fill": rng.randrange(8)}
    if address.endswith(".npy!header") and rng.random() < 0.8:
        shape, dtype = rng.choice(values.SHAPES), rng.choice(values.DTYPES)
        return {
            "do": "header",
            "at": address,
            "shape": list(shape),
            "dtype": dtype,
            "which": rng.randrange(4),
        }
    if rng.random() < 0.75 and (change := _of_json(rng, address, data)):
        return change
    if rng.random() < 0.7 and _is_text(data):
        return _of_lines(rng, address, data)
    return _of_bytes(rng, address, data, others)


def _of_json(rng: Random, address: str, data: bytes) -> Change | None:
    if data[:1] not in (b"{", b"["):
        return None
    number = 0
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        lines = data.splitlines()
        number = rng.randrange(len(lines)) + 1
        try:
            whole = json.loads(lines[number - 1])
        except (ValueError, RecursionError):
            return None
    place = _place(rng, whole)
    change: Change = {"do": "json", "at": address, "line": number, "place": place}
    if place and rng.random() < 0.15:
        return change | {"do": "json-drop"}
    if place and rng.random() < 0.1:
        return change | {"do": "json-twice", "value": rng.choice(values.VALUES)}
    old = _at(whole, place)
    if isinstance(old, int | float) and not isinstance(old, bool) and rng.random() < 0.5:
        # An integer that no float holds could not be turned into one here either.
        near = (10 * old, 1.0 * old, str(old)) if abs(old) < 1e300 else (old, old, old)
        return change | {"value": rng.choice((old + 1, old - 1, -old, *near, [old], 2**40))}
    return change | {"value": rng.choice(values.VALUES)}


def _place(rng: Random, value: Any) -> list[Any]:
    place: list[Any] = []
    while isinstance(value, dict | list) and value and (not place or rng.random() < 0.75):
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        place.append(key)
        value = value[key]
    return place


def _at(value: Any, place: list[Any]) -> Any:
    for key in place:
        value = value[key]
    return value


def _of_lines(rng: Random, address: str, data: bytes) -> Change:
    lines = data.decode("utf-8").split("\n")
    number = rng.randrange(len(lines))
    line, separator = lines[number], next((s for s in ("=", "\t", ",") if s in lines[number]), "=")
    name, _, _ = line.partition(separator)
    literal = rng.choice(values.LITERALS)
    texts: list[list[str]] = [
        [],
        [line, line],
        [f"{name}{separator} {literal}"],
        [f"{name}{separator} {json.dumps(rng.choice(values.TEXTS))}"],
        [f"{rng.choice(values.TEXTS)}{separator}{literal}"],
        [line, rng.choice(lines)],
        [line + literal],
    ]
    weights = (1, 1, 6, 3, 1, 1, 1)
    put = rng.choices(texts, weights)[0]
    return {"do": "lines", "at": address, "line": number, "put": put}


def _of_bytes(rng: Random, address: str, data: bytes, others: Sequence[Tree]) -> Change:
    place = rng.randrange(len(data) + 1)
    if rng.random() < 0.4:  # Headers decide more than what follows them.
        place = min(place, rng.randrange(64))
    choice = rng.randrange(8)
    change: Change = {"do": "bytes", "at": address, "place": place, "cut": 0, "put": ""}
    if choice == 0:
        old = data[place : place + 1] or b"\0"
        return change | {"cut": 1, "put": bytes([old[0] ^ 1 << rng.randrange(8)]).hex()}
    if choice == 1:
        return change | {"cut": len(data) - place}
    if choice == 2:
        return change | {"cut": rng.choice((1, 2, 4, 8, 64))}
    if choice == 3:
        width = rng.choice((1, 2, 4, 8))
        number = rng.choice(
            (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
        )
        order = rng.choice(("little", "big"))
        put = (number % 2 ** (8 * width)).to_bytes(width, order)
        return change | {"cut": width, "put": put.hex()}
    if choice == 4:
        length = rng.randrange(1, _MOST)
        start = rng.randrange(len(data) + 1)
        return change | {"cut": rng.choice((0, length)), "put": data[start : start + length].hex()}
    if choice == 5:
        contents = [node for tree in others for node in tree.values() if isinstance(node, bytes) and node]
        other = rng.choice(contents) if contents else data
        start = rng.randrange(len(other) + 1)
        return change | {"put": other[start : start + rng.randrange(1, _MOST)].hex()}
    if choice == 6:
        return {"do": "repeat", "at": address, "place": place, "length": rng.randrange(1, 64), "times": 40}
    block, times = rng.choice(values.FILLS)
    return {"do": "fill", "at": address, "block": block.hex(), "times": times}


def with_checksums(tree: Tree) -> Tree:
    """Return a tree in which manifests state the checksums of the files as they are.

    It is done for ``run.json``, of the table beside it, and for ``manifest.json``, of the arrays beside it.
    """
    tree = dict(tree)
    for path, node in list(tree.items()):
        folder, _, name = path.rpartition("/")
        if name not in ("run.json", "manifest.json") or not isinstance(node, bytes):
            continue
        try:
            content = json.loads(node)
            if name == "run.json":
                table = tree[f"{folder}/levels.parquet"]
                content["tables"] = [_sum(table)]
            else:
                for key, entry in content["arrays"].items():
                    file = tree[f"{folder}/{entry.get('file', f'{key}.npy')}".lstrip("/")]
                    entry["sha256"] = _sum(file)
            tree[path] = json.dumps(content).encode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return tree


def _sum(node: bytes | Special) -> str:
    return hashlib.sha256(node if isinstance(node, bytes) else b"").hexdigest()


def _is_text(data: bytes) -> bool:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return "\0" not in text and bool(text)


def _bytes_of(parts: Tree, name: str) -> bytes:
    data = parts[name]
    if isinstance(data, Special):
        raise KeyError(name)
    return data


def _put_bytes(parts: Tree, name: str, change: Change) -> None:
    data, place = _bytes_of(parts, name), change["place"]
    parts[name] = data[:place] + bytes.fromhex(change["put"]) + data[place + change["cut"] :]


def _repeat(parts: Tree, name: str, change: Change) -> None:
    data, place = _bytes_of(parts, name), change["place"]
    end = place + change["length"]
    parts[name] = data[:place] + data[place:end] * change["times"] + data[end:]


def _fill(parts: Tree, name: str, change: Change) -> None:
    parts[name] = bytes.fromhex(change["block"]) * change["times"]


def _drop(parts: Tree, name: str, change: Change) -> None:
    del parts[name]


def _special(parts: Tree, name: str, change: Change) -> None:
    parts[name] = Special(change["kind"])


def _copy(parts: Tree, name: str, change: Change) -> None:
    parts[name] = parts[change["from"]]


def _rename(parts: Tree, name: str, change: Change) -> None:
    renamed = {change["to"] if key == name else key: node for key, node in parts.items()}
    parts.clear()
    parts.update(renamed)


def _json(parts: Tree, name: str, change: Change) -> None:
    data = _bytes_of(parts, name)
    lines = data.splitlines() if change["line"] else [data]
    index = max(change["line"] - 1, 0)
    whole = json.loads(lines[index])
    place, do = change["place"], change["do"]
    if do == "json-drop":
        del _at(whole, place[:-1])[place[-1]]
        text = json.dumps(whole)
    elif do == "json-twice":
        marker = "a key that is there twice"
        inside = _at(whole, place[:-1])
        if not isinstance(inside, dict):
            raise TypeError("only a dict has keys")
        inside[marker] = change["value"]
        text = json.dumps(whole).replace(json.dumps(marker), json.dumps(place[-1]))
    elif place:
        _at(whole, place[:-1])[place[-1]] = change["value"]
        text = json.dumps(whole)
    else:
        text = json.dumps(change["value"])
    lines[index] = text.encode()
    parts[name] = b"\n".join(lines) + (b"\n" if change["line"] else b"")


def _lines(parts: Tree, name: str, change: Change) -> None:
    lines = _bytes_of(parts, name).decode("utf-8").split("\n")
    lines[change["line"] : change["line"] + 1] = change["put"]
    parts[name] = "\n".join(lines).encode("utf-8", "surrogatepass")


def _array(parts: Tree, name: str, change: Change) -> None:
    count = int(np.prod(change["shape"]))
    given = [
        np.arange(count) % 3,
        np.zeros(count),
        np.ones(count),
        np.full(count, 255),
        np.arange(count) % 2 - 1,
    ]
    fill = change["fill"]
    odd = np.full(count, (np.nan, np.inf, 1e308)[fill - 5]) if fill >= 5 else given[fill]
    stream = io.BytesIO()
    with np.errstate(all="ignore"):
        np.save(stream, odd.astype(change["dtype"]).reshape(change["shape"]), allow_pickle=False)
    parts[name] = stream.getvalue()


def _header(parts: Tree, name: str, change: Change) -> None:
    old = np.lib.format.read_array_header_1_0(io.BytesIO(_with_length(_bytes_of(parts, name))))
    shape, fortran, dtype = old[0], old[1], old[2].str
    which = change["which"]
    shape = tuple(change["shape"]) if which in (0, 2) else shape
    dtype = change["dtype"] if which in (1, 2) else dtype
    fortran = not fortran if which == 3 else fortran
    text = f"{{'descr': {dtype!r}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    parts[name] = text.encode().ljust(117) + b"\n"


def _with_length(header: bytes) -> bytes:
    return len(header).to_bytes(2, "little") + header


def _column(parts: Tree, name: str, change: Change) -> None:
    parts[name] = columns.changed(_bytes_of(parts, name), change)


_EDITS: dict[str, Callable[[Tree, str, Change], None]] = {
    "bytes": _put_bytes,
    "repeat": _repeat,
    "fill": _fill,
    "drop": _drop,
    "special": _special,
    "copy": _copy,
    "rename": _rename,
    "json": _json,
    "json-drop": _json,
    "json-twice": _json,
    "lines": _lines,
    "array": _array,
    "header": _header,
    "column": _column,
}
