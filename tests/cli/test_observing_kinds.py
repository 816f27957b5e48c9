"""The options of `observe` for kinds of layers: run with `pytest tests/cli/test_observing_kinds.py`."""

import json
from functools import partial

import numpy as np
import pytest

import commands
from prunescope.cli.elsewhere import parsed_grid
from prunescope.errors import InputError
from prunescope.observables import measure

RNG = np.random.default_rng(0)


@pytest.fixture
def called(capsys):
    """Do a command line; returns exit code, stdout, stderr."""

    return partial(commands.called, capsys, "observe")


def test_options_say_what_a_file_does_not(called, tmp_path):
    patches = RNG.random((20, 48)) < 0.3
    last = patches.reshape(20, 3, 4, 4).transpose(0, 2, 3, 1).reshape(20, 48)
    np.savez(
        tmp_path / "masks.npz",
        **{
            "embed.1": last,
            "blocks.0.mlp_tokens.fc1": RNG.random((16, 40)) < 0.3,
            "blocks.0.attn.qkv": RNG.random((48, 16)) < 0.3,
        },
    )
    options = ("--patch", "4", "--pixels", "hwc", "--tokens", "5x8", "--heads", "4")
    code, stdout, _ = called(tmp_path / "masks.npz", *options, "--json")
    embed, tokens, attention = json.loads(stdout)
    assert code == 0
    assert [one["kind"] for one in (embed, tokens, attention)] == ["patches", "tokens", "attention"]
    assert embed["locality"]["value"] == measure(patches, (3, 4, 4)).locality.value
    assert tokens["locality"]["value"] > 0
    assert attention["head_ratio"]["null_mean"] == 1.0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--heads", "0", "--heads is 0: give a number above 0"),
        ("--tokens", "14", "--tokens is '14': give HxW, as in 14x14"),
        ("--pixels", "rgb", "--pixels is 'rgb': give chw or hwc"),
    ],
)
def test_options_that_are_nothing_are_refused_in_a_line(tmp_path, called, option, value, words):
    np.save(tmp_path / "mask.npy", np.ones((4, 4), bool))
    code, _, stderr = called(tmp_path / "mask.npy", option, value)
    assert code == 2
    assert words in stderr


def test_a_grid_is_two_numbers():
    assert parsed_grid("14x7") == (14, 7)
    for wrong in ("14", "0x4", "4x4x4", "x"):
        with pytest.raises(InputError, match="give HxW"):
            parsed_grid(wrong)
