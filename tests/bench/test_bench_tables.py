"""benchmarks/bench_tables.py, from made-up numbers: run with `pytest tests/bench/test_bench_tables.py`."""

import json
import subprocess
import sys
from pathlib import Path

import bench_tables
import pytest

from prunescope.bench import run_bench

SCRIPT = Path(bench_tables.__file__)


def a_run(slower=1.0, **changes):
    """Results of two densities and three competitors, of which native takes ``slower`` times as long."""

    def by_name(rows, **place):
        return [place | {"competitor": name} | values for name, values in rows.items()]

    own = {"plain": 0.2, "torch": 0.1504, "native": 0.01 * slower}
    steps = [
        row
        for u in (0.01, 1.0)
        for row in by_name({n: {"seconds": s} for n, s in own.items()}, classes=10, u=u)
    ]
    layer = by_name(
        {"plain": {"seconds": 0.08}, "native": {"seconds": 0.005 * slower}, "sparselab": {"seconds": 0.012}},
        u=0.1,
        threads=1,
    )
    return {
        "machine": {
            "processor": "Some 3 GHz",
            "threads": 2,
            "cores": 4,
            "torch": "2.9",
            "native_instructions": "avx2",
        },
        "notes": ["sparseprop left out of layer (not here)"],
        "step": steps,
        "limits": {
            "matmul_gflops": 196.4,
            "copy_gb_per_second": 11.26,
            "step": [row | {"share": 0.314} for row in steps],
        },
        "layer": layer,
        "layer_threads": [row | {"threads": 2, "seconds": row["seconds"] / 2} for row in layer],
        "imp": by_name(
            {
                "plain": {"seconds": 49.04, "ratio": 1.0},
                "native": {"seconds": 10 * slower, "ratio": 4.904 / slower},
            },
            levels=20,
            steps=10,
        ),
        "evaluation": by_name(
            {"plain": {"seconds": 0.7}, "native": {"seconds": 0.0612}}, u=1.0, images=10_000, classes=1000
        ),
        "sequence": by_name(
            {
                "native": {
                    "seconds": 3600 * 12,
                    "steps_seconds": 3600 * 10.5,
                    "evaluations_seconds": 3600 * 1.5,
                    "dense_trainings": 4.04,
                }
            },
            levels=21,
            steps=100_000,
        ),
        "observables": [{"name": "locality", "u": 0.5, "seconds": 0.0712}],
        "threads": [{"competitor": "torch", "threads": 1, "seconds": 0.3}],
        "seconds": 398.4,
    } | changes


def test_every_number_has_its_place_and_the_second_run_its_rows():
    lines = bench_tables.document([a_run(), a_run(slower=2.0, notes=[])]).splitlines()
    assert lines[0] == "### Measured: Some 3 GHz, 2 of 4 cores, torch 2.9, native on avx2"
    at = lines.index("| a step, ms | u = 1 | 0.01 |")
    assert lines[at + 1 : at + 4] == [
        "| --- | --- | --- |",
        "| 10 classes | 200 / 150 / 10.0 (**×20.00**; 31 %) | 200 / 150 / 10.0 (**×20.00**; 31 %) |",
        "| again | 200 / 150 / 20.0 (**×10.00**; 31 %) | 200 / 150 / 20.0 (**×10.00**; 31 %) |",
    ]
    at = lines.index("| one layer, forward and backward, one thread, ms | u = 0.1 |")
    assert lines[at + 2 : at + 7] == [
        "| plain | 80.0 |",
        "| native | 5.0 |",
        "| sparselab | 12.0 |",
        "| best of the others / native | **×2.40** |",
        "| again | **×1.20** |",
    ]
    at = lines.index("| one layer, forward and backward, 2 threads, ms | u = 0.1 |")
    assert lines[at + 3] == "| native | 2.5 |"
    assert "| pruning run, 20 levels × 10 steps, s | 49.0 | 10.0 (**×4.90**) |" in lines
    assert "| again | 49.0 | 20.0 (**×2.45**) |" in lines
    assert "| 10,000 images, 1000 classes | 700 / 61.2 |" in lines
    price = "12.0 (10.5 + 1.5); **4.0** dense trainings"
    assert f"| 21 levels × 100,000 steps, hours (steps + evaluations) | {price} |" in lines
    also = (
        "Also measured: locality at u = 0.5 71.2 ms, a step with torch on one thread 300 ms, "
        "a dense float32 product 196 GFLOP/s, a copy 11.3 GB/s. The whole command took 6 min 38 s."
    )
    assert lines[-3:] == [f"{also} Note: sparseprop left out of layer (not here).", "", also]


@pytest.mark.parametrize("left_out", ["step", "layer", "imp", "evaluation", "sequence", "layer_threads"])
def test_a_part_that_was_not_measured_has_no_table(left_out):
    whole, rest = (bench_tables.document([run]) for run in (a_run(), a_run(**{left_out: []})))
    assert rest.count("\n| --- |") == whole.count("\n| --- |") - 1


def test_it_reads_what_bench_prints(small, tmp_path):
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(run_bench(small, parts=["step", "evaluation", "imp"], threads=1)))
    done = subprocess.run(
        [sys.executable, SCRIPT, path, path], capture_output=True, text=True, check=True, timeout=300
    )
    assert "| a step, ms | u = 1 | 0.2 |" in done.stdout
    assert done.stdout.count("| again |") == 5  # steps of 3 and of 7 classes, pruning, evaluation, sequence
    assert done.stderr == ""


def test_without_files_it_says_how_it_is_called():
    with pytest.raises(SystemExit, match=r"usage: python benchmarks/bench_tables\.py"):
        bench_tables.main([])
