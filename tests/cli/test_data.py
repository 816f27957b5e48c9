"""These tests check what the verbs of data say about a folder of images."""

import json

import numpy as np
from PIL import Image

from commands import called


def run(capsys, *arguments):
    """Run a command that must succeed; return stdout and stderr."""
    code, stdout, stderr = called(capsys, *arguments)
    assert code == 0, stderr
    return stdout, stderr


def test_images_in_both_parts_and_what_is_left_out_are_said(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        for name in "ab":
            (tmp_path / "set" / part / name).mkdir(parents=True)
            for i in range(4):
                image = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
                image.save(tmp_path / "set" / part / name / f"{i}.png")
    (tmp_path / "set/val/a/0.png").write_bytes((tmp_path / "set/train/b/2.png").read_bytes())
    (tmp_path / "set/val/a/list.txt").write_text("0.png")
    experiment = ("quickstart", "data.source=folder", f"data.root={tmp_path / 'set'}", "data.size=8")
    stdout, stderr = run(capsys, "data", "prepare", *experiment)
    (folder,) = stdout.splitlines()
    assert "note: left out: 1 file .txt\n" in stderr
    assert "note: 1 of 8 images of the validation part are also training images, pixel by pixel" in stderr
    stdout, _ = run(capsys, "data", "info", folder)
    assert "validation_images_in_training: 1" in stdout.splitlines()
    assert "  note: left out: 1 file .txt" in stdout.splitlines()
    assert "  files: 16" in stdout.splitlines()
    assert "    … 10 more: --json lists all" in stdout.splitlines()
    assert stdout.count(".png") == 6
    stdout, _ = run(capsys, "data", "info", folder, "--json")
    assert json.loads(stdout)["validation_images_in_training"] == 1
    assert len(json.loads(stdout)["provenance"]["files"]) == 16
