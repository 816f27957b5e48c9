"""The pieces of benchmarks/gpu.py that take seconds on a CPU: run with `pytest tests/bench/test_gpu_script.py`."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gpu
import numpy as np
import pytest
import torch
from gpu_parts import check, profile, rare, seeds, sequence, setting
from gpu_parts.output import BrokenDevice, Output, breaks_the_device
from gpu_parts.setting import Request, Work, complaints, toml

from prunescope.experiment import load
from prunescope.pruning import method_names
from prunescope.training.torch import torch_passes
from prunescope.training.torch.device import DeviceLostError
from prunescope.training.torch.engine import TorchEngine
from prunescope.training.torch.fused_layer import FusedLayer


@pytest.fixture
def output(tmp_path):
    made = Output(tmp_path / "out")
    made.clear()
    return made


@pytest.fixture
def request_(output):
    return Request(output, "cpu", tiny=True, seconds=100)


@pytest.fixture
def work(request_, tmp_path):
    return Work(request_, tmp_path)


def states(output, part="check"):
    return {row["name"]: row["state"] for row in output.rows() if row["part"] == part and "name" in row}


def test_checks_cover_every_method_precision_and_optimizer(request_):
    names = [name for name, _ in check.checks(request_)]
    assert len(set(names)) == len(names)
    for wanted in (
        "agrees paper bf16",
        "agrees adam float32",
        "agrees norm=after bf16",
        "agrees feedback bf16",
    ):
        assert wanted in names
    for wanted in ("method imp", "method dpf", "method synflow", "killed and resumed", "sweep"):
        assert wanted in names


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_engine_agrees_with_itself_and_blocks_are_steps(work, precision):
    facts = check.agrees(work, precision=precision)
    assert list(facts["loss"]) == ["1", "2", "5", "20"]
    assert 0 <= facts["updates"]["1"] < check.UPDATE_TOLERANCES[precision]
    check.blocks_are_steps(work, precision)
    check.twice_the_same(work, precision)
    check.resumes(work, precision)


@pytest.mark.parametrize("options", [{"norm": "none"}, {"rule": "shrinking"}, {"optimizer": "adam"}])
def test_so_it_does_otherwise(work, options):
    check.agrees(work, precision="float32", **options)


def test_a_wrong_engine_is_found(work, monkeypatch):
    class Fast(TorchEngine):
        def step(self, batch):
            super().step(batch)
            super().step(batch)

    def engine(name, experiment, rule="kept"):
        data = work.dataset(name)
        return Fast(experiment, data.mean, data.live_pixels, update_rule=rule)

    monkeypatch.setattr(Work, "engine", lambda self, *arguments: engine(*arguments))
    with pytest.raises(check.Wrong, match="updates after 1 steps differ by"):
        check.agrees(work, precision="float32")


@pytest.mark.parametrize(
    ("name", "mark"),
    [("AVERAGE_DECAY", 2), ("none", 1)],  # too fast; not at all
)
def test_wrong_moving_averages_are_found(work, monkeypatch, name, mark):
    if name == "none":
        real = torch_passes.TorchPasses.normalise

        def frozen(self, layer, counts, position):
            kept = layer.average.clone(), layer.variances.clone()
            real(self, layer, counts, position)
            for own, before in zip((layer.average, layer.variances), kept, strict=True):
                own.copy_(before)

        monkeypatch.setattr(torch_passes.TorchPasses, "normalise", frozen)
    else:
        monkeypatch.setattr(torch_passes, name, 0.9)
    with pytest.raises(check.Wrong, match=f"averages after {mark} steps differ by"):
        check.agrees(work, precision="float32")


@pytest.mark.parametrize(
    ("change", "found"),
    [({"mask": None}, "pruned weights"), ({"kept": torch.ones(64)}, "1: 0 pruned weights and [1-9]")],
    ids=["weights", "biases"],
)
def test_what_is_pruned_and_moves_is_found(work, monkeypatch, change, found):
    real = FusedLayer.prune

    def prune(self, mask, bias):
        real(self, mask, bias)
        vars(self).update(change)

    monkeypatch.setattr(FusedLayer, "prune", prune)
    with pytest.raises(check.Wrong, match=found):
        check.agrees(work, precision="float32")


def test_other_bits_are_found():
    with pytest.raises(check.Wrong, match=r"other bits in 1 of 2 arrays: b"):
        check.same_bits({"a": np.ones(2), "b": np.ones(2)}, {"a": np.ones(2), "b": np.zeros(2)})


@pytest.mark.parametrize("method", method_names())
def test_every_method_is_run(work, method):
    alone = {"beta-lasso": 1, "random": 1, "oneshot": 3}
    assert check.method_runs(work, method)["levels"] >= alone.get(method, 2)


def test_evaluations_are_compared(work):
    assert set(check.evaluates(work)) == {"odd", "paper"}
    check.float32_is_set(work)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_images_are_streamed(work, precision):
    assert rare.is_streamed(work, precision) == {"images": len(work.dataset("odd").validation)}


def test_memory_beyond_the_plan_is_found(work):
    planned = rare.takes_memory(work)["planned"]
    plan = SimpleNamespace(whole=planned + 1_000_000_000, context=1_000_000_000)
    most = planned + rare.WORKSPACES
    assert rare.within_plan(plan, most, plan.whole) == {
        "planned": planned,
        "allocated": most,
        "reserved": plan.whole,
    }
    for taken in ((most + 1, plan.whole), (most, plan.whole + 1)):
        with pytest.raises(check.Wrong, match="too few bytes"):
            rare.within_plan(plan, *taken)


def test_an_engine_that_is_wrong_once_units_are_silent_is_found(work, monkeypatch):
    class Lost(TorchEngine):
        def restore(self, state):
            super().restore(state)
            if self.far:
                layers = list(state.model.layers)
                layers[1] = replace(layers[1], weight=1.01 * layers[1].weight)
                super().restore(replace(state, model=type(state.model)(tuple(layers))))

    def engine(self, name, experiment, rule="kept"):
        data = work.dataset(name)
        return Lost(experiment, data.mean, data.live_pixels, update_rule=rule)

    monkeypatch.setattr(Work, "engine", engine)
    Lost.far = False
    facts = rare.falls_silent(work, "float32")
    assert facts["updates"]["1"] == facts["validation"] == 0
    Lost.far = True
    with pytest.raises(check.Wrong, match="updates after 1 steps differ by"):
        rare.falls_silent(work, "float32")


def test_an_eighth_of_the_units_is_silenced_in_the_middle_of_a_level(work):
    engine, _ = check.state_after(work, "float32", [3])
    state = engine.state()
    silent = rare.silenced(state)
    changed = [
        np.flatnonzero(own.bias != other.bias)
        for own, other in zip(silent.model.layers, state.model.layers, strict=True)
    ]
    assert [len(units) for units in changed] == [1, 1, 0]
    assert state.ticket.biases[0][changed[0]].all()
    engine.restore(silent)
    engine.step(check.batches_of(work, "odd", 4)[3])
    before, after = state.model.layers[1], engine.model().layers[1]
    assert (before.mean[changed[0]] > 0).all()  # its average is what it was, but for a tenth
    assert 0.8 < after.mean[changed[0]] / before.mean[changed[0]] < 1


def test_images_that_stay_on_the_device_or_change_a_bit_are_found(work, monkeypatch):
    from prunescope.training.torch.block_feed import ResidentImages

    real = ResidentImages.drop
    monkeypatch.setattr(
        ResidentImages, "drop", lambda self, pixels: real(self, pixels) and self._sets.clear() is None
    )
    with pytest.raises(check.Wrong, match="no memory left: the training images are on the device"):
        rare.is_streamed(work, "float32")


def test_an_estimate_without_a_time_is_found(work, monkeypatch):
    answers = iter([(0, "time        about 2 s (1.0 ms a dense step here)\n", ""), (0, "runs/x", "")])
    calls = []

    def answer(arguments, folder, seconds):
        calls.append([*map(str, arguments)])
        return next(answers)

    monkeypatch.setattr(rare, "called", answer)
    assert rare.dry_run(work)["said"] == "about 2 s (1.0 ms a dense step here)"
    assert ["--dry-run" in call for call in calls] == [True, False]
    answers = iter([(0, "identity abc\n", "")])
    with pytest.raises(check.Wrong, match="no time"):
        rare.dry_run(work)


def test_devices_that_are_not_there(work):
    check.no_such_device(work)


def fake_checks(*found):
    return lambda request: iter(found)


def test_a_failure_costs_no_other_check(request_, output, monkeypatch, capsys):
    def fails(work):
        raise check.Wrong("3 is not 4")

    def warns(work):
        import logging

        logging.getLogger("prunescope.training").warning("runs eagerly")
        return {}

    found = fake_checks(("first", fails), ("second", warns), ("third", lambda work: {"error_of": 0.125}))
    monkeypatch.setattr(check, "checks", found)
    assert not check.run_check(request_)
    assert states(output) == {"first": "FAILED", "second": "FAILED", "third": "ok"}
    printed = capsys.readouterr().out
    assert "3 is not 4" in printed
    assert "warned: runs eagerly" in printed
    assert "ok     check third" in printed
    assert gpu.summary(output)[-2].startswith("FAILED check first: ")


def test_what_comes_too_late_is_left_out(output, monkeypatch):
    monkeypatch.setattr(check, "checks", fake_checks(("late", lambda work: {})))
    assert check.run_check(Request(output, "cpu", tiny=True, seconds=-1))
    assert states(output) == {"late": "left out"}


def test_a_lost_device_ends_the_process(request_, output, monkeypatch):
    def loses(work):
        try:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        except RuntimeError as error:
            raise ValueError("a step failed") from error

    monkeypatch.setattr(check, "checks", fake_checks(("first", loses), ("second", lambda work: {})))
    with pytest.raises(BrokenDevice):
        check.run_check(request_)
    assert check.run_check(request_, skip=1) is False  # the first one's failure is not forgotten
    assert states(output) == {"first": "FAILED", "second": "ok"}


PART = """
import json, os, signal, sys
from pathlib import Path
given = sys.argv
out, skip = Path(given[given.index("--out") + 1]), int(given[given.index("--skip") + 1])
with (out / "rows.jsonl").open("a") as rows:
    rows.write(json.dumps({"part": "check", "name": str(skip), "state": "begun"}) + "\\n")
if skip == 0:
    os.kill(os.getpid(), signal.SIGKILL)
if skip == 1:
    sys.exit(75)
"""


def test_a_part_whose_process_dies_goes_on_with_what_is_left(tmp_path, output, monkeypatch, capsys):
    script = tmp_path / "part.py"
    script.write_text(PART)
    monkeypatch.setattr(gpu, "__file__", str(script))
    arguments = ["check", "--out", str(output.folder), "--device", "cpu", "--seconds", "60"]
    assert gpu.main(arguments) == 1
    assert [row["code"] for row in output.rows() if row.get("state") == "LOST"] == [-signal.SIGKILL, 75]
    assert [row["name"] for row in output.rows() if row.get("state") == "begun"] == ["0", "1", "2"]
    assert "LOST check the process" in capsys.readouterr().out


def test_a_part_that_does_not_end_is_stopped(tmp_path, output, monkeypatch):
    script = tmp_path / "part.py"
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(gpu, "__file__", str(script))
    monkeypatch.setattr(gpu, "GRACE", 0.2)
    assert gpu.main(["check", "--out", str(output.folder), "--seconds", "0.1"]) == 1
    assert [row["state"] for row in output.rows()] == ["STOPPED"]


def running(number):
    """Whether a process goes on; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


LEAVES = """
import subprocess, sys, time
from pathlib import Path
out = Path(sys.argv[sys.argv.index("--out") + 1])
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(out / "left.part").write_text(str(left.pid))
(out / "left.part").rename(out / "left")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found under /proc")
@pytest.mark.parametrize(
    ("ends", "states"), [("time.sleep(60)", ["STOPPED"]), ("sys.exit(0)", [])], ids=["stopped", "done"]
)
def test_what_a_part_started_ends_with_it(tmp_path, output, monkeypatch, ends, states):
    script = tmp_path / "part.py"
    script.write_text(LEAVES + ends)
    monkeypatch.setattr(gpu, "__file__", str(script))
    monkeypatch.setattr(gpu, "GRACE", 2.0)
    gpu.main(["check", "--out", str(output.folder), "--seconds", "0.1"])
    assert [row["state"] for row in output.rows()] == states
    number, until = int((output.folder / "left").read_text()), time.monotonic() + 10
    while running(number) and time.monotonic() < until:
        time.sleep(0.01)
    assert not running(number)


def test_processes_of_a_part_are_of_its_group(tmp_path):
    process = setting.start(["--version"], tmp_path)
    try:
        assert os.getpgid(process.pid) == os.getpgid(0)
    finally:
        process.communicate()


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (RuntimeError("CUDA error: an illegal instruction was encountered"), True),
        (RuntimeError("CUDA error: uncorrectable ECC error encountered"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx"), True),
        (DeviceLostError("cuda failed"), True),
        (RuntimeError("CUDA error: operation not permitted when stream is capturing"), False),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (check.Wrong("exit code 1: CUDA error: an illegal memory access was encountered"), False),
    ],
)
def test_errors_that_break_the_device_of_this_process(error, broken):
    assert breaks_the_device(error) is broken


def test_a_run_that_does_not_stop_is_killed_and_its_levels_are_kept(request_, tmp_path, monkeypatch):
    class Stubborn:
        stderr, returncode = (), None

        def __init__(self):
            self.said = []

        def wait(self, timeout=None):
            if timeout is not None:
                raise subprocess.TimeoutExpired("run", timeout)
            assert self.said[-1] == "killed"
            self.returncode = -signal.SIGKILL

        def send_signal(self, number):
            self.said.append(number)

        def kill(self):
            self.said.append("killed")

    process = Stubborn()
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "run.json").touch()
    monkeypatch.setattr(sequence, "start", lambda arguments, folder: process)
    monkeypatch.setattr(sequence, "_progress", lambda request, path, walls: {"levels": 3})
    monkeypatch.setattr(sequence, "pack", lambda path, archive: (1, []))
    asked = replace_options(request_, steps=20, precision="float32")
    facts = sequence._trained(asked, tmp_path)
    assert (facts["levels"], facts["code"]) == (3, -signal.SIGKILL)
    assert process.said == [signal.SIGTERM, "killed"]


@pytest.mark.parametrize(("device", "precision"), [("cpu", "float32"), ("cuda:1", "tf32")])
def test_a_sequence_has_a_precision_of_its_device_unless_told(output, monkeypatch, device, precision):
    asked = []
    monkeypatch.setattr(gpu, "card", lambda device: {})
    monkeypatch.setattr(
        gpu, "_part", lambda name: lambda request, skip: asked.append(request.options) or True
    )
    for told in ([], ["--precision", "bf16"]):
        given = ["sequence", "--inside", "--device", device, "--out", str(output.folder)]
        assert gpu.main([*given, *told]) == 0
    assert [options["precision"] for options in asked] == [precision, "bf16"]


def test_an_error_outside_of_a_check_is_kept(output, monkeypatch):
    def breaks(request, skip):
        raise KeyError("level")

    monkeypatch.setattr(gpu, "_part", lambda name: breaks)
    assert gpu.main(["bench", "--inside", "--device", "cpu", "--out", str(output.folder)]) == 1
    machine, failed = output.rows()
    assert machine["device"] == "cpu"
    assert failed["error"][-1] == "KeyError: 'level'"


def test_a_device_that_is_not_there_fails_the_part(output):
    assert gpu.main(["check", "--inside", "--out", str(output.folder), "--device", "cuda:7"]) == 1
    (row,) = output.rows()
    assert row["state"] == "FAILED"
    assert row["name"] == "the part"


def test_operations_of_a_step_add_up(request_, output, monkeypatch):
    monkeypatch.setattr(profile, "precisions", lambda device: ["float32"])
    monkeypatch.setattr(profile, "STEPS", 2)
    assert profile.run_profile(request_)
    rows = [row for row in output.rows() if "kernel" in row]
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert any(row["kernel"] == "aten::mm" for row in rows)


def test_an_experiment_is_the_same_from_its_file(work, tmp_path):
    experiment = work.experiment("odd", train={"precision": "bf16"}, prune={"density": [0.5, 0.2]})
    assert load(str(toml(experiment, tmp_path / "one.toml"))) == experiment
    asked = replace_options(work.request, steps=3000, precision="bf16")
    (tmp_path / "smooth.npz").touch()
    found = sequence.sequence_experiment(asked, tmp_path)
    assert (found.train.steps, found.train.precision, found.prune.rewind_step) == (3000, "bf16", 1000)


def replace_options(request, **options):
    return Request(request.output, request.device, request.tiny, request.seconds, options)


def test_what_fits_of_a_run_is_packed(finished_run, tmp_path, monkeypatch):
    archive = tmp_path / "run.tar.gz"
    assert sequence.pack(finished_run.path, archive)[1] == []
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert {"run.json", "levels.parquet", "metrics.jsonl", "level-003/masks.safetensors"} <= set(names)
    monkeypatch.setattr(sequence, "MOST_BYTES", archive.stat().st_size // 2)
    assert "level-003" in sequence.pack(finished_run.path, archive)[1]


def test_the_pace_of_a_sequence(finished_run, request_, output):
    facts = sequence._progress(request_, finished_run.path, {1: 6.0, 2: 4.0, 3: 5.0})
    first = finished_run.table.filter(layer=1, level=0)["seconds"][0]
    assert facts["levels"] == 4
    assert facts["minutes"] == pytest.approx(21 * (15 + first) / 4 / 60)
    trained = finished_run.table.filter(layer=1)["seconds"][1:].sum()
    assert facts["end_share"] == pytest.approx(1 - trained / 15)
    assert [row["wall"] for row in output.rows()] == [None, 6.0, 4.0, 5.0]


def test_the_share_of_a_level_that_is_not_training():
    rows = [{"level": 0, "seconds": 9.0}, {"level": 1, "seconds": 8.0}, {"level": 2, "seconds": 7.0}]
    assert sequence.end_share(rows, {1: 10.0, 2: 10.0}) == pytest.approx(0.25)
    assert sequence.end_share(rows, {}) is None


def test_levels_over_seeds_have_mean_and_spread(request_, output):
    row = {"density": 1.0, "best_val_accuracy": 0.5, "heldout_accuracy": 0.4, "locality": None}
    found = {
        0: {0: row},
        1: {0: row | {"best_val_accuracy": 0.7}, 1: row | {"density": 0.7, "locality": 1.5}},
    }
    lines = seeds.summarised(request_, found)
    assert lines[-2].split()[:6] == ["0", "1", "2", "0.6000", "±", "0.1414"]
    assert lines[-2].split()[-1] == "-"  # no locality is known
    assert lines[-1].split() == ["1", "0.7", "1", "0.5000", "0.4000", "1.5000"]
    first, last = output.rows()
    assert first["over_seeds"]["best_val_accuracy"] == pytest.approx({"mean": 0.6, "spread": 0.02**0.5})
    assert (last["level"], last["seeds"], last["over_seeds"]["locality"]["spread"]) == (1, 1, None)
    assert seeds.summarised(request_, {}) == []


def test_levels_of_a_seed_are_those_of_its_run(finished_run):
    found = seeds.levels(finished_run.path.parent.parent, 3)
    table = finished_run.table.filter(layer=1)
    assert list(found) == [0, 1, 2, 3]
    assert [row["locality"] for row in found.values()] == table["locality"].to_list()
    assert seeds.levels(finished_run.path.parent.parent, 4) == {}


def test_seeds_are_run_in_turn_as_time_allows(output, monkeypatch):
    asked = []
    row = {"density": 1.0, "best_val_accuracy": 0.5, "heldout_accuracy": 0.4, "locality": 1.0}

    class Ended:
        returncode = 0

        def communicate(self, timeout=None):
            return "", ""

    def begin(arguments, folder):
        asked.append([*map(str, arguments)])
        return Ended()

    monkeypatch.setattr(seeds, "start", begin)
    monkeypatch.setattr(seeds, "levels", lambda runs, seed: {0: row})
    assert seeds.run_seeds(Request(output, "cpu", tiny=True, seconds=100))
    assert [call[call.index("--seed") + 1] for call in asked] == ["0", "1", "2"]
    assert all("run.device=cpu" in call for call in asked)
    output.clear()
    assert seeds.run_seeds(Request(output, "cpu", tiny=True, seconds=1))
    assert states(output, "seeds") == {"seed 0": "ok", "seed 1": "left out", "seed 2": "left out"}
    Ended.returncode = 2
    output.clear()
    assert not seeds.run_seeds(Request(output, "cpu", tiny=True, seconds=100))
    assert set(states(output, "seeds").values()) == {"FAILED"}


def test_walls_are_from_line_to_line():
    lines = [
        (1.0, "starting"),
        (5.0, "level  0  u 100 %"),
        (9.0, "level  1  u"),
        (9.5, "note"),
        (15.0, "level  2 "),
    ]
    watched = sequence.Watched(SimpleNamespace(), lines)
    assert watched.walls() == {1: 4.0, 2: 6.0}


def test_warnings_of_the_package_are_collected():
    import warnings

    with complaints() as found:
        warnings.warn("the graph could not be captured", stacklevel=1)
        warnings.warn("deprecated", stacklevel=1)
        warnings.warn("TRITON_DEFAULT_FP_FUSION is unset", stacklevel=1)
    assert found == ["the graph could not be captured", "TRITON_DEFAULT_FP_FUSION is unset"]


def test_rows_are_json(output):
    output.row("check", path=output.folder, value=np.float64(0.5))
    assert output.rows() == [{"part": "check", "path": str(output.folder), "value": 0.5}]
    assert json.loads((output.folder / "rows.jsonl").read_text())
