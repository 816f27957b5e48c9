"""Devices and what their errors mean, with a CUDA that is put on: run with `pytest tests/training/torch/test_device.py`."""

import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError

import pytest
import torch

import tiny
from prunescope.errors import InputError
from prunescope.training import check_place, make_engine
from prunescope.training.torch import device
from prunescope.training.torch.device import (
    DeviceLostError,
    DeviceMemoryError,
    check_device,
    device_errors,
    device_name,
    driver_versions,
    fault,
    find_device,
    free_memory,
    open_device,
)

GB = 10**9
ZEROS = torch.zeros
H100 = "NVIDIA H100 80GB HBM3"
ADVICE = "\nCUDA kernel errors might be asynchronously reported at some other API call.\nFor debugging consider …\n"
Accelerator = getattr(torch, "AcceleratorError", RuntimeError)


class Cards:
    """Stands in for torch.cuda, with these cards, and counts what it is asked."""

    def __init__(self, monkeypatch, names=(H100,), capability=(9, 0), free=3 * GB):
        self.asked = 0
        self.first = None  # the error of the first number that is computed
        self.lost = False

        def index(where):
            if self.lost:
                raise Accelerator("CUDA error: unspecified launch failure")
            self.asked += 1
            return torch.device(where).index or 0

        def first_number(*sizes, device):
            index(device)
            if self.first is not None:
                raise self.first
            return ZEROS(*sizes)

        for name, value in {
            "is_available": lambda: bool(names),
            "device_count": lambda: len(names),
            "get_device_name": lambda where: names[index(where)],
            "get_device_capability": lambda where: (index(where), capability)[1],
            "mem_get_info": lambda where: (free + index(where), 80 * GB),
            "memory_reserved": lambda where: 2 * GB,
            "memory_allocated": lambda where: GB,
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)
        monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
        monkeypatch.setattr(torch, "zeros", first_number)


@pytest.fixture
def cards(monkeypatch):
    """Make torch believe that there are these cards."""
    device_name.cache_clear()
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield lambda *names, **facts: Cards(monkeypatch, names, **facts)
    device_name.cache_clear()


def refused(name, precision="float32"):
    with pytest.raises(InputError) as error:
        check_device(name, precision)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_a_cpu_is_there_without_a_question():
    assert open_device("cpu") == open_device("cpu:0") == torch.device("cpu")
    assert device_name("cpu") == device_name("cpu:0") == "cpu"
    assert driver_versions("cpu") == {}


def test_versions_of_the_driver_and_of_the_compiler_are_known(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(device, "version", {"triton": "3.6.0"}.__getitem__)
    assert driver_versions("cuda:1") == {"cuda": "13.0", "triton": "3.6.0"}

    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(device, "version", missing)
    assert driver_versions("cuda") == {"cuda": "13.0"}
    assert free_memory("cpu") > 0


def test_a_card_is_there(cards):
    cards(H100, "NVIDIA A100")
    assert open_device("cuda") == torch.device("cuda")
    assert open_device("cuda:1") == torch.device("cuda:1")
    assert device_name("cuda") == H100
    assert device_name("cuda:1") == "NVIDIA A100"
    assert free_memory("cuda") == 4 * GB  # what the card has and what torch keeps


def test_a_card_can_be_found_without_using_it(cards):
    there = cards(H100, capability=(7, 0))
    there.first = RuntimeError("it was used")
    assert find_device("cuda") == torch.device("cuda")
    check_place(tiny.experiment(run={"device": "cuda:0"}), use=False)
    with pytest.raises(InputError, match="it was used"):
        check_place(tiny.experiment(run={"device": "cuda:0"}))
    with pytest.raises(InputError, match=r"has 7\.0"):
        check_place(tiny.experiment(run={"device": "cuda"}, train={"precision": "bf16"}), use=False)
    with pytest.raises(InputError, match="there is cuda:0"):
        check_place(tiny.experiment(run={"device": "cuda:1"}), use=False)


def test_a_card_beyond_the_last_is_refused_with_those_that_are_there(cards):
    cards(H100)
    for name in ("cuda:1", "cuda:7", "cuda:300"):
        assert refused(name) == f"run.device is '{name}': there is cuda:0 ({H100})"
    cards(H100, "NVIDIA A100")
    device_name.cache_clear()
    assert refused("cuda:7") == f"run.device is 'cuda:7': there are cuda:0 ({H100}), cuda:1 (NVIDIA A100)"


def test_a_torch_without_cuda_is_named(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    expected = f"run.device is 'cuda': torch {torch.__version__} was built without CUDA; use cpu"
    assert refused("cuda") == expected


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "Found no NVIDIA driver on your system. Please check that you …",
            "Found no NVIDIA driver on your system",
        ),
        (
            "The NVIDIA driver on your system is too old (found version 11040). Please update …",
            "The NVIDIA driver on your system is too old (found version 11040)",
        ),
        ("No CUDA GPUs are available", "No CUDA GPUs are available"),
        (
            "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before? Error 802: system not yet "
            "initialized",
            "Error 802: system not yet initialized",
        ),
    ],
)
def test_why_there_is_no_card_is_said(cards, monkeypatch, said, reason):
    cards()

    def init():
        raise RuntimeError(said)

    def warns():
        warnings.warn("CUDA initialization: …", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "is_available", warns)
    assert refused("cuda") == f"run.device is 'cuda': {reason}; use cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert refused("cuda:0") == f"run.device is 'cuda:0': {reason} (CUDA_VISIBLE_DEVICES is '-1'); use cpu"


def test_no_card_without_an_error_is_said(cards, monkeypatch):
    cards()
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert refused("cuda") == "run.device is 'cuda': no CUDA card is here; use cpu"


@pytest.mark.parametrize("name", ["mps", "xpu", "xpu:1"])
def test_other_devices_that_are_not_there_are_refused(monkeypatch, name):
    monkeypatch.setattr(device, "_is_available", lambda kind: False)
    assert (
        refused(name) == f"run.device is '{name}': torch {torch.__version__} has no such device here; use cpu"
    )


@pytest.mark.parametrize("name", ["hpu", "xla", "none", "privateuseone", "vulkan", "x" * 400])
def test_devices_that_torch_cannot_use_are_refused(name):
    assert refused(name).endswith("torch has no such device here; use cpu")


def test_a_card_that_is_full_or_too_old_or_broken_is_refused(cards):
    there = cards(H100, capability=(3, 5))
    there.first = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")
    assert refused("cuda") == (
        f"run.device is 'cuda': {H100} (cuda) has no memory left, other programs have it; use another card, or cpu"
    )
    there.first = Accelerator(f"CUDA error: no kernel image is available for execution on the device{ADVICE}")
    assert refused("cuda") == (
        f"run.device is 'cuda': torch {torch.__version__} was not built for {H100} (cuda), of compute capability 3.5; "
        "install one that was, or use cpu"
    )
    there.first = RuntimeError(f"CUDA error: CUDA-capable device(s) is/are busy or unavailable{ADVICE}")
    assert refused("cuda:0") == (
        f"run.device is 'cuda:0': {H100} (cuda:0) cannot be used (CUDA error: CUDA-capable device(s) is/are busy or "
        "unavailable); use another card, or cpu"
    )


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_precision_that_a_card_lacks_is_refused(cards, precision):
    cards("Tesla V100", capability=(7, 0))
    check_device("cuda", "float32")
    assert refused("cuda", precision) == (
        f"train.precision={precision} needs compute capability 8.0 (Ampere); Tesla V100 has 7.0: use float32"
    )
    device_name.cache_clear()
    cards("NVIDIA A100", capability=(8, 0))
    check_device("cuda", precision)


def test_tf32_is_refused_on_a_cpu_by_every_engine():
    data = tiny.dataset()
    for engine in ("auto", "torch", "native"):
        chosen = tiny.experiment(train={"precision": "tf32"}, run={"engine": engine})
        with pytest.raises(
            InputError, match=r"train\.precision=tf32 needs an NVIDIA card; run\.device is 'cpu'"
        ):
            make_engine(chosen, data.mean, data.live_pixels)
    check_place(tiny.experiment(train={"precision": "bf16"}))


def test_the_native_engine_is_refused_on_a_card_before_the_card_is_asked_for():
    with pytest.raises(
        InputError, match=r"^run\.engine=native: run\.device is 'cuda'; the native engine runs on a CPU$"
    ):
        check_place(tiny.experiment(run={"engine": "native", "device": "cuda"}))


MEMORY = [
    torch.cuda.OutOfMemoryError(
        "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of …"
    ),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    RuntimeError(f"CUDA error: out of memory{ADVICE}"),
    Accelerator(f"CUDA error: out of memory{ADVICE}"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB)"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
        "40000000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
]
LOST = [
    text + ADVICE
    for text in (
        "CUDA error: unspecified launch failure",
        "CUDA error: an illegal memory access was encountered",
        "CUDA error: uncorrectable ECC error encountered",
        "CUDA error: device-side assert triggered",
        "CUDA error: misaligned address",
        "CUDA error: the launch timed out and was terminated",
        "CUDA error: unknown error",
        "CUDA driver error: device not ready",
        "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(…)`",
        "CUDA error: CUBLAS_STATUS_INTERNAL_ERROR when calling `cublasLtMatmul(…)`",
        "Triton Error [CUDA]: an illegal memory access was encountered",
        "HIP error: the operation cannot be performed in the present state",
    )
]
OTHERS = [
    RuntimeError("CUDA error: operation not permitted when stream is capturing"),
    Accelerator(f"CUDA error: operation failed due to a previous error during capture{ADVICE}"),
    Accelerator("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("CUDA error: invalid configuration argument"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx(…)`"),
    RuntimeError("Triton Error [CUDA]: invalid argument"),
    RuntimeError("Triton Error [CUDA]: the provided PTX was compiled with an unsupported toolchain."),
    RuntimeError("Triton Error [CUDA]: device kernel image is invalid"),
    RuntimeError("PassManager::run failed"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
    RuntimeError("Expected all tensors to be on the same device, but found cuda:0 and cpu!"),
    ValueError("CUDA out of memory"),
    MemoryError("out of memory"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("error", MEMORY, ids=str)
def test_too_little_memory_is_known(error):
    assert fault(error) == "memory"


@pytest.mark.parametrize("text", LOST)
def test_a_device_that_has_failed_is_known(text):
    assert fault(RuntimeError(text)) == fault(Accelerator(text)) == "device"


def test_an_unknown_error_of_an_accelerator_is_a_device_that_has_failed():
    if Accelerator is not RuntimeError:
        assert fault(Accelerator("something new")) == "device"
    assert fault(RuntimeError("something new")) == "other"


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_are_raised_as_they_are(error):
    assert fault(error) == "other"
    with pytest.raises(type(error)) as raised, device_errors("cpu"):
        raise error
    assert raised.value is error


def test_what_did_not_fit_is_said_with_what_is_free(cards):
    cards(H100, free=GB // 4)
    with pytest.raises(DeviceMemoryError) as raised, device_errors("cuda"):
        raise MEMORY[0]
    assert str(raised.value) == (
        f"there is too little memory on {H100} (cuda): 2.7 GB more were needed, 1.2 GB are free; free some and run the same "
        "command to go on from what was saved, or use another card, run.device=cpu or a smaller train.batch"
    )
    assert raised.value.__cause__ is MEMORY[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Tried to allocate 20.00 MiB (GPU 0; …)", "0.021 GB more were needed"),
        ("tried to allocate 40000000000000 bytes. Error", "40,000.0 GB more were needed"),
        ("Tried to allocate more than 1EB memory", "out of memory: Tried to allocate more than 1EB memory"),
        ("", "out of memory:"),
    ],
)
def test_what_was_asked_for_is_read(text, said):
    with pytest.raises(DeviceMemoryError) as raised, device_errors("cpu"):
        raise RuntimeError(f"out of memory: {text}")
    assert f"there is too little memory: {said}" in str(raised.value)
    assert "use a smaller train.batch or a smaller network" in str(raised.value)


def failing(there, error):
    """Fail like a card that answers no question afterwards."""
    there.lost, there.asked = True, 0
    raise error


def test_nothing_is_asked_of_a_card_that_has_failed(cards):
    there = cards(H100)
    open_device("cuda")
    with pytest.raises(DeviceLostError) as raised, device_errors("cuda"):
        failing(there, Accelerator(LOST[0]))
    assert str(raised.value) == (
        f"{H100} (cuda) failed: CUDA error: unspecified launch failure; what was saved is kept: the same command goes on from "
        "there"
    )
    assert there.asked == 0


def test_a_card_that_cannot_even_tell_its_name_hides_no_error(cards):
    there = cards(H100)
    there.lost = True
    illegal = "^cuda failed: CUDA error: an illegal memory access was encountered; "
    with pytest.raises(DeviceLostError, match=illegal), device_errors("cuda"):
        failing(there, RuntimeError(LOST[1]))
    full = "too little memory on cuda: CUDA out of memory; free some"
    with pytest.raises(DeviceMemoryError, match=full), device_errors("cuda"):
        failing(there, RuntimeError("CUDA out of memory."))


def test_what_the_block_returns_or_stops_with_passes():
    with device_errors("cpu"):
        pass
    with pytest.raises(StopIteration), device_errors("cpu"):
        raise StopIteration(3)


needs_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card is here")
BREAKS = """
import torch
from prunescope.training.torch.device import device_errors
with device_errors("cuda"):
    torch.zeros(3, device="cuda")[torch.tensor([5], device="cuda")].sum().item()
"""


@needs_card
def test_a_real_card_is_there():
    check_device("cuda", "float32")
    assert device_name("cuda") == torch.cuda.get_device_properties(0).name
    assert 0 < free_memory("cuda") <= torch.cuda.get_device_properties(0).total_memory
    assert driver_versions("cuda").items() >= {"cuda": torch.version.cuda}.items()
    count = torch.cuda.device_count()
    assert refused(f"cuda:{count}").startswith(f"run.device is 'cuda:{count}': there ")


@needs_card
def test_a_real_card_has_too_little_memory():
    with (
        pytest.raises(DeviceMemoryError, match=r"4,000\.0 GB more were needed, .* GB are free"),
        device_errors("cuda"),
    ):
        torch.empty(10**12, device="cuda")


@needs_card
def test_a_real_card_fails():
    done = subprocess.run([sys.executable, "-c", BREAKS], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("prunescope.training.torch.device.DeviceLostError: "), done.stderr
    assert "failed: CUDA error: device-side assert triggered; what was saved is kept" in last
