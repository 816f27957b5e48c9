"""The benchmark of a device on a CPU: run with `pytest tests/bench/device/test_device_suite.py`."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import rc_context

from prunescope.bench.device import competitors as competitors_module
from prunescope.bench.device import suite
from prunescope.bench.device.clock import Deadline, DeviceClock
from prunescope.bench.device.competitors import take_steps
from prunescope.bench.device.limits import product_shapes
from prunescope.bench.device.plain import ResidentPlain, resident_set
from prunescope.bench.device.plot import draw_device_steps
from prunescope.bench.device.points import DeviceBench, living_ticket
from prunescope.bench.device.sequence import sequence_rows
from prunescope.bench.device.sizes import (
    DEVICE_FULL,
    DEVICE_QUICK,
    DEVICE_TINY,
    DevicePoint,
    DeviceRequest,
    engine_precisions,
)
from prunescope.bench.device.suite import run_device_bench
from prunescope.bench.plain import PlainTrainer
from prunescope.bench.problem import RATE, make_problem
from prunescope.bench.sizes import Sizes
from prunescope.cli.device_tables import device_lines, print_device_bench
from prunescope.errors import InputError
from prunescope.figures.parts.style import STYLE
from prunescope.model import initial

TINY = replace(DEVICE_TINY, rounds=1, block=2)


@pytest.fixture(scope="module")
def results():
    return run_device_bench(DeviceRequest("cpu", TINY))


@pytest.fixture(scope="module")
def problem():
    return make_problem(Sizes(TINY.shape, TINY.hidden, TINY.batch, TINY.images), 7)


def test_every_point_has_plain_and_the_engine_in_every_precision(results):
    assert results["notes"] == []
    assert [row["u"] for row in results["level_end"] if row["piece"] == "all"] == [1.0, 0.1, 0.01]
    assert all(row["level_ends_minutes"] > 0 for row in results["sequence"])
    assert results["machine"]["device"] == "cpu"
    for point in TINY.points:
        rows = [row for row in results["step"] if {k: row[k] for k in vars(point)} == vars(point)]
        found = {(row["competitor"], row["precision"]) for row in rows}
        assert {("plain", "float32"), ("plain", "bf16"), ("torch", "float32"), ("torch", "bf16")} <= found
        for row in rows:
            assert row["seconds"] > 0
            assert row["rounds"] == 1
            assert row["share"] == pytest.approx(row["limit_seconds"] / row["seconds"])
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_losses_agree_with_plain_float32(results):
    errors = {"float32": 1e-5, "tf32": 1e-2, "bf16": 3e-2}
    for row in results["step"]:
        assert row["loss_error"] <= errors[row["precision"]]
    bf16 = [row["loss_error"] for row in results["step"] if row["precision"] == "bf16"]
    assert min(bf16) > 0


def test_resident_plain_makes_the_steps_of_plain(problem):
    model, ticket = initial(problem.layers, "before", 0), living_ticket(problem.layers, DevicePoint(7, 0.3))
    data = resident_set(problem.pixels, problem.mean, torch.device("cpu")).with_labels(problem.labels)
    resident, plain = ResidentPlain(data, "float32"), PlainTrainer(problem.mean, RATE)
    for _ in range(2):  # the second level begins in place
        resident.start(model, ticket)
        plain.start(model, ticket)
        batches = [problem.batch(step) for step in range(3)]
        resident.steps(batches)
        for batch in batches:
            plain.step(batch)
        assert resident.take_loss() == pytest.approx(plain.take_loss(), rel=1e-6)
    assert np.isnan(resident.take_loss())


def test_a_ticket_keeps_its_share_among_the_living_units():
    layers = (48, 24, 20, 7)
    ticket = living_ticket(layers, DevicePoint(7, 0.1, alive=0.5))
    assert ticket.masks[0].kept == round(0.1 * 24 * 48)
    assert ticket.masks[1].kept == round(0.1 * 20 * 24)
    assert not ticket.masks[0].array[12:].any()
    assert not ticket.masks[1].array[10:].any()
    assert not ticket.masks[1].array[:, 12:].any()
    assert living_ticket(layers, DevicePoint(7, 0.1)).masks[0].array[12:].any()


def test_products_of_a_step():
    assert product_shapes((3, 5, 2), 10) == [(10, 3, 5), (5, 10, 3), (10, 5, 2), (2, 10, 5), (10, 2, 5)]
    shapes = product_shapes((3072, 1024, 1024, 1024, 1000), 1000)
    assert sum(2 * m * k * n for m, k, n in shapes) == pytest.approx(31.3e9, rel=0.01)


def test_a_sequence_adds_up_what_was_measured():
    sizes = replace(TINY, levels=3, level_steps=1000, eval_every=100, rate=0.5)
    row = {"classes": 7, "alive": 1, "competitor": "torch", "precision": "bf16"}
    steps = [row | {"u": 1.0, "wall": 0.006}, row | {"u": 0.25, "wall": 0.0015}]
    steps += [row | {"u": 1.0, "wall": 9.0, "classes": 3}, row | {"u": 1.0, "wall": 9.0, "alive": 0.5}]
    (found,) = sequence_rows(sizes, steps, {"bf16": 0.5}, {1.0: 4.0})
    assert found["steps_minutes"] == pytest.approx((6 + 3 + 1.5) / 60)  # u = 1, 0.5 between two, 0.25
    assert found["evaluations_minutes"] == pytest.approx(3 * 10 * 0.5 / 60)
    assert found["level_ends_minutes"] == pytest.approx(12 / 60)
    assert found["minutes"] == pytest.approx((10.5 + 15 + 12) / 60)


def test_what_remains_when_the_time_is_up_is_left_out_and_named():
    found = run_device_bench(DeviceRequest("cpu", TINY, seconds=1e-9))
    assert {(row["competitor"], row["precision"]) for row in found["step"]} == {("plain", "float32")}
    assert {row["u"] for row in found["step"]} == {0.3}
    assert "torch bf16 at 7 classes, u = 0.3 left out: no time was left" in found["notes"]
    assert "3 classes, u = 0.3 left out: no time was left" in found["notes"]


def test_a_competitor_that_fails_or_disagrees_costs_only_itself(monkeypatch):
    real = competitors_module.make_engine

    def broken(experiment, *rest):
        if experiment.train.precision == "bf16":
            raise RuntimeError("no such kernel\nmore")
        engine = real(experiment, *rest)
        take = engine.take_loss
        engine.take_loss = lambda: 1.5 * take()
        return engine

    monkeypatch.setattr(competitors_module, "make_engine", broken)
    bench = DeviceBench(TINY, DeviceClock(torch.device("cpu")), Deadline.after(100), lambda line: None)
    bench.limits.update({"copy_gb_per_second": 1.0, "precisions": {}})
    rows = bench.measure(TINY.points[0])
    assert {row["competitor"] for row in rows} == {"plain"}
    assert "torch bf16 at 7 classes, u = 0.3 left out: RuntimeError: no such kernel" in bench.notes
    assert any(
        note.startswith("torch float32 at 7 classes") and "are not those of plain float32" in note
        for note in bench.notes
    )


def test_the_engine_beside_compiled_comes_right_after_the_first_point():
    order = [
        (turn.point and turn.point.u, turn.compiled, turn.again) for turn in list(suite.turns(DEVICE_FULL))
    ]
    assert order[:6] == [
        (0.1, 0, False),
        (0.1, 1, True),
        (None, 0, False),  # the end of a level
        (1.0, 1, False),
        (0.01, 1, False),
        (0.1, 4, True),
    ]
    first = [turn.point for turn in suite.turns(DEVICE_FULL) if turn.point and not turn.again]
    assert first == list(DEVICE_FULL.points)
    assert [turn.point for turn in suite.turns(TINY)] == [TINY.points[0], None, *TINY.points[1:]]


COMPILED = replace(TINY, compiled=True, points=TINY.points[:1])


@pytest.fixture
def bench(monkeypatch):
    """A benchmark whose compiled competitors are not compiled."""
    monkeypatch.setattr(torch, "compile", lambda work, mode=None: work)
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: None)
    made = DeviceBench(COMPILED, DeviceClock(torch.device("cpu")), Deadline.after(1000), lambda line: None)
    made.limits.update({"copy_gb_per_second": 1.0, "precisions": {}})
    return made


def names(rows):
    return [f"{row['competitor']} {row['precision']}" for row in rows]


PLAIN = ["plain float32", "torch bf16", "plain bf16", "torch float32"]


def test_compiled_competitors_are_measured_beside_their_precision(bench):
    (point,) = COMPILED.points
    earlier = bench.measure(point)
    assert names(earlier) == PLAIN
    first = bench.measure_again(point, 1)
    assert bench.notes == []
    assert names(first) == ["plain float32", "torch bf16", "plain bf16", "compiled bf16"]
    assert bench.measure_again(point, 1) == []  # nothing is new
    rest = bench.measure_again(point, 4)
    new = {"compiled float32", "compiled-default bf16"}
    assert set(names(rest)) == {*PLAIN, "compiled bf16"} | new
    everything = suite.merged(COMPILED, suite.merged(COMPILED, earlier, first), rest)
    assert sorted(names(everything)) == sorted(names(rest))


def test_a_second_measurement_loses_no_rows_of_the_first(bench, monkeypatch):
    (point,) = COMPILED.points
    earlier = bench.measure(point)
    again = bench.measure_again(point, 1)
    found = suite.merged(COMPILED, earlier, again)
    assert names(found) == [*PLAIN, "compiled bf16"]
    assert found[3] is earlier[3]  # it was not measured again
    assert found[1] is again[1]


def test_nothing_is_begun_again_without_time_for_it(bench):
    (point,) = COMPILED.points
    bench.measure(point)
    bench.deadline = Deadline.after(19)  # to compile may take 20 s
    assert bench.measure_again(point, 1) == []
    assert bench.notes == ["compiled bf16 at 7 classes, u = 0.3 left out: no time was left"]
    bench.deadline = Deadline.after(100)
    assert len(bench.measure_again(point, 1)) == 4  # it took no time, and so may the others
    bench.deadline = Deadline.after(19)
    assert len(bench.measure_again(point, 4)) == 7


def test_what_cannot_be_compiled_is_tried_once(bench, monkeypatch):
    def fails(work, mode=None):
        tried.append(mode)
        raise RuntimeError("no compiler")

    tried = []
    monkeypatch.setattr(torch, "compile", fails)
    (point,) = COMPILED.points
    bench.measure(point)
    assert bench.measure_again(point, 1) == []  # what was measured is not replaced
    assert bench.measure_again(point, 1) == []
    assert tried == ["reduce-overhead"]
    assert bench.notes == ["compiled bf16 at 7 classes, u = 0.3 left out: RuntimeError: no compiler"]


def test_the_plot_has_an_entry_for_each_competitor_and_precision_beside_the_axes():
    row = {"classes": 7, "alive": 1.0, "seconds": 0.002}
    kinds = [
        ("torch", "bf16"),
        ("plain", "bf16"),
        ("torch", "tf32"),
        ("compiled", "tf32"),
        ("plain", "float32"),
    ]
    steps = [row | {"competitor": kind, "precision": name, "u": u} for u in (1, 0.1) for kind, name in kinds]
    with rc_context(STYLE):
        figure = draw_device_steps([*steps, steps[0] | {"classes": 3}])
        figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "plain PyTorch, float32",
        "plain PyTorch, bf16",
        "compiled, tf32",
        "torch engine, tf32",
        "torch engine, bf16",
    ]
    for axes in figure.axes:
        assert axes.get_window_extent().x1 <= legend.get_window_extent().x0
    drawn = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.axes[1].lines}
    assert len(drawn) == len(kinds)


def test_engines_are_given_blocks_no_larger_than_they_take():
    class Blocks:
        block = 4

        def __init__(self):
            self.taken = []

        def steps(self, batches):
            self.taken.append(list(batches))

    blocks = Blocks()
    take_steps(blocks, list(range(10)))
    assert blocks.taken == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_sizes_are_those_of_the_paper():
    assert set(engine_precisions()) >= {"float32", "bf16"}
    assert engine_precisions()[-1] == "float32"
    points_of = {(point.classes, point.u) for point in DEVICE_FULL.points if point.alive == 1}
    assert points_of == {(classes, u) for classes in (10, 1000) for u in (1, 0.34, 0.1, 0.03, 0.01)}
    assert DEVICE_FULL.points[0] == DevicePoint(1000, 0.1)
    assert (DEVICE_FULL.images, DEVICE_FULL.batch, DEVICE_FULL.hidden) == (200_000, 1000, (1024,) * 3)
    assert min(DEVICE_FULL.rounds, DEVICE_QUICK.rounds) >= 5


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match=r"run\.device is 'cuda:7'"):
        run_device_bench(DeviceRequest("cuda:7", TINY))


def test_tables_hold_what_was_measured(results):
    lines = [line.split() for line in device_lines(results)]
    at = [row for row in results["step"] if (row["u"], row["alive"], row["precision"]) == (0.3, 1, "bf16")]
    row, plain = (next(row for row in at if row["competitor"] == name) for name in ("torch", "plain"))
    cells = next(line for line in lines if line[:5] == ["7", "0.3", "1", "torch", "bf16"])
    assert cells[5] == f"{1e6 * row['seconds']:.0f}"
    assert cells[7] == f"{plain['seconds'] / row['seconds']:.2f}"
    assert cells[8] == "-"  # nothing was compiled
    sequences = [line for line in lines if line[2:3] == [f"{results['sequence'][0]['minutes']:.1f}"]]
    assert sequences


def test_results_go_to_stdout_and_the_plot_to_its_file(capsys, tmp_path, monkeypatch, results):
    monkeypatch.setattr("prunescope.bench.device.suite.run_device_bench", lambda request, say: results)
    plot = tmp_path / "steps.png"
    print_device_bench(DeviceRequest("cpu", TINY), plot, as_json=True)
    out, error = capsys.readouterr()
    assert json.loads(out) == results
    assert f"wrote {plot}" in error
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert json.loads(plot.with_suffix(".json").read_text()) == results
