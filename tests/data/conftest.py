"""Fixtures that write small image sets in the forms in which such sets are published."""

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Writer = Callable[..., Path]


def encode(image: np.ndarray, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, lossless=True)
    return stream.getvalue()


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def images():
    """Twelve random colour images [12, 8, 8, 3] and their labels, four of each of three classes."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 8, 8, 3), np.uint8), np.arange(12) % 3


@pytest.fixture
def planes(images):
    """The same images in the form that readers must return: rows [12, 3·8·8], channel first."""
    return images[0].transpose(0, 3, 1, 2).reshape(12, -1)


@pytest.fixture
def write_parquet(tmp_path) -> Writer:
    def write(images, labels, name, names=None, form="PNG", folder="parquet"):
        import polars as pl

        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"bytes": encode(image, form), "path": f"{i}.png"} for i, image in enumerate(images)]
        table = pl.DataFrame({"image": rows, "label": np.asarray(labels, np.int64)})
        features = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        table.write_parquet(path, metadata={"huggingface": json.dumps(features)} if names else None)
        return tmp_path / folder

    return write


@pytest.fixture
def write_official(tmp_path) -> Writer:
    """Return a writer of ImageNet32/64 files, of .npz files where ``protocol`` is None.

    Every one of the 1000 labels occurs in training.
    """

    def write(size=32, protocol=2, labels=None):
        root = tmp_path / f"official{size}"
        root.mkdir()
        rng = np.random.default_rng(1)
        for number in range(1, 12):
            name = f"train_data_batch_{number}" if number <= 10 else "val_data"
            own = list(range(100 * number - 99, 100 * number + 1)) if number <= 10 else [1, 500, 1000, 7]
            own = own if labels is None or number != 3 else labels
            data = rng.integers(0, 256, (len(own), 3 * size * size), np.uint8)
            content = {"data": data, "labels": own, "mean": data.mean(axis=0)}
            if protocol is None:
                np.savez(root / f"{name}.npz", **content)
            else:
                (root / name).write_bytes(pickle.dumps(content, protocol=protocol))
        return root

    return write


@pytest.fixture
def write_cifar(tmp_path) -> Writer:
    def write(classes=10, byte_keys=False, folder="cifar"):
        root = tmp_path / folder
        root.mkdir(parents=True)
        rng = np.random.default_rng(2)
        key, names_key, train, test, meta = (
            ("labels", "label_names", [f"data_batch_{i}" for i in range(1, 6)], "test_batch", "batches.meta")
            if classes == 10
            else ("fine_labels", "fine_label_names", ["train"], "test", "meta")
        )

        def dump(name, content):
            content = {k.encode(): v for k, v in content.items()} if byte_keys else content
            (root / name).write_bytes(pickle.dumps(content, protocol=2))

        for name in [*train, test]:
            labels = rng.permutation(np.arange(200) % classes).tolist()
            dump(name, {"data": rng.integers(0, 256, (200, 3072), np.uint8), key: labels})
        dump(meta, {names_key: [f"class {i}" for i in range(classes)]})
        return root

    return write


@pytest.fixture
def write_folder(tmp_path) -> Writer:
    def write(images, labels, split="", folder="folder", mode="RGB"):
        for i, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = tmp_path / folder / split / f"class {label}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).convert(mode).save(place / f"{i:03}.png")
        return tmp_path / folder

    return write


@pytest.fixture
def small_npz(tmp_path, images) -> Path:
    """A .npz in Keras' form: the twelve images for training, the first six again for validation."""
    path = tmp_path / "small.npz"
    np.savez(path, x_train=images[0], y_train=images[1], x_test=images[0][:6], y_test=images[1][:6])
    return path
