"""These tests read, standardise and draw series and tables, and run an experiment on each."""

import numpy as np
import pytest

from prunescope.data import open_dataset, verify
from prunescope.data.prepared.preparation import prepare
from prunescope.data.prepared.reading import open_prepared
from prunescope.errors import InputError
from prunescope.experiment import Data, build
from prunescope.figures import draw
from prunescope.pruning.running import run
from prunescope.report import write_report
from prunescope.runs.directory import Run


@pytest.fixture
def write(tmp_path):
    def write(values, labels=None, name="s.npz", held=None):
        labels = np.arange(len(values)) % 2 if labels is None else labels
        held = values[:6] if held is None else held
        np.savez(tmp_path / name, x_train=values, y_train=labels, x_test=held, y_test=labels[: len(held)])
        return str(tmp_path / name)

    return write


def opened(root, geometry="series", **fields):
    return open_dataset(Data(source="npz", root=root, geometry=geometry, **fields), 0)


@pytest.fixture
def values():
    rng = np.random.default_rng(0)
    return rng.normal(5, 3, (40, 2, 9)) * np.linspace(0.5, 2, 9) + np.arange(9)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_numbers_are_standardised_by_one_scale(write, values, dtype):
    given = (10 * values).astype(dtype)
    dataset = opened(write(given))
    batch = dataset.draw(0, 0, 0, 50)
    assert dataset.shape == (2, 1, 9)
    assert dataset.geometry == "series"
    assert batch.pixels.dtype == np.float32
    np.testing.assert_array_equal(batch.indices, np.arange(50))
    centred = given.reshape(40, 18) - given.reshape(40, 18).mean(axis=0, dtype=np.float64)
    expected = centred / np.sqrt((centred**2).mean())
    np.testing.assert_allclose(dataset.validation.pixels, expected[:6], rtol=1e-4, atol=1e-5)
    found = {row.tobytes() for row in batch.pixels}
    assert found <= {np.ascontiguousarray(row).tobytes() for row in dataset.sampler.pixels}
    assert not dataset.mean.any()
    assert dataset.live_pixels.all()


def test_arrays_whose_channels_may_come_last_get_a_note(write, values):
    last = values.transpose(0, 2, 1)
    dataset = opened(write(last, held=last[:6] + 1), validation=3)
    assert dataset.shape == (9, 1, 2)
    assert dataset.notes == (
        "x_train is read as 9 channels of 2 samples, [N, C, L]: if its channels come last, exchange the last two axes",
    )
    assert opened(write(values, name="right.npz", held=values[:6] + 1), validation=3).notes == ()


def test_bytes_stay_pixels(write):
    given = np.random.default_rng(0).integers(0, 256, (20, 7), np.uint8)
    dataset = opened(write(given))
    assert dataset.shape == (1, 1, 7)
    np.testing.assert_array_equal(dataset.draw(0, 0, 0, 4).pixels, given)
    np.testing.assert_allclose(dataset.mean, given.mean(axis=0), rtol=1e-6)


def test_a_feature_that_never_varies_is_dead(write, values):
    values[:, 1, 4] = 0.1
    assert np.flatnonzero(~opened(write(values)).live_pixels).tolist() == [13]


def test_series_are_rolled_and_mirrored_along_their_length(write, values):
    plain = opened(write(values))
    rows = np.asarray(plain.sampler.pixels).reshape(40, 2, 9)
    batch = opened(write(values), translate=True, flip=True).draw(0, 0, 0, 60)
    source = plain.sampler.labels, plain.draw(0, 0, 0, 60)
    np.testing.assert_array_equal(batch.labels, source[1].labels)
    every = {
        np.roll(turned, shift, axis=1).tobytes()
        for row in rows
        for turned in (row, row[:, ::-1])
        for shift in range(9)
    }
    assert {row.reshape(2, 9).tobytes() for row in batch.pixels} <= every
    still = {row.tobytes() for row in rows}
    assert sum(row.tobytes() in still for row in batch.pixels) < 20


def test_prepared_floats_are_verified_and_keep_their_geometry(write, values):
    root = write(values)
    folder = prepare(Data(source="npz", root=root, geometry="series"))
    assert verify(folder) == []
    assert open_prepared(folder).images("train").dtype == np.float32
    with pytest.raises(InputError, match=r"prepared with data\.geometry=series, not image"):
        prepare(Data(source="npz", root=str(folder)))


@pytest.mark.parametrize(
    ("shape", "geometry", "message"),
    [
        ((20, 3, 4, 5), "series", r"expects \[N, L\] or \[N, C, L\]"),
        ((20, 3, 4), "none", r"has shape \[20, 3, 4\], data.geometry=none expects \[N, n\]"),
        ((20,), "series", "expects"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(write, shape, geometry, message):
    with pytest.raises(InputError, match=message) as caught:
        opened(write(np.random.default_rng(0).normal(size=shape)), geometry)
    assert "\n" not in str(caught.value)


def test_values_that_cannot_be_are_refused(write, values):
    with pytest.raises(InputError, match=r"x_test is float64 \[6, 2, 8\], but .*x_train is float64"):
        opened(write(values, held=values[:6, :, :8]))
    with pytest.raises(InputError, match=r"x_train never varies"):
        opened(write(np.ones((20, 5))))
    with pytest.raises(InputError, match=r"expected real numbers"):
        opened(write(values.astype(complex)))
    with pytest.raises(
        InputError, match=r"x_train has values that are too large to be squared: rescale them"
    ):
        opened(write(values * 1e300))
    with pytest.raises(InputError, match=r"x_test has values beyond float32 once standardised: rescale them"):
        opened(write(values, held=values[:6] * 1e40))
    held = values[:6].copy()
    held[2, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"x_test\[2\] has NaN or infinite values"):
        opened(write(values, held=held))
    values[7, 0, 3] = np.inf
    with pytest.raises(InputError, match=r"x_train\[7\] has NaN or infinite values"):
        opened(write(values))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"geometry": "series", "rotate": 20.0}, r"data.rotate means nothing to data.geometry=series"),
        ({"geometry": "none", "flip": True}, r"data.flip means nothing to data.geometry=none"),
        ({"geometry": "series", "source": "cifar10"}, r"data.geometry=series is for data.source=npz"),
    ],
)
def test_options_that_mean_nothing_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        build({"name": "x", "data": {"source": "npz", **fields}})


def waves(count, seed):
    """Return series of which half are white noise and half are smooth, which neighbours distinguish."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, 24))
    noise[1::2] = (noise + np.roll(noise, 1, 1) + np.roll(noise, 2, 1))[1::2] / np.sqrt(3)
    return noise.astype(np.float32)


@pytest.fixture
def finished(write, tmp_path):
    def finished(geometry, engine):
        root = write(waves(600, 0), held=waves(200, 1))
        fields = {
            "name": "waves",
            "data": {"source": "npz", "root": root, "geometry": geometry, "validation": 150},
            "network": {"hidden": [16, 8]},
            "train": {"steps": 60, "batch": 50, "eval_every": 20},
            "prune": {"levels": 1, "rate": 0.5, "rewind_step": 5},
            "run": {"threads": 1, "engine": engine},
        }
        return Run(run(build(fields), seed=0, out=tmp_path / "out").path)

    return finished


def check(done):
    first = done.table.filter(layer=1)
    assert done.status == "done"
    assert done.shape == (1, 1, 24)
    assert first["locality"].null_count() == 0
    assert first["best_val_accuracy"].max() > 0.6


def test_a_run_on_series_ends_in_a_figure_and_a_report(finished, tmp_path):
    done = finished("series", "auto")
    check(done)
    assert draw("g", [done], tmp_path / "figures")
    assert write_report([done], tmp_path / "report.html").stat().st_size > 10_000


def test_a_run_on_series_with_the_torch_engine(finished):
    check(finished("series", "torch"))


def test_a_run_on_tables_has_no_spatial_scalars(finished, tmp_path):
    done = finished("none", "auto")
    table = done.table
    assert table["locality"].null_count() == table["radius_of_gyration"].null_count() == len(table)
    assert table["fan_in_var_ratio"].null_count() < len(table)
    assert draw("1b", [done], tmp_path / "figures")
    assert draw("levels", [done], tmp_path / "figures")
    for spatial in (lambda: draw("2b", [done], tmp_path), lambda: write_report([done], tmp_path / "r.html")):
        with pytest.raises(InputError, match=r"its inputs have no geometry \(data.geometry=none\)") as caught:
            spatial()
        assert "\n" not in str(caught.value)


def test_g_of_single_values_is_refused_since_they_have_no_distances(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "one.npz", images=rng.integers(0, 256, (40, 1, 1, 3), np.uint8), labels=np.arange(40) % 2
    )
    fields = {
        "data": {"source": "npz", "root": str(tmp_path / "one.npz"), "validation": 2},
        "network": {"hidden": [6]},
        "train": {"steps": 4, "batch": 4, "eval_every": 2},
        "prune": {"levels": 1, "rewind_step": 1},
    }
    done = run(build({"name": "one", **fields}), out=tmp_path)
    with pytest.raises(InputError, match="its inputs are single pixels, which have no distances"):
        draw("g", [done], tmp_path)


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (1e306, "too large to be squared: rescale them"),
        (1e160, "too large to be squared: rescale them"),
        (1e-150, "varies by too little to be squared"),
        (1e-200, "varies by too little to be squared"),
        (5e-324, "varies by too little to be squared"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_numbers_whose_squares_are_lost_are_refused(write, values, factor, message):
    with pytest.raises(InputError, match=message):
        opened(write(values * factor))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e100, 1e-100])
def test_large_and_small_numbers_are_read_like_others(write, values, factor):
    plain, scaled = (
        opened(write(part, name=name)) for part, name in ((values, "a.npz"), (values * factor, "b.npz"))
    )
    np.testing.assert_allclose(scaled.validation.pixels, plain.validation.pixels, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(write, values, wrong):
    values[7, 1, 2] = wrong
    with pytest.raises(InputError, match=r"x_train\[7\] has NaN or infinite values"):
        opened(write(values, held=np.zeros((6, 2, 9))))
