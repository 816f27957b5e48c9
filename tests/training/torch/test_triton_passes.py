"""Triton's kernels, interpreted on a CPU, against torch: run with `pytest tests/training/torch/test_triton_passes.py`."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine_cases import distance, masked, numbers, parameters
from fused_cases import TICKETS, make_case
from prunescope.data import Batch, Images
from prunescope.model import Model
from prunescope.training.torch.device_engine import DeviceEngine, Execution
from prunescope.training.torch.torch_passes import TorchPasses, scores
from reference.descent import Descent
from reference.network import Network

pytest.importorskip("triton", reason="Triton is not installed: prunescope[gpu]")

from prunescope.training.torch import triton_passes
from prunescope.training.torch.triton_passes import TritonPasses

OPTIMIZERS = ["sgd", "momentum", "adam"]
PRECISIONS = ["float32", "tf32", "bf16"]
# What a step leaves: of each layer as it is, and of each layer in partial sums.
NUMBERS = ("inputs", "scale", "inverse", "centre", "folded", "total", "gradient", "shift", "live")
PARAMETERS = tuple(f"lasting {number} " for number in range(4))
PARTS = ("sums", "by_gamma", "by_beta")
SCRATCH = (
    "inputs",
    "means",
    "squares",
    "scale",
    "inverse",
    "centre",
    "floor",
    "folded",
    "total",
    "gradient",
    *PARTS,
)
# One rounding apart of the largest entry, where a sum that is a little different is rounded to an operand.
ROUNDING = {"float32": 2e-5, "tf32": 2**-10, "bf16": 2**-7}


class Truncating(TorchPasses):
    """Cuts off what bfloat16 has not, as Triton's interpreter does; cards round to nearest."""

    def _operand(self, x):
        return (x.view(torch.int32) & -65536).view(torch.float32)


def engine(case, passes, optimizer="sgd", precision="float32", ticket=None, live=None):
    live = case.live if live is None else live
    made = DeviceEngine(
        case.experiment(optimizer, precision),
        case.mean,
        live,
        execution=Execution(None, passes(precision == "tf32")),
    )
    made.start(case.model, ticket or case.ticket)
    return made


def left(made):
    """Return all that a step leaves, by name."""
    step, found = made._level, {}
    for index, layer in enumerate(step.layers):
        for name in NUMBERS:
            found[f"{name} {index}"] = getattr(layer, name).float()
        for name in PARTS:
            found[f"{name} {index}"] = getattr(layer, name).sum(0)
        for number, tensor in enumerate(layer.lasting):
            found[f"lasting {number} {index}"] = tensor
        if index:
            found[f"floor {index}"] = layer.floor.float()
    found["loss"] = step._losses.sum()
    found["counts"] = step._counts
    return found


def near(own, other, rounding, where):
    own, other = own.double(), other.double()
    assert torch.isfinite(other).all(), where
    # Inputs and their means are differences of activations, which have the rounding of these.
    least = 1e-6 if where.startswith(("inputs", "centre")) else 1e-12
    allowed = rounding * other.abs().max() + least
    assert own.shape == other.shape, where
    assert (own - other).abs().max() <= allowed, where


def compare(case, batches, optimizer, precision, **start):
    """Execute a second step by both passes and compare everything that it leaves; return the engine with the kernels."""
    plain = Truncating if precision == "bf16" else TorchPasses
    first, second = (engine(case, passes, optimizer, precision, **start) for passes in (TritonPasses, plain))
    second.step(batches[0])
    state = second.state()
    for made in (first, second):
        made.restore(state)
        made.step(batches[1])
    found, expected = left(first), left(second)
    for name, other in expected.items():
        if optimizer == "adam" and name.startswith(PARAMETERS):
            # Where a gradient is nearly 0, Adam divides rounding by rounding.
            assert (found[name] - other).norm() < max(5e-4, ROUNDING[precision]) * other.norm(), name
        else:
            near(found[name], other, ROUNDING[precision], name)
    return first


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("sizes", "kind", "batch", "optimizer"),
    [
        ((70, 20, 3), "dense", 1, "sgd"),
        ((65, 130, 7, 5), "sparse", 63, "momentum"),
        ((130, 64, 65, 11), "dying", 64, "adam"),
        ((30, 100, 129), "biases", 65, "sgd"),
        ((100, 70, 30, 66), "sparse", 130, "adam"),
        ((64, 30, 4), "dense", 1000, "momentum"),
    ],
)
def test_every_kernel_leaves_what_the_passes_of_torch_leave(sizes, kind, batch, optimizer, precision):
    case = make_case(sizes, kind, batch)
    compare(case, case.batches(2), optimizer, precision)


def test_the_first_step_begins_the_averages_and_units_without_variance_have_no_inverse():
    case = make_case((70, 20, 10, 3), "dense", 5)
    layers = list(case.model.layers)
    bias = layers[0].bias.copy()
    bias[:4] = -1000.0  # so that these units are silent for each image
    layers[0] = replace(layers[0], bias=bias)
    first, second = (engine(case, passes) for passes in (TritonPasses, TorchPasses))
    for made in (first, second):
        made.start(Model(tuple(layers)), case.ticket)
        made.step(case.batches(1)[0])
    inverse = first._level.layers[1].inverse[:20]
    assert inverse[:4].tolist() == [0, 0, 0, 0]
    assert inverse[4:].any()
    found, expected = left(first), left(second)
    for name, other in expected.items():
        near(found[name], other, ROUNDING["float32"], name)


class Launches:
    """The module of kernels, which notes the options that each is launched with."""

    def __init__(self, module):
        self._module, self.options = module, {}

    def __getattr__(self, name):
        outer = self

        class Launched:
            def __getitem__(self, grid):
                def launch(*arguments, **options):
                    outer.options[name] = options
                    return getattr(outer._module, name)[grid](*arguments, **options)

                return launch

        return Launched()


def test_every_kernel_says_whether_products_and_sums_are_fused(monkeypatch):
    launches = Launches(triton_passes.kernels)
    monkeypatch.setattr(triton_passes, "kernels", launches)
    case = make_case((70, 20, 3), "sparse", 5)
    engine(case, TritonPasses).step(case.batches(1)[0])
    TritonPasses(False).score(torch.zeros(5, 3), torch.zeros(5, dtype=torch.int64))
    assert set(launches.options) == KERNELS
    assert all(options["enable_fp_fusion"] is True for options in launches.options.values())


@pytest.mark.parametrize(("classes", "warps"), [(2, 4), (4096, 4), (4097, 8), (16_384, 16)])
def test_rows_of_many_classes_are_shared_by_more_threads(classes, warps):
    assert TritonPasses(False)._loss_warps(classes) == warps


def test_more_classes_than_a_program_holds_are_scored_by_torch(monkeypatch):
    monkeypatch.setattr(triton_passes, "MOST_CLASSES", 64)
    monkeypatch.setattr(triton_passes, "kernels", Without(triton_passes.kernels, "loss", "score"))
    case = make_case((70, 20, 65), "dense", 67)
    compare(case, case.batches(2), "momentum", "tf32")
    logits, labels = torch.randn(30, 65), torch.arange(30)
    assert torch.equal(TritonPasses(False).score(logits, labels), scores(logits, labels))


class Without:
    """A module without some of its names."""

    def __init__(self, module, *names):
        self._module, self._names = module, names

    def __getattr__(self, name):
        assert name not in self._names
        return getattr(self._module, name)


@pytest.mark.parametrize("floats", [False, True], ids=["bytes", "floats"])
@pytest.mark.parametrize("whole", [False, True], ids=["chosen", "whole"])
def test_images_are_gathered_from_all_columns_or_some_as_bytes_or_floats(whole, floats):
    case = make_case((128, 20, 3), "dense", 70)
    batches = case.batches(2)
    live = np.ones(128, bool) if whole else case.live
    pixels = np.random.default_rng(0).integers(0, 200, batches[0].pixels.shape).astype(np.uint8)
    pixels[:, ~live] = 7
    if floats:
        inputs = ((pixels - case.mean) / 255).astype(np.float32)
        batches = [Batch(inputs[b.indices], np.arange(70), b.labels) for b in batches]
    else:
        batches = [replace(b, pixels=pixels) for b in batches]
    first = compare(case, batches, "sgd", "float32", live=live)
    assert first._level.layers[0].place.whole is whole


@pytest.mark.parametrize(("kind", "optimizer"), list(zip(TICKETS, OPTIMIZERS * 2, strict=True)))
def test_the_kernels_are_the_slow_step(kind, optimizer):
    case = make_case((70, 40, 10, 5), kind, 67)
    made, cpu = engine(case, TritonPasses, optimizer), case.reference(optimizer)
    network = Network(numbers(case.ticket.applied_to(case.model)), case.live)
    masked(network, case.ticket)
    rate, momentum = case.experiment(optimizer).train.lr, 0.8
    slow, start = Descent(network, optimizer, rate, momentum), numbers(case.ticket.applied_to(case.model))
    for batch in case.batches(2):
        made.step(batch)
        cpu.step(batch)
        assert made.take_loss() == pytest.approx(slow.step(case.inputs(batch), batch.labels), rel=1e-4)
    moved, of_cpu, expected = (
        [own - first for own, first in zip(parameters(layers), parameters(start), strict=True)]
        for layers in (numbers(made.model()), numbers(cpu.model()), network.layers)
    )
    least = 0.05 if optimizer == "adam" else 1e-4
    assert distance(moved, expected) < max(least, 4 * distance(of_cpu, expected))


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize(
    ("kind", "optimizer"), [("dense", "sgd"), ("dying", "adam"), ("one weight", "momentum")]
)
def test_everything_that_is_read_was_written(kind, optimizer, precision):
    case = make_case((70, 66, 5), kind, 70)
    plain, poisoned = (engine(case, TritonPasses, optimizer, precision) for _ in range(2))
    batches = case.batches(2)
    plain.steps(batches)
    poisoned._fed(batches[0])
    step = poisoned._level
    step._losses.fill_(float("nan"))
    step._corrections.fill_(float("nan"))
    for layer in step.layers:
        for name in SCRATCH:
            getattr(layer, name).fill_(float("nan"))
    poisoned.steps(batches)
    expected = plain.state().to_arrays()
    for name, array in poisoned.state().to_arrays().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
        assert np.isfinite(array).all()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_no_kernel_hides_what_overflowed(layer, precision):
    case = make_case((70, 20, 10, 3), "dense", 65)
    layers = list(case.model.layers)
    layers[layer] = replace(layers[layer], weight=np.full_like(layers[layer].weight, 3e38))
    made = engine(case, TritonPasses, "sgd", precision)
    made.start(Model(tuple(layers)), case.ticket)
    batches = case.batches(2)
    with np.errstate(all="ignore"):
        made.steps(batches)
        score = made.evaluate(Images(batches[0].pixels, np.zeros(len(batches[0].pixels), np.int64)))
    assert np.isnan(made.take_loss())
    assert np.isnan(score.loss)


@pytest.mark.filterwarnings("ignore:All-NaN slice encountered")
@pytest.mark.parametrize("classes", [1, 2, 3, 4, 5, 7, 64, 130])
@pytest.mark.parametrize("batch", [1, 7, 8, 9, 33])
def test_scores_are_those_of_torch(batch, classes):
    rng = np.random.default_rng(batch + classes)
    # Equal logits are frequent, and rows are longer than the classes.
    whole = torch.from_numpy(rng.integers(0, 6, (batch, classes + 3)).astype(np.float32) / 2)
    logits, labels = whole[:, :classes], torch.from_numpy(rng.integers(0, classes, batch))
    found, expected = TritonPasses(False).score(logits, labels), scores(logits, labels)
    assert found.dtype == torch.float64
    assert found[:2].tolist() == expected[:2].tolist()
    assert found[2].item() == pytest.approx(expected[2].item(), rel=1e-5, abs=1e-6)
    logits[batch // 2] = float("nan")
    with np.errstate(invalid="ignore"):
        found, expected = TritonPasses(False).score(logits, labels), scores(logits, labels)
    assert found[:2].tolist() == expected[:2].tolist()
    assert np.isnan(found[2].item())
    assert np.isnan(expected[2].item())


KERNELS = {"gather", "normalise", "fold", "activate", "loss", "update", "back", "update_norm", "score"}


@pytest.mark.long
@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="Triton's compiler is for Linux on x86-64",
)
@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_without_a_card(capability, tmp_path):
    script = Path(__file__).with_name("compile_kernels.py")
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(script.parents[2])}
    del environment["TRITON_INTERPRET"]
    command = [sys.executable, str(script), str(capability)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    compiled = json.loads(done.stdout)
    assert {kernel for kernel, _ in compiled} == KERNELS
    assert all(size > 0 for _, size in compiled)
