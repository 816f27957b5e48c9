"""Which BLAS and which engine are taken: run with `pytest tests/native/test_choice.py`."""

import sys

import numpy as np
import pytest
import torch
from scipy.linalg import cython_blas
from threadpoolctl import threadpool_info, threadpool_limits

import tiny
from engine_cases import distance, numbers, parameters
from native.problems import error, gradients, named, needs_kernels
from prunescope.errors import InputError
from prunescope.native import blas
from prunescope.training import engine_note, make_engine, native_engine, why_not_native
from prunescope.training.native_engine import NativeEngine
from prunescope.training.torch.engine import TorchEngine

KERNELS = "prunescope.native._kernels"
NOT_BUILT = "the kernels were not built"


@pytest.fixture
def scipys_blas():
    """SciPy's, whose threads taking it limits: they are given back."""
    with threadpool_limits():  # puts back at the end what it finds now
        yield blas._in_scipy()


@pytest.fixture
def no_kernels(monkeypatch):
    monkeypatch.setitem(sys.modules, KERNELS, None)


def made(**sections):
    data = tiny.dataset()
    return make_engine(tiny.experiment(**sections), data.mean, data.live_pixels)


def test_a_blas_is_found_once():
    found = blas.find_blas()
    assert found.sgemm > 0
    assert found is blas.find_blas()


@pytest.mark.parametrize("capabilities", [{}, {"avx512_bf16": True}, {"amx_bf16": False}])
def test_without_amx_there_is_no_product_of_bfloat16_numbers(monkeypatch, capabilities):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert blas.find_blas.__wrapped__().narrow == 0


@needs_kernels
def test_with_amx_the_best_instruction_set_alone_takes_it():
    found = blas.Blas("BLAS", sgemm=1, set_threads=2, narrow=3)
    experiment = tiny.experiment(run={"engine": "native"})
    data = tiny.dataset()
    taken = {}
    for isa in ("avx512", "avx2", "baseline", "neon"):
        engine = NativeEngine(experiment, data.mean, data.live_pixels, isa=isa)
        taken[isa] = engine._narrow(found)
    assert taken == {"avx512": 3, "avx2": 0, "baseline": 0, "neon": 0}


def test_scipys_blas_stands_in_where_torch_shows_none(monkeypatch, scipys_blas):
    monkeypatch.setattr(blas, "_in_torch", lambda: None)
    assert blas.find_blas.__wrapped__() == scipys_blas
    assert (scipys_blas.name, scipys_blas.set_threads) == ("SciPy's BLAS", 0)
    assert scipys_blas.sgemm > 0
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}


def test_without_any_blas_the_torch_engine_is_named(monkeypatch):
    monkeypatch.setattr(cython_blas, "__pyx_capi__", {}, raising=False)
    with pytest.raises(InputError, match=r"no BLAS with sgemm .*use run\.engine=torch"):
        blas._in_scipy()


def test_a_torch_that_shows_no_mkl_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.setattr(torch, "__file__", str(tmp_path / "torch" / "__init__.py"))
    assert blas._in_torch() is None


def test_an_mkl_that_does_not_pack_is_used_without():
    class Library:
        sgemm_pack_ = blas.ctypes.CFUNCTYPE(None)()

    assert blas._packing(Library()) == (0, 0, 0)


@needs_kernels
@pytest.mark.parametrize(
    "name",
    [
        "u=1, several pieces of rows",
        "u=1, pieces of rows and samples",
        "u=0.85",
        "dead, dense",
        "u=1, floats",
    ],
)
def test_both_blas_give_the_same_steps(monkeypatch, scipys_blas, set_threads, name):
    problem = named(name)
    own = problem.native()
    monkeypatch.setattr(native_engine, "find_blas", lambda: scipys_blas)
    other = problem.native()
    for engine in (own, other):
        engine.step(problem.batch())
    before = problem.ticket.applied_to(problem.model)
    assert error(*(gradients(before, engine.model()) for engine in (own, other))) < 1e-5
    # with SciPy's too the bits do not depend on the number of threads
    set_threads(3)
    third = problem.native()
    third.step(problem.batch())
    found = third.state().to_arrays()
    assert all(found[k].tobytes() == v.tobytes() for k, v in other.state().to_arrays().items())


@needs_kernels
def test_auto_takes_the_native_engine_on_a_cpu():
    assert isinstance(made(), NativeEngine)
    assert isinstance(made(run={"engine": "native"}), NativeEngine)
    assert isinstance(made(network={"norm": "none"}), NativeEngine)
    assert isinstance(made(run={"engine": "torch"}), TorchEngine)
    assert why_not_native(tiny.experiment()) is None
    assert engine_note(tiny.experiment()).startswith("native (")


REASONS = [
    ({"network": {"norm": "after"}}, "network.norm is 'after'"),
    ({"run": {"device": "cpu:0"}}, "run.device is 'cpu:0'"),
]


@pytest.mark.parametrize(("sections", "reason"), REASONS)
def test_auto_takes_the_torch_engine_elsewhere_and_native_says_why_it_does_not(sections, reason):
    assert isinstance(made(**sections), TorchEngine)
    assert why_not_native(tiny.experiment(**sections)).startswith(reason)
    assert engine_note(tiny.experiment(**sections)).startswith(f"torch ({reason}")
    forced = sections | {"run": {"engine": "native"} | sections.get("run", {})}
    with pytest.raises(InputError) as refused:
        made(**forced)
    assert str(refused.value).startswith(f"run.engine=native: {reason}")


@pytest.mark.usefixtures("no_kernels")
def test_without_kernels_the_torch_engine_trains():
    assert isinstance(made(), TorchEngine)
    assert NOT_BUILT in engine_note(tiny.experiment())
    with pytest.raises(InputError, match=rf"run\.engine=native: {NOT_BUILT}"):
        made(run={"engine": "native"})


@needs_kernels
def test_the_engine_made_trains_as_the_torch_engine_does():
    from prunescope.model import Ticket, initial

    data = tiny.dataset()
    sizes = (len(data.mean), 12, 10, 3)
    engines = [made(run={"engine": engine}) for engine in ("auto", "torch")]
    for engine in engines:
        engine.start(initial(sizes, "before", 0), Ticket.dense(sizes))
        for step in range(10):
            engine.step(data.draw(0, 0, step, 50))
    assert distance(*(parameters(numbers(engine.model())) for engine in engines)) < 1e-5
    scores = [engine.evaluate(data.validation) for engine in engines]
    assert scores[0].correct == scores[1].correct
    np.testing.assert_allclose(scores[0].loss, scores[1].loss, rtol=1e-5)
