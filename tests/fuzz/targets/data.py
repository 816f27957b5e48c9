"""Sources of images: every form is prepared, opened, and drawn from."""

from __future__ import annotations

import gzip
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import tree as trees
from fuzz.targets import Target
from fuzz.tree import Tree

_RNG = np.random.default_rng
_FORMATS = {
    "png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF", "ppm": "PPM", "pgm": "PPM",
}  # fmt: skip


def pixels(count: int = 12, side: int = 8, channels: int = 3) -> np.ndarray:
    """Return random images uint8 [count, side, side, channels]."""
    return _RNG(0).integers(0, 256, (count, side, side, channels), np.uint8)


def labels(count: int = 12, classes: int = 2) -> np.ndarray:
    """Return the labels 0, 1, … of so many images."""
    return np.arange(count) % classes


def encoded(image: np.ndarray, form: str, **options: Any) -> bytes:
    """Return an image as the bytes of a file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, **options)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    """Return arrays as the bytes of a .npz file."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def open_all(folder: Path, out: Path, **fields: Any) -> None:
    """Prepare and open images, and draw a batch of each part."""
    from prunescope.data import open_dataset
    from prunescope.experiment import Data

    chosen = Data(**{"validation": 4, "heldout": 4, "size": 8, "patches": 8} | fields)
    dataset = open_dataset(chosen, 0, cache=out / "cache")
    dataset.draw(0, 0, 0, 4, "epochs")
    for part in (dataset.validation, dataset.heldout):
        if part is not None and len(part.labels):
            np.asarray(part.pixels[:2])


def _npz_seeds(folder: Path) -> dict[str, Tree]:
    x, y = pixels(), labels()
    series = _RNG(1).normal(size=(12, 2, 9))
    return {
        "keras": {"a.npz": npz(x_train=x, y_train=y, x_test=x[:6], y_test=y[:6])},
        "plain": {"a.npz": npz(images=np.repeat(x, 2, axis=0) / 255, labels=np.repeat(y, 2))},
        "text": {"a.npz": npz(X_train=x[..., 0], y_train=np.array(["a", "b"] * 6), X_val=x[..., 0], y_val=["a", "b"] * 6)},
        "onehot": {"a.npz": npz(train_x=x.transpose(0, 3, 1, 2), train_y=np.eye(2)[y], val_x=x[:6].transpose(0, 3, 1, 2),
                                val_y=np.eye(2)[y[:6]])},
        "series": {"series.npz": npz(x_train=series, y_train=y, x_test=series[:6], y_test=y[:6])},
        "tables": {"tables.npz": npz(x_train=series[:, 0], y_train=y, x_test=series[:6, 0], y_test=y[:6])},
    }  # fmt: skip


def _read_npz(folder: Path, out: Path) -> None:
    for name, geometry in (("a", "image"), ("series", "series"), ("tables", "none")):
        if (folder / f"{name}.npz").exists() or (folder / f"{name}.npz").is_symlink():
            open_all(folder, out, source="npz", root=str(folder / f"{name}.npz"), geometry=geometry)
            return
    open_all(folder, out, source="npz", root=str(folder))


def _idx(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


def _idx_seeds(folder: Path) -> dict[str, Tree]:
    x, y = pixels()[..., 0], labels()
    plain: Tree = {
        "train-images-idx3-ubyte": _idx(x),
        "train-labels-idx1-ubyte": _idx(y),
        "t10k-images-idx3-ubyte": _idx(x[:6]),
        "t10k-labels-idx1-ubyte": _idx(y[:6]),
    }
    zipped: Tree = {
        f"{name}.gz": gzip.compress(data, mtime=0) for name, data in plain.items() if isinstance(data, bytes)
    }
    return {"plain": plain, "gz": zipped}


def _folder_seeds(folder: Path) -> dict[str, Tree]:
    found: dict[str, Tree] = {}
    for suffix, form in _FORMATS.items():
        images = pixels(4) if suffix != "pgm" else pixels(4)[..., 0]
        found[suffix] = {
            f"{part}/{'ab'[i % 2]}/{i}.{suffix}": encoded(image, form)
            for part in ("train", "val")
            for i, image in enumerate(images)
        }
    wide = pixels(4)[..., 0].astype(np.uint16) * 257
    clear = np.concatenate([pixels(4), pixels(4)[..., :1]], axis=3)
    found["odd"] = {
        "train/a/0.png": encoded(wide[0], "PNG"),
        "train/a/1.png": encoded(clear[1], "PNG"),
        "train/b/2.tif": encoded(wide[2], "TIFF"),
        "train/b/3.tiff": encoded(pixels(4)[3, ..., 0].astype(np.float32) / 255, "TIFF"),
        "val/a/0.gif": encoded(pixels(4)[0], "GIF"),
        "val/b/1.webp": encoded(pixels(4)[1], "WEBP", lossless=True),
    }
    tiny = {
        f"train/{w}/images/{w}_{i}.JPEG": encoded(pixels(4)[i], "JPEG")
        for w in ("n01", "n02")
        for i in range(2)
    }
    lines = "val_0.JPEG\tn01\t0\t0\t7\t7\nval_1.JPEG\tn02\t0\t0\t7\t7\n"
    val = {f"val/images/val_{i}.JPEG": encoded(pixels(4)[i], "JPEG") for i in range(2)}
    found["tiny-imagenet"] = {
        **tiny,
        **val,
        "val/val_annotations.txt": lines.encode(),
        "wnids.txt": b"n01\nn02\n",
    }
    return found


def _parquet(count: int, column: Any, form: str = "PNG", metadata: bool = True) -> bytes:
    import polars as pl

    rows = [{"bytes": encoded(image, form), "path": f"{i}.png"} for i, image in enumerate(pixels(count))]
    stream = io.BytesIO()
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pl.DataFrame({"image": rows, "label": column, "other": list(range(count))})
    table.write_parquet(stream, metadata={"huggingface": json.dumps(names)} if metadata else None)
    return stream.getvalue()


def _parquet_seeds(folder: Path) -> dict[str, Tree]:
    y = labels().tolist()
    text = [["cat", "dog"][label] for label in y]
    return {
        "two": {"train-0.parquet": _parquet(12, y), "validation-0.parquet": _parquet(6, y[:6])},
        "text": {"train-0.parquet": _parquet(12, text, metadata=False), "test-0.parquet": _parquet(6, text[:6], metadata=False)},
        "one": {"train.parquet": _parquet(12, y, "JPEG"), "val.parquet": _parquet(6, y[:6], "WEBP")},
        "shards": {
            "train-00000-of-00002.parquet": _parquet(12, y),
            "train-00001-of-00002.parquet": _parquet(6, y[:6]),
            "validation-00000-of-00001.parquet": _parquet(6, y[:6]),
        },
    }  # fmt: skip


def _cifar_seeds(folder: Path) -> dict[str, Tree]:
    data = _RNG(2).integers(0, 256, (20, 3072), np.uint8)
    batch = pickle.dumps({"data": data, "labels": (np.arange(20) % 10).tolist()}, protocol=2)
    names = pickle.dumps({"label_names": [f"class {i}" for i in range(10)]}, protocol=2)
    found: Tree = dict.fromkeys((*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"), batch)
    return {"ten": {**found, "batches.meta": names}}


def _official_seeds(folder: Path) -> dict[str, Tree]:
    found: dict[str, Tree] = {"pickles": {}, "arrays": {}}
    for number in range(1, 12):
        name = f"train_data_batch_{number}" if number <= 10 else "val_data"
        content = {"data": _RNG(number).integers(0, 256, (4, 3072), np.uint8), "labels": [1, 2, 3, number]}
        found["pickles"][name] = pickle.dumps(content, protocol=2)
        found["arrays"][f"{name}.npz"] = npz(**content)
    return found


def prepared_seeds(folder: Path) -> dict[str, Tree]:
    from prunescope.data import prepare
    from prunescope.experiment import Data

    (folder / "a.npz").write_bytes(
        npz(x_train=pixels(12, 4), y_train=labels(), x_test=pixels(8, 4)[2:], y_test=labels(6))
    )
    prepare(Data(source="npz", root=str(folder / "a.npz"), validation=4), out=folder / "prepared")
    return {"npz": {f"p/{path}": node for path, node in trees.stored(folder / "prepared").items()}}


def _read_prepared(folder: Path, out: Path) -> None:
    from prunescope.data import info, verify
    from prunescope.errors import InputError

    errors = []
    for reader in (info, verify, lambda root: open_all(folder, out, source="npz", root=str(root))):
        try:
            reader(folder / "p")
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _reader(source: str, **fields: Any):  # type: ignore[no-untyped-def]
    return lambda folder, out: open_all(folder, out, source=source, root=str(folder), **fields)


TARGETS = (
    Target("npz", _npz_seeds, _read_npz),
    Target("idx", _idx_seeds, _reader("idx")),
    Target("folder", _folder_seeds, _reader("folder")),
    Target("parquet", _parquet_seeds, _reader("parquet")),
    Target("cifar10", _cifar_seeds, _reader("cifar10")),
    Target("imagenet32", _official_seeds, _reader("imagenet32", task="modulo:2")),
    Target("prepared", prepared_seeds, _read_prepared),
)
