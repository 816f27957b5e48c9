"""Names of devices, read without torch: run with `pytest tests/experiment/test_device.py`."""

import subprocess
import sys

import pytest

from prunescope.errors import InputError
from prunescope.experiment.device import DeviceName, read_device

NUMBERED = "a card is numbered from 0, as in cuda:0"
KINDS = "use cpu, cuda, or cuda:0, cuda:1, … for one of several cards"
WRONG = {
    "gpu": "did you mean 'cuda'?",
    "GPU:2": "did you mean 'cuda:2'?",
    "CUDA": "did you mean 'cuda'?",
    " cuda ": "did you mean 'cuda'?",
    "cuda:": "did you mean 'cuda'?",
    "cuda1": "did you mean 'cuda:1'?",
    "cuda 1": "did you mean 'cuda:1'?",
    "cuda:01": "did you mean 'cuda:1'?",
    "1": "did you mean 'cuda:1'?",
    "auto": "did you mean 'cuda'?",
    "cuda:x": NUMBERED,
    "cuda:-1": NUMBERED,
    "cuda:²": NUMBERED,
    "cuda:٣": NUMBERED,
    "cuda:1.0": NUMBERED,
    "cuda:0:1": NUMBERED,
    "cuda:12345": NUMBERED,
    "cuda:0,1": "several cards take several runs",
    "cpu:1": "use cpu, and run.threads for their number",
    "meta": "nothing can be computed there",
    "": KINDS,
    "²": KINDS,
    "tpu9": KINDS,
    "NVIDIA H100": KINDS,
    "/dev/nvidia0": KINDS,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_name_of_no_device_is_refused_in_one_line(name):
    with pytest.raises(InputError) as error:
        read_device(name)
    assert WRONG[name] in str(error.value)
    assert str(error.value).startswith(f"run.device is {name!r}: ")


@pytest.mark.parametrize("name", ["x" * 5000 + "!", "cu\nda", "cuda:0\n", "\x00", "💥"])
def test_odd_names_are_refused_in_one_short_line(name):
    with pytest.raises(InputError) as error:
        read_device(name)
    assert len(str(error.value).splitlines()) == 1
    assert len(str(error.value)) < 300


def test_names_are_read():
    assert read_device("cpu") == DeviceName("cpu")
    assert read_device("cpu:0") == DeviceName("cpu", 0)
    assert read_device("cuda") == DeviceName("cuda")
    assert read_device("cuda:300") == DeviceName("cuda", 300)  # not the 44 that torch makes of it
    assert read_device("hpu:1") == DeviceName("hpu", 1)


def test_no_torch_is_loaded():
    code = (
        "import sys, prunescope.experiment.device as d; d.read_device('cuda'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
