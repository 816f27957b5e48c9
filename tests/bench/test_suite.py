"""The benchmark as a whole and the verb: run with `pytest tests/bench/test_suite.py`."""

import json
from dataclasses import replace

import pytest
import torch

from prunescope.bench import FULL, PARTS, QUICK, run_bench
from prunescope.bench.scaling import measure_threads, thread_counts
from prunescope.cli import bench as show_module
from prunescope.cli import main
from prunescope.cli.bench import print_bench
from prunescope.errors import InputError
from prunescope.runs.machine import cores, processor

KEYS = {
    "step": {"classes", "u", "competitor", "seconds"},
    "evaluation": {"u", "competitor", "seconds"},
    "layer": {"u", "competitor", "seconds"},
    "imp": {"competitor", "seconds"},
    "observables": {"name", "seconds"},
    "threads": {"competitor", "threads", "seconds"},
}


def leave(*arguments):
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    return left.value.code


@pytest.fixture(scope="module")
def results(small):
    return run_bench(small, threads=1, quick=True)


@pytest.fixture
def small_bench(monkeypatch, small):
    monkeypatch.setattr(show_module, "FULL", small)


def test_the_contract(results, small):
    derived = {"layer_threads", "sequence", "seconds"}
    assert set(results) == {"machine", "notes", "limits", *PARTS} | derived
    assert results["seconds"] > 0
    assert results["layer_threads"] == []
    for part, keys in KEYS.items():
        assert results[part], part
        for row in results[part]:
            assert keys <= set(row)
            assert row["seconds"] > 0
    assert [(r["classes"], r["u"]) for r in results["step"] if r["competitor"] == "plain"] == [*small.points]
    assert {r["competitor"] for r in results["step"]} >= {"plain", "torch"}
    assert all(r["loss_error"] < 1e-3 for r in results["step"])
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_machine_and_limits(results):
    machine, limits = results["machine"], results["limits"]
    assert (machine["quick"], machine["threads"], machine["cores"]) == (True, 1, cores())
    assert machine["torch"] == torch.__version__
    assert limits["matmul_gflops"] > 0
    assert limits["copy_gb_per_second"] > 0
    assert len(limits["step"]) == len(results["step"])
    for row, limit in zip(results["step"], limits["step"], strict=True):
        assert limit["competitor"] == row["competitor"]
        assert limit["share"] == pytest.approx(limit["seconds"] / row["seconds"])


def test_parts_left_out_are_empty(small):
    before = torch.get_num_threads()
    found = run_bench(small, parts=["observables"], threads=1)
    assert torch.get_num_threads() == before
    assert [part for part in PARTS if found[part]] == ["observables"]
    assert found["limits"]["matmul_gflops"] > 0
    assert found["limits"]["step"] == []


def test_the_sequence_is_made_of_steps_and_evaluations(results, small):
    assert [row["competitor"] for row in results["sequence"]][:2] == ["plain", "torch"]
    for row in results["sequence"]:
        assert row["seconds"] == pytest.approx(row["steps_seconds"] + row["evaluations_seconds"])
        assert len(row["level_seconds"]) == row["levels"] == small.sequence_levels
    assert run_bench(small, parts=["evaluation"], threads=1)["sequence"] == []
    torch.set_num_threads(1)


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_layers_run_on_all_threads_too(small, monkeypatch):
    """The processes that measure, with one thread and two, are tested in `tests/bench/test_layer.py`."""

    def measured(sizes, threads, say):
        return [{"u": u, "threads": threads} for u in sizes.layer_densities], [f"a note with {threads}"]

    monkeypatch.setattr("prunescope.bench.layer.measure_layers", measured)
    found = run_bench(small, parts=["layer"], threads=2)
    densities = list(small.layer_densities)
    assert found["layer"] == [{"u": u, "threads": 1} for u in densities]
    assert found["layer_threads"] == [{"u": u, "threads": 2} for u in densities]
    assert [note for note in found["notes"] if note.startswith("a note")] == ["a note with 1"]
    one_alone = run_bench(replace(small, layer_all_threads=False), parts=["layer"], threads=2)
    assert [row["threads"] for row in one_alone["layer"]] == [1] * len(densities)
    assert one_alone["layer_threads"] == []
    torch.set_num_threads(1)


def test_thread_counts_and_rows(small):
    assert thread_counts(1) == [1]
    assert thread_counts(4) == [1, 2, 4]
    assert thread_counts(6) == [1, 2, 4, 6]
    torch_rows = [r for r in measure_threads(small, 2, lambda line: None) if r["competitor"] == "torch"]
    assert [row["threads"] for row in torch_rows] == [1, 2]
    torch.set_num_threads(1)


def test_quick_and_full_alternate_at_least_five_times():
    assert min(QUICK.rounds, FULL.rounds) >= 5
    densities = (1, 0.7, 0.49, 0.34, 0.24, 0.1, 0.03, 0.01)
    assert list(FULL.points) == [(classes, u) for classes in (10, 1000) for u in densities]
    goals = [(classes, u) for classes in (10, 1000) for u in (1, 0.49, 0.34, 0.1, 0.03, 0.01)]
    assert list(QUICK.points) == goals
    assert set(goals) <= set(FULL.points)
    assert {0.7, 0.49, 0.3, 0.24, 0.1, 0.03, 0.01} == set(FULL.layer_densities)
    assert QUICK.imp_levels == FULL.imp_levels == 20


def test_processor_by_name(tmp_path):
    listing = tmp_path / "cpuinfo"
    listing.write_text("processor\t: 0\nmodel name\t: Some Processor 3 GHz\nflags: fpu\n")
    assert processor(listing) == "Some Processor 3 GHz"
    assert processor(tmp_path / "missing")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "step,speed"], "'speed': parts are step, evaluation, layer, imp, observables, threads"),
        (["--only", ""], "--only names ''"),
        (["--threads", "0"], "--threads is 0: use 1 to"),
        (["--threads", "100000"], "--threads is 100000: use 1 to"),
        (["--plot", "steps.doc"], "'steps.doc': name a file that ends in .png, .pdf, .svg"),
        (["--plot", "steps.png", "--only", "imp"], "name step in --only"),
        (["--rounds", "3"], "--rounds"),
    ],
)
def test_bad_input_is_one_line_before_any_work(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr(show_module, "run_bench", lambda *a, **k: pytest.fail("it went to work"))
    assert leave("bench", *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_plot_that_cannot_be_written_is_refused_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(show_module, "run_bench", lambda *a, **k: pytest.fail("it went to work"))
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    targets = {
        tmp_path / "file" / "steps.png": "cannot write there",
        tmp_path / "folder.png": "is a directory",
    }
    for target, reason in targets.items():
        assert leave("bench", "--plot", str(target)) == 2
        assert reason in capsys.readouterr().err


@pytest.mark.usefixtures("small_bench")
def test_json_alone_goes_to_stdout(capsys, tmp_path):
    plot = tmp_path / "new" / "steps.png"
    assert leave("bench", "--json", "--only", "imp,step", "--threads", "1", "--plot", str(plot)) == 0
    out, error = capsys.readouterr()
    found = json.loads(out)
    assert found["machine"]["quick"] is False
    assert found["imp"]
    assert not found["layer"]
    assert "step: 3 classes, u = 0.2" in error
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert json.loads(plot.with_suffix(".json").read_text())["step"] == found["step"]


def test_tables_go_to_stdout_and_progress_to_stderr(capsys, small):
    sizes = replace(small, points=small.points[:1])
    print_bench(quick=True, only="step", threads=1, plot=None, as_json=False, sizes=sizes)
    out, error = capsys.readouterr()
    assert "one training step" in out
    assert out.splitlines()[-1].startswith("Use run.engine=")
    assert error == "step: 3 classes, u = 1\n"


def test_no_parts_are_refused(small):
    with pytest.raises(InputError, match="names no part"):
        run_bench(small, parts=[])
