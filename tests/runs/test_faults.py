"""Devices that fail while a run goes, and runs that go on on another: run with `pytest tests/runs/test_faults.py`.

There is no card here. An engine raises what torch raises of one, and a second name of the CPU is that of a card.
"""

import json
import shutil

import pytest
import torch

import tiny
from prunescope import training
from prunescope.analysis.comparison import compare
from prunescope.analysis.groups import groups
from prunescope.cli import main
from prunescope.cli.printing import print_run
from prunescope.errors import InputError
from prunescope.pruning.running import estimate, run
from prunescope.runs import level_measurements
from prunescope.runs.directory import Run
from prunescope.runs.record import read_record
from prunescope.runs.reporting import Reporter
from prunescope.runs.writer import run_path
from prunescope.sweep import worker
from prunescope.training.torch import device
from prunescope.training.torch.device import DeviceLostError, DeviceMemoryError
from prunescope.training.torch.engine import TorchEngine

ADVICE = "\nCUDA kernel errors might be asynchronously reported at some other API call.\n"
LOST = f"CUDA error: an illegal memory access was encountered{ADVICE}"
FULL = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of …\nmore"
H100, A100 = "NVIDIA H100 80GB HBM3", "NVIDIA A100"
CALLS = ("start", "step", "evaluate", "model", "state", "right", "take_loss")
SMALL = {"train": {"steps": 12, "eval_every": 4}, "prune": {"levels": 2, "rewind_step": 3}}


class Breaking(TorchEngine):
    """The torch engine until a call of ``method`` on level ``level``, which raises ``error``; then every call does."""

    method, level, error = "step", 1, RuntimeError(LOST)

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.number, self.broken, self.after = -1, False, []

    def start(self, model, ticket):
        self.number += 1
        self._call("start")
        super().start(model, ticket)

    def _call(self, method):
        if self.broken:
            self.after.append(method)
        elif method == self.method and self.number == self.level:
            self.broken = True
        if self.broken:
            raise self.error


def _checked(name):
    def method(self, *arguments, **named):
        self._call(name)
        return getattr(TorchEngine, name)(self, *arguments, **named)

    return method


for _name in CALLS[1:]:
    setattr(Breaking, _name, _checked(_name))


class Notes(Reporter):
    """Keeps the notes that it gets."""

    def __init__(self):
        self.heard = []

    def note(self, text):
        self.heard.append(text)


@pytest.fixture
def breaking(monkeypatch):
    """Let runs have an engine that breaks so; returns the engines that were made."""

    def breaks(method, level, error):
        made = []

        def make(experiment, mean, live_pixels, rule):
            engine = Breaking(experiment, mean, live_pixels, update_rule=rule)
            engine.method, engine.level, engine.error = method, level, error
            made.append(engine)
            return engine

        monkeypatch.setattr(training, "make_engine", make)
        return made

    return breaks


@pytest.fixture
def named(monkeypatch):
    """Give "cpu" and "cpu:0" the names of two devices."""

    def name(**names):
        known = {"cpu": names["first"], "cpu:0": names["second"]}
        monkeypatch.setattr(device, "device_name", known.__getitem__)

    return name


@pytest.fixture
def fields(small_run):
    return small_run(**SMALL, run={"engine": "torch", "checkpoint_seconds": 1e-9})


@pytest.fixture(scope="module")
def whole(images_file, tmp_path_factory):
    """The run that nothing disturbs."""
    chosen = tiny.experiment(data={"root": str(images_file)}, run={"engine": "torch"}, **SMALL)
    return run(chosen, out=tmp_path_factory.mktemp("whole"))


def assert_same(one, other):
    assert one.status == other.status == "done"
    assert one.table.drop("seconds").equals(other.table.drop("seconds"))
    for level in (0, 1, 2):
        assert one.ticket(level) == other.ticket(level)
        for own, others in zip(one.model(level).layers, other.model(level).layers, strict=True):
            assert (own.weight == others.weight).all()


@pytest.mark.parametrize("method", CALLS)
def test_a_device_that_fails_ends_the_run_with_all_that_was_saved(
    breaking, monkeypatch, fields, whole, tmp_path, method
):
    made = breaking(method, 1, RuntimeError(LOST))
    with pytest.raises(DeviceLostError) as raised:
        run(fields, out=tmp_path)
    said = "the CPU failed: CUDA error: an illegal memory access was encountered; what was saved is kept"
    assert str(raised.value).startswith(said)
    assert len(str(raised.value).splitlines()) == 1
    assert made[0].after == []  # Nothing was asked of the engine after its error.
    failed = Run(run_path(fields, 0, tmp_path))
    assert (failed.status, failed.record.error) == ("failed", str(raised.value))
    assert failed.levels == [0]
    steps = [entry["step"] for entry in failed.metrics if entry["level"] == 1]
    assert (failed.path / "checkpoint.safetensors").exists() == (method not in ("start", "step", "state"))
    assert steps == ([] if method in ("start", "step", "state") else steps)
    monkeypatch.undo()
    assert_same(run(fields, out=tmp_path), whole)
    assert Run(failed.path).record.error is None


@pytest.mark.parametrize("method", ["step", "evaluate", "right"])
def test_too_little_memory_is_an_input_error_and_the_run_can_go_on(
    breaking, monkeypatch, fields, whole, tmp_path, method
):
    breaking(method, 1, torch.cuda.OutOfMemoryError(FULL))
    with pytest.raises(
        DeviceMemoryError, match=r"^there is too little memory: 2\.7 GB more were needed, "
    ) as raised:
        run(fields, out=tmp_path)
    assert isinstance(raised.value, InputError)
    failed = Run(run_path(fields, 0, tmp_path))
    assert (failed.status, failed.record.error, failed.levels) == ("failed", str(raised.value), [0])
    monkeypatch.undo()
    assert_same(run(fields, out=tmp_path), whole)


def test_where_nothing_was_trained_a_run_that_does_not_fit_leaves_nothing(breaking, fields, tmp_path):
    breaking("start", 0, torch.cuda.OutOfMemoryError(FULL))
    with pytest.raises(DeviceMemoryError):
        run(fields, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_fails_at_once_leaves_a_failed_run(breaking, fields, tmp_path):
    breaking("start", 0, RuntimeError(LOST))
    with pytest.raises(DeviceLostError):
        run(fields, out=tmp_path)
    assert Run(run_path(fields, 0, tmp_path)).status == "failed"


def test_an_error_that_is_none_of_the_device_is_raised_as_it_is(breaking, fields, tmp_path):
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    breaking("step", 1, error)
    with pytest.raises(RuntimeError) as raised:
        run(fields, out=tmp_path)
    assert raised.value is error


def test_a_device_that_fails_while_the_level_is_measured(breaking, monkeypatch, fields, whole, tmp_path):
    def fails(*arguments):
        raise RuntimeError(LOST)

    monkeypatch.setattr(level_measurements, "level_observations", fails)
    with pytest.raises(DeviceLostError):
        run(fields, out=tmp_path)
    monkeypatch.undo()
    failed = Run(run_path(fields, 0, tmp_path))
    assert (failed.status, failed.levels) == ("failed", [])
    assert_same(run(fields, out=tmp_path), whole)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            RuntimeError(LOST),
            1,
            "prunescope: the CPU failed: CUDA error: an illegal memory access was encountered; ",
        ),
        (
            torch.cuda.OutOfMemoryError(FULL),
            2,
            "prunescope: there is too little memory: 2.7 GB more were needed, ",
        ),
    ],
)
def test_the_command_line_ends_in_one_line(breaking, fields, tmp_path, capsys, error, code, said):
    breaking("step", 1, error)
    (tmp_path / "tiny.toml").write_text(fields.to_toml())
    with pytest.raises(SystemExit) as left:
        main(["run", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "runs")])
    stdout, stderr = capsys.readouterr()
    assert (left.value.code, stdout) == (code, "")
    assert stderr.splitlines()[-1].startswith(said)
    assert "Traceback" not in stderr
    assert "asynchronously" not in stderr


@pytest.mark.parametrize("error", [RuntimeError(LOST), torch.cuda.OutOfMemoryError(FULL)])
def test_a_worker_says_so_and_ends_for_a_new_one(breaking, fields, tmp_path, error):
    """Code 1 ends the process (``WorkerProcess.run_ended``), so that the next run has a new one."""
    breaking("step", 1, error)
    request = {"experiment": fields.model_dump(mode="json"), "seed": 0, "out": str(tmp_path), "track": []}
    code, message = worker._run(request, lambda *event, **facts: None)
    assert code == 1
    assert message == Run(run_path(fields, 0, tmp_path)).record.error


def on(fields, place):
    return fields.model_copy(
        update={"run": fields.run.model_copy(update={"device": place, "engine": "auto"})}
    )


MOVED = "was trained on {} so far, and from here on {}: its numbers agree within rounding, not to the bit"


@pytest.mark.parametrize(
    ("first", "second"), [("cpu", H100), (H100, "cpu"), (H100, A100)], ids=["to", "from", "another card"]
)
def test_a_run_goes_on_on_another_device(named, monkeypatch, fields, whole, tmp_path, capsys, first, second):
    named(first=first, second=second)
    notes, real = Notes(), level_measurements.level_observations
    asked = []

    def stops(level, *arguments):
        asked.append(level.number)
        if level.number == 1 and asked.count(1) == 1:
            raise KeyboardInterrupt
        return real(level, *arguments)

    monkeypatch.setattr(level_measurements, "level_observations", stops)
    begun, moved = on(fields, "cpu"), on(fields, "cpu:0")
    with pytest.raises(KeyboardInterrupt):
        run(begun, out=tmp_path, reporter=notes)
    assert notes.heard == []
    done = run(moved, out=tmp_path, reporter=notes)
    assert notes.heard == [MOVED.format(first, second)]
    assert done.status == "done"
    assert done.devices == (first, second)
    assert done.record.machine.get("device") == (second if second != "cpu" else None)
    assert done.table.filter(layer=1)["device"].to_list() == [first, second, second]
    # cpu:0 is another device for the native engine too, which it does not know.
    engines = done.table.filter(layer=1)["engine"].to_list()
    assert engines[1:] == ["torch", "torch"]
    assert done.record.engines == list(dict.fromkeys(engines))
    for level in (0, 1, 2):
        assert done.ticket(level).density(0) == whole.ticket(level).density(0)
    [group] = groups([done])
    assert f"seed 0 was run on the devices {first} then {second}, alike within rounding" in group.notes[-1]
    if engines[0] == "native":
        assert "seed 0 was run on the engines native then torch, alike within rounding" in group.notes[-2]
    assert compare([done]).notes == group.notes
    print_run(done, as_json=False)
    assert f"device: {first} then {second}" in capsys.readouterr().out
    assert not any("on different" in note for note in group.notes)


def test_a_run_that_goes_on_on_its_device_says_nothing(named, monkeypatch, breaking, fields, tmp_path):
    named(first=H100, second=A100)
    breaking("evaluate", 1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(fields, out=tmp_path)
    monkeypatch.undo()
    named(first=H100, second=A100)
    notes = Notes()
    done = run(fields, out=tmp_path, reporter=notes)
    assert notes.heard == []
    assert done.devices == (H100,)
    assert done.record.machine["device"] == H100


def test_a_device_that_trained_nothing_is_not_among_those_of_the_run(
    named, breaking, monkeypatch, fields, tmp_path
):
    named(first=H100, second=A100)
    breaking("start", 0, RuntimeError(LOST))
    with pytest.raises(DeviceLostError):
        run(fields, out=tmp_path)
    monkeypatch.undo()
    named(first="cpu", second=A100)
    notes = Notes()
    done = run(fields, out=tmp_path, reporter=notes)
    assert done.devices == ("cpu",)
    assert notes.heard == []


def without_devices(path, **changes):
    """Make a run one of a version that stored no devices."""
    about = json.loads((path / "run.json").read_text()) | changes
    about.pop("devices")
    about.pop("engines")
    about["machine"].pop("device", None)
    (path / "run.json").write_text(json.dumps(about, indent=2) + "\n")


def test_an_earlier_run_is_read_and_goes_on(named, whole, tmp_path):
    path = run_path(whole.experiment, 0, tmp_path)
    shutil.copytree(whole.path, path)
    without_devices(path, status="interrupted")
    assert Run(path).devices == ("cpu",)
    assert read_record(path / "run.json")[1].devices is None
    notes = Notes()
    again = run(whole.experiment, out=tmp_path, reporter=notes)
    assert (again.status, again.devices, notes.heard) == ("done", ("cpu",), [])
    without_devices(path, status="interrupted")
    named(first="cpu", second=H100)
    (path / "experiment.toml").write_text(
        (path / "experiment.toml").read_text().replace('device = "cpu"', 'device = "cuda"')
    )
    assert Run(path).devices == ("cuda",)
    again = run(whole.experiment, out=tmp_path, reporter=notes)
    assert again.devices == ("cuda", "cpu")
    assert notes.heard == [MOVED.format("cuda", "cpu")]


@pytest.mark.parametrize("found", [3, [""], [3], "cpu", {"cpu": 1}, [["cpu"]]])
@pytest.mark.parametrize("name", ["devices", "engines"])
def test_damaged_devices_and_engines_are_refused(whole, tmp_path, found, name):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(whole.about | {name: found}))
    with pytest.raises(InputError, match=rf"damaged \({name}"):
        read_record(path)


def test_groups_on_different_devices_are_named(whole, tmp_path):
    runs = []
    for seed, name in enumerate(("cpu", H100)):
        experiment = whole.experiment.model_copy(
            update={"train": whole.experiment.train.model_copy(update={"lr": 0.1 + seed})}
        )
        path = run_path(experiment, seed, tmp_path)
        shutil.copytree(whole.path, path)
        (path / "experiment.toml").write_text(experiment.to_toml())
        about = whole.about | {"devices": [name], "seed": seed, "identity": experiment.identity}
        (path / "run.json").write_text(json.dumps(about))
        runs.append(Run(path))
    told = [note for note in compare(runs).notes if "different" in note]
    assert told == [
        f"groups were run on different devices (cpu: SGD 0.1; {H100}: SGD 1.1), alike within rounding"
    ]
    assert [note for note in compare(runs, ["train.steps"]).notes if "groups" in note] != []
    assert not any("different" in note for note in compare(runs[:1]).notes)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (torch.cuda.OutOfMemoryError(FULL), DeviceMemoryError),
        (RuntimeError(LOST), DeviceLostError),
        (RuntimeError("something else"), RuntimeError),
    ],
)
def test_an_estimate_that_a_device_ends_is_one_line(monkeypatch, fields, error, kind):
    def fails(*arguments):
        raise error

    monkeypatch.setattr("prunescope.runs.estimate.timed", fails)
    with pytest.raises(kind) as raised:
        estimate(fields)
    assert type(raised.value) is kind
    assert len(str(raised.value).splitlines()) == 1
