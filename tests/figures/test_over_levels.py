"""The numbers behind Table 1 and behind the figures of densities, flow, Gabor fits and kurtosis."""

import numpy as np
import polars
import pytest
from PIL import Image

from prunescope.data import prepare
from prunescope.data.tasks.imagenet import categories
from prunescope.errors import InputError
from prunescope.experiment import Data
from prunescope.figures import draw
from prunescope.observables import gabor_fit
from prunescope.runs.writer import open_run
from stored_runs import write_run

pytestmark = pytest.mark.usefixtures("coarse")


def _table(figure, runs, out, **wish):
    return polars.read_csv(draw(figure, runs, out, **wish)[-1])


def test_densities_of_the_layers_over_all(progressive, tmp_path):
    table = _table("densities", [progressive], tmp_path)
    last = table.filter(level=5).sort("layer")
    weights = np.array([48 * 8, 64, 64])
    overall = (0.25 * 384 + 0.5 * 64 + 0.5 * 64) / 512
    assert last["density"].to_list() == pytest.approx([overall] * 3)
    assert last["layer_density_mean"].to_list() == [0.25, 0.5, 0.5]
    assert last["relative_mean"].to_list() == pytest.approx([0.25 / overall, 0.5 / overall, 0.5 / overall])
    # Erdős–Rényi: as 56/384 to 16/64 to 16/64, keeping as many weights in all
    raw = np.array([56 / 384, 0.25, 0.25])
    assert last["erk"].to_list() == pytest.approx(raw * overall * 512 / (raw @ weights))
    assert table.filter(level=0)["relative_mean"].to_list() == [1, 1, 1]
    assert table["density"].to_list() == sorted(table["density"], reverse=True)


def test_flow_is_worked_out_from_the_weights(seeds, tmp_path):
    table = _table("flow", seeds, tmp_path)
    shares, exponents = [], []
    for run in seeds:
        sums = {n: [np.abs(x.weight).sum(dtype=float) for x in run.model(n).layers[:-1]] for n in (4, 5)}
        before, after = (np.array(sums[n]) / sum(sums[n]) for n in (4, 5))
        kept = [sum(mask.kept for mask in run.ticket(n).masks) for n in (4, 5)]
        shares.append(after)
        exponents.append(np.log(after / before) / np.log(kept[0] / kept[1]))
    rows = table.filter(level=5).sort("layer")
    assert rows["share_mean"].to_list() == pytest.approx(np.mean(shares, axis=0))
    assert rows["exponent_mean"].to_list() == pytest.approx(np.mean(exponents, axis=0))
    assert rows["exponent_sd"].to_list() == pytest.approx(np.std(exponents, axis=0, ddof=1))
    assert table.filter(level=0)["exponent_mean"].null_count() == 3
    assert set(table["seeds"]) == {3}


def test_gabor_fits_of_the_same_nodes_at_each_level(seeds, tmp_path):
    with np.load(draw("gabor", seeds[:2], tmp_path, levels=[2, 9], nodes=[3, 8])[-1]) as data:
        assert data["r2"].shape == (2, 2, 2)
        assert data["null_r2"].shape == (2, 2, 2, 2)
        for seed, run in enumerate(seeds[:2]):
            weight = run.model(9).layers[0].weight
            fits = gabor_fit(weight, run.mask(9), run.shape, nodes=[3, 8], shuffles=0)
            assert data["r2"][seed, 1] == pytest.approx(fits.r2)
        assert data["densities"] == pytest.approx([0.49, 0.7**9])
        best, fit = data["example_weights"], data["example_fits"]
        explained = 1 - np.square(best - fit).sum(axis=1) / _about_channel_means(best, 3)
        assert explained == pytest.approx(data["r2"][0, 1])


def _about_channel_means(weights, channels):
    images = weights.reshape(len(weights), channels, -1)
    return np.square(images - images.mean(axis=2, keepdims=True)).sum(axis=(1, 2))


def test_kurtosis_and_cavity_effects(seeds, tmp_path):
    table = _table("kurtosis", seeds, tmp_path)
    row = table.filter(level=5).row(0, named=True)
    assert row["kurtosis_mean"] == pytest.approx(1 - np.mean([run.mask(5).density for run in seeds]))
    assert row["kurtosis_null_mean"] == pytest.approx(0.1)
    contrasts, alike = [], []
    for run in seeds:  # the stored effects are the inputs' numbers over 432
        now, after = run.mask(5).array[:4], run.mask(6).array[:4]
        size = np.abs(run.model(5).layers[0].weight[:4])
        effect = np.broadcast_to(np.arange(432) / 432, now.shape)
        pruned = now & ~after
        contrasts.append(effect[after].mean() - effect[pruned].mean())
        threshold = size[pruned].max()
        near = effect[after & (size < 1.25 * threshold)].mean()
        alike.append(near - effect[pruned & (size > threshold / 1.25)].mean())
    assert row["contrast_mean"] == pytest.approx(np.mean(contrasts), rel=1e-4)
    assert row["contrast_sd"] == pytest.approx(np.std(contrasts, ddof=1), rel=1e-4)
    assert row["contrast_like_size_mean"] == pytest.approx(np.mean(alike), rel=1e-4)
    assert table.filter(level=11)["contrast_mean"].null_count() == 1  # nothing is pruned after the last level


def test_a_run_that_measured_no_kurtosis(tmp_path):
    run = write_run(tmp_path / "runs", levels=2, hidden=(8, 8), shape=(1, 4, 4))
    with open_run(run.experiment, 0, tmp_path / "runs") as writer:
        older = run.table.drop("kurtosis", "kurtosis_null", "kurtosis_null_sd")
        writer.write_table(older.to_dicts(), older.schema)
    with pytest.raises(InputError, match="measured no kurtosis"):
        draw("kurtosis", [run], tmp_path)


def test_table_1(tmp_path):
    table = _table("table1", [], tmp_path)
    assert table["classes"].sum() == table["classes_paper"].sum() == 1000
    assert table["images_paper"].sum() == 1281165
    assert table["difference"].abs().max() <= 3
    assert table["classes"].to_list() == [sum(c.semantic == k for c in categories()) for k in range(10)]


def test_table_1_of_a_runs_own_classes(tmp_path):
    dogs = [category.wnid for category in categories() if category.semantic == 0][:2]
    bird = next(category.wnid for category in categories() if category.semantic == 2)
    for split, count in (("train", 3), ("val", 1)):
        for wnid in (*dogs, bird):
            folder = tmp_path / "images" / split / wnid
            folder.mkdir(parents=True)
            for number in range(count + (wnid == bird and split == "train")):
                Image.new("RGB", (8, 8), (10 * number, 0, 0)).save(folder / f"{number}.png")
    data = Data(source="folder", root=str(tmp_path / "images"), size=8)
    changes = {"data": {"source": "folder", "root": data.root, "size": 8}}
    run = write_run(tmp_path, levels=1, hidden=(4,), shape=(3, 8, 8), name="animals", changes=changes)
    with pytest.raises(InputError, match="does not lie prepared here; leave the run out"):
        draw("table1", [run], tmp_path)
    prepare(data)
    table = _table("table1", [run], tmp_path)
    assert table["classes_run"].to_list() == [2, 0, 1, *[0] * 7]
    assert table["images_run"].to_list() == [6, 0, 4, *[0] * 7]


def test_table_1_of_other_classes(images_file, tmp_path):
    changes = {"data": {"source": "npz", "root": str(images_file)}}
    run = write_run(tmp_path / "runs", levels=1, hidden=(4,), shape=(1, 4, 4), changes=changes)
    prepare(run.experiment.data)
    with pytest.raises(InputError, match="its classes are not known to be ImageNet's"):
        draw("table1", [run], tmp_path)
