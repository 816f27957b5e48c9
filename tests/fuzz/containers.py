"""Files that hold parts, taken apart and put together with their checksums made right again.

So a change reaches the checks behind the checksum. An address names a part: ``images.npz!x_train.npy!header``.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import pickletools
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

from fuzz.tree import Special, Tree

Parts = dict[str, bytes]
AGAIN = "~again"  # ends the name of a zip's entry that is there twice
_MAGIC = b"\x93NUMPY"
_PNG = b"\x89PNG\r\n\x1a\n"
_NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def kind_of(name: str, data: bytes) -> str | None:
    """Return what a file is that has parts, by its first bytes; None for one without."""
    starts = {b"PK\3\4": "zip", b"\x1f\x8b": "gzip", _MAGIC: "npy", _PNG: "png"}
    for magic, kind in starts.items():
        if data.startswith(magic):
            return kind
    if name.endswith(".safetensors") and len(data) > 8:
        return "safetensors"
    return "pickle" if data[:1] == b"\x80" and data[-1:] == b"." else None


def taken_apart(name: str, data: bytes) -> Parts | None:
    """Return the parts of a file by name, or None where it has none or is too damaged."""
    kind = kind_of(name, data)
    try:
        return _READ[kind](data) if kind else None
    except Exception:  # A file that is damaged already is changed as bytes.
        return None


def put_together(name: str, data: bytes, parts: Parts) -> bytes:
    """Return the file ``data`` with other parts, its lengths and checksums right."""
    return _WRITE[kind_of(name, data) or ""](parts)


def edited(tree: Tree, address: str, edit: Callable[[Tree, str], None]) -> Tree:
    """Return a tree after ``edit`` has changed the mapping that holds the part at ``address``, given its last name."""
    first, _, rest = address.partition("!")
    tree = dict(tree)
    if not rest:
        edit(tree, first)
        return tree
    data = tree[first]
    if isinstance(data, Special):
        raise KeyError(address)
    parts = taken_apart(first, data)
    if parts is None:
        raise KeyError(address)
    inner = edited(dict(parts), rest, edit)
    whole = {name: part for name, part in inner.items() if isinstance(part, bytes)}
    tree[first] = put_together(first, data, whole)
    return tree


def _zip_parts(data: bytes) -> Parts:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {entry.filename: file.read(entry) for entry in file.infolist()}


def _zip(parts: Parts) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name is there twice
        for name, data in parts.items():
            file.writestr(zipfile.ZipInfo(name.removesuffix(AGAIN)), data)
    return stream.getvalue()


def _npy_parts(data: bytes) -> Parts:
    wide = data[6] >= 2
    (length,) = struct.unpack("<I" if wide else "<H", data[8 : 12 if wide else 10])
    start = 12 if wide else 10
    return {"version": data[6:8], "header": data[start : start + length], "data": data[start + length :]}


def _npy(parts: Parts) -> bytes:
    version, header = (parts.get("version", b"") + b"\1\0")[:2], parts.get("header", b"")
    length = struct.pack("<I", len(header)) if version[0] >= 2 else struct.pack("<H", len(header) % 65536)
    return _MAGIC + version + length + header + parts.get("data", b"")


def _png_parts(data: bytes) -> Parts:
    parts: Parts = {}
    at = len(_PNG)
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        parts[f"{len(parts):02} {name.decode('latin1')}"] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return parts


def _png(parts: Parts) -> bytes:
    chunks = []
    for name, data in parts.items():
        kind = name.removesuffix(AGAIN)[-4:].encode("latin1", "replace")
        chunks.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return _PNG + b"".join(chunks)


def _safetensors_parts(data: bytes) -> Parts:
    (length,) = struct.unpack("<Q", data[:8])
    json.loads(data[8 : 8 + length])
    return {"header.json": data[8 : 8 + length], "data": data[8 + length :]}


def _safetensors(parts: Parts) -> bytes:
    header, data = parts.get("header.json", b"{}"), parts.get("data", b"")
    # What is no header has no digest to make right.
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        header = _with_digest(header, data)
    return struct.pack("<Q", len(header)) + header + data


def _with_digest(header: bytes, data: bytes) -> bytes:
    """Return the header with the SHA-256 that prunescope.runs.arrays expects of these arrays and notes."""
    entries = json.loads(header)
    notes = entries["__metadata__"]
    if "sha256" not in notes:
        return header
    del notes["sha256"]
    digest = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name in sorted(entries.keys() - {"__metadata__"}):
        entry = entries[name]
        low, high = entry["data_offsets"]
        digest.update(f"{name}:{_NAMES[entry['dtype']]}:{tuple(entry['shape'])};".encode())
        digest.update(data[low:high])
    notes["sha256"] = digest.hexdigest()
    return json.dumps(entries).encode()


def _pickle_parts(data: bytes) -> Parts:
    """Return the operations of a pickle, none of which is executed."""
    places = [place for _, _, place in pickletools.genops(data) if place is not None]
    ends = [*places[1:], len(data)]
    return {
        f"{number:03}": data[start:end] for number, (start, end) in enumerate(zip(places, ends, strict=True))
    }


def _joined(parts: Parts) -> bytes:
    return b"".join(parts.values())


_READ: dict[str, Callable[[bytes], Parts]] = {
    "zip": _zip_parts,
    "gzip": lambda data: {"content": gzip.decompress(data)},
    "npy": _npy_parts,
    "png": _png_parts,
    "safetensors": _safetensors_parts,
    "pickle": _pickle_parts,
}
_WRITE: dict[str, Callable[[Parts], bytes]] = {
    "zip": _zip,
    "gzip": lambda parts: gzip.compress(_joined(parts), mtime=0),
    "npy": _npy,
    "png": _png,
    "safetensors": _safetensors,
    "pickle": _joined,
}
