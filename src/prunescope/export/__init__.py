"""Write the network of a level into a file that other programs read. Cheap to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from prunescope.errors import InputError, did_you_mean
from prunescope.export.export_form import ExportForm

if TYPE_CHECKING:
    from prunescope.export.exported import Exported
    from prunescope.runs.directory import Run

# The ending of the files of each format.
ENDINGS = {"pt": ".pt", "safetensors": ".safetensors", "onnx": ".onnx", "npz": ".npz", "csr": ".csr.npz"}
WITHOUT_MASKS = ("onnx", "csr")  # formats that have no place for a mask beside the weights
OWN_FILES = ("experiment.toml", "run.json", "levels.parquet", "metrics.jsonl", ".lock")
OWN_ARRAYS = ("inputs", "rewind", "checkpoint", "masks", "weights", "observations")


def export(
    run: Run, level: int, to: str, out: Path | None = None, form: ExportForm | None = None
) -> tuple[Path, str]:
    """Write the network at the end of a level; return the file's path, and in words what it takes and returns.

    ``to``: pt, safetensors, onnx, npz or csr. ``out``: the file, by default one in the run directory, which replaces
    what was there. Raises InputError for a level, format or form that does not exist, where a package is missing, for
    what the format cannot hold, and for a file that cannot be written or that is one of the run's own.
    """
    form = form or ExportForm()
    if to not in ENDINGS:
        hint = did_you_mean(to, ENDINGS, f"use {', '.join(list(ENDINGS)[:-1])} or {list(ENDINGS)[-1]}")
        raise InputError(f"no format {to!r} to export to: {hint}")
    if to in WITHOUT_MASKS and form.masks == "prune":
        raise InputError(
            f"masks=prune: files of {to} hold weights alone, with the masks baked in; use pt, safetensors or npz"
        )
    from prunescope.export.exported import exported
    from prunescope.files import advising, check_file, write_bytes

    path = Path(out) if out is not None else run.path / f"level-{level:03d}{ENDINGS[to]}"
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file name, such as {path / f'network{ENDINGS[to]}'}")
    if _is_own(run, path):
        raise InputError(f"{path}: is a file of a run directory; give another name")
    writer = _writer(to)
    check_file(path, "--out")  # before the file is made, which takes its time
    network = exported(run, level, form)
    with advising(path, "--out"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, writer(network))
    return path, network.sentence


def _writer(to: str) -> Callable[[Exported], bytes]:
    """Return what makes the bytes of a file; raise InputError where the package that it needs is missing."""
    if to == "onnx":
        from prunescope.export.onnx_file import onnx_bytes, onnx_package

        onnx_package()
        return onnx_bytes
    from prunescope.export import array_files

    return {
        "pt": array_files.pt_bytes,
        "safetensors": array_files.safetensors_bytes,
        "npz": array_files.npz_bytes,
        "csr": array_files.csr_bytes,
    }[to]


def _is_own(run: Run, path: Path) -> bool:
    """Return whether a path is where a file of the run directory, or of another one, is or will be."""
    file, own = path.resolve(), run.path.resolve()  # A link is followed where the file is written, too.
    names = {*OWN_FILES, *(f"{name}.safetensors" for name in OWN_ARRAYS)}
    places = (file.parent, file.parent.parent)
    return file.name in names and (own in places or any((place / "run.json").is_file() for place in places))
