"""What results of ``observe`` and ``overlap`` are as text and as DataFrames: run with `pytest tests/layers/test_text.py`."""

import re

import numpy as np
import pytest
from typer.testing import CliRunner

import prunescope as ps
from prunescope.cli.app import app
from prunescope.errors import InputError


def masks(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"fc{number}": rng.random((6, 6)) < 0.4 for number in range(count)} | {"bias": np.ones(6)}


@pytest.mark.parametrize("count", [2, 5])
def test_printing_what_was_observed_is_what_the_command_line_prints(tmp_path, count):
    np.savez(tmp_path / "m.npz", **masks(count))
    observed = ps.observe(tmp_path / "m.npz")
    printed = CliRunner().invoke(app, ["observe", str(tmp_path / "m.npz")])
    assert printed.exit_code == 0
    inside = re.sub(r"\(--\w+ prints", "(print(observed[name]) prints", printed.stdout)
    assert observed.notes
    assert str(observed) == "\n".join([*inside.splitlines(), *observed.notes])
    assert repr(observed) == f"ObservedNetwork(m.npz: {count} layers)"


def test_printing_a_layer_prints_every_number_and_its_repr_is_short():
    layer = ps.observe(masks(5))["fc1"]
    rows = {line.strip().split("  ")[0] for line in str(layer).splitlines()}
    assert {name.replace("_", " ") for name in layer.scalars} <= rows
    assert re.fullmatch(r"ObservedLayer\(fc1: linear 6x6, density 0\.\d+, \d+ scalars\)", repr(layer))


def test_printing_a_measurement_prints_its_scalars_as_those_of_a_layer_are_printed():
    mask = np.random.default_rng(0).random((6, 12)) < 0.4
    lines = [line.split() for line in str(ps.measure(mask, (1, 3, 4))).splitlines()]
    of_layer = [line.split() for line in str(ps.observe(mask, shape=(1, 3, 4))[0]).splitlines()]
    assert lines[0] == of_layer[1]
    measured = [line for line in lines if line[:2] != ["scaled", "participation"]]  # which needs weights
    assert len(measured) == 7
    assert all(line in of_layer for line in measured)


def test_columns_stay_in_place_beside_long_names():
    lines = str(ps.observe(masks(5))["fc1"]).splitlines()
    named = [line for line in lines if line.startswith("  ") and not line.startswith("   ")]
    assert any("fan out variance ratio given fan in" in line for line in named)
    end = lines[1].index("value") + len("value")
    for line in named:
        assert re.match(r"^  [a-z0-9 ]+? +(-?\d+\.\d+|-)$", line[:end]), line


def test_printing_an_overlap_is_what_the_command_line_prints(tmp_path):
    np.savez(tmp_path / "a.npz", **masks(3))
    found = ps.overlap(tmp_path / "a.npz", tmp_path / "a.npz")
    printed = CliRunner().invoke(app, ["overlap", str(tmp_path / "a.npz"), str(tmp_path / "a.npz")])
    lines = str(found).splitlines()
    assert lines[: len(printed.stdout.splitlines())] == printed.stdout.splitlines()
    assert set(found.notes) <= set(lines)
    assert repr(found[0]) == "LayerOverlap(fc0: 6x6, share 100.0 %)"
    assert found["fc2"] is found[2]
    with pytest.raises(InputError, match="no layer fc7; there are fc0, fc1, fc2"):
        found["fc7"]


def test_control_characters_of_names_are_not_printed():
    odd = ps.observe({"a\x1b[31m\nb": np.eye(4), "c": np.eye(4)})
    assert "\x1b" not in str(odd)
    assert "\x1b" not in repr(odd[0])
    assert len(str(odd[0]).splitlines()) == len(odd[0].scalars) + 3


def test_both_are_dataframes_of_pandas():
    pytest.importorskip("pandas")
    observed, overlap = ps.observe(masks(2)), ps.overlap(masks(2), masks(2), match=False)
    for found in (observed, overlap):
        frame = found.to_pandas()
        assert list(frame.columns) == found.table.columns
        assert len(frame) == len(found.table)
    assert observed.to_pandas()["value"].dtype == "float64"
    assert overlap.to_pandas()["matched_units"].isna().all()
    assert overlap.to_pandas()["matched_units"].dtype == "float64"
