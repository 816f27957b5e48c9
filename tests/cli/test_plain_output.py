"""What the command line prints of names that hold control characters, other alphabets and bytes that are not UTF-8."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import polars
import pytest

import tiny
from prunescope.cli import main
from prunescope.cli.plain_output import PlainStream, own_stream, plain_streams, shown
from prunescope.runs.directory import Run

FIELDS = ["data.source=npz", "data.validation=60", "network.hidden=[8]", "train.steps=4", "train.batch=20"]
FIELDS += ["train.eval_every=2", "prune.levels=1", "prune.rewind_step=1", "run.threads=1"]


class Terminal(io.TextIOWrapper):
    """A terminal with the encoding of its ``buffer``."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a\rb\x08c\x7f\x9b", r"a\rb\x08c\x7f\x9b"),
        ("\u202eevil\u2066\u2028", r"\u202eevil\u2066\u2028"),
        ("é😀 e\u0301\ttab\nline", "é😀 e\u0301\ttab\nline"),
    ],
)
def test_control_characters_are_shown_as_escapes(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("kind", "encoding", "expected"),
    [
        (io.TextIOWrapper, "utf-8", "é😀 \\x1b|".encode() + b"\xff|"),
        (io.TextIOWrapper, "ascii", b"\\xe9\\U0001f600 \\x1b|\xff|"),
        (io.TextIOWrapper, "latin-1", b"\xe9\\U0001f600 \\x1b|\xff|"),
        (Terminal, "utf-8", "é😀 \\x1b|\\udcff|".encode()),
        (Terminal, "ascii", b"\\xe9\\U0001f600 \\x1b|\\udcff|"),
    ],
)
def test_every_text_can_be_printed_in_every_encoding(kind, encoding, expected):
    stream = kind(io.BytesIO(), encoding=encoding)
    print("é😀 \x1b|\udcff|", end="", file=PlainStream(stream))
    stream.flush()
    assert stream.buffer.getvalue() == expected


def test_streams_are_those_of_before_after_a_verb():
    before = sys.stdout, sys.stderr
    with plain_streams(), plain_streams():
        assert own_stream(sys.stdout) is before[0]
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere file names are text")
def test_a_run_of_a_folder_of_any_name_goes_through_every_verb(tmp_path, capfd):
    place = tmp_path / os.fsdecode("é😀\n\x1b[31m%#$x_1$'\"\\<script>| ".encode() + b"\xff")
    place.mkdir()
    images = tiny.write_images(place / "im\udcfe $x$.npz", 60, 60)

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        written = capfd.readouterr()
        assert ended.value.code == 0, written.err
        assert "\x1b" not in written.out + written.err
        return written.out

    call("run", "quickstart", f"data.root={images}", *FIELDS, "--out", place / "runs")
    [path] = (place / "runs").glob("*/seed-0")
    run = Run(path)
    assert run.status == "done"
    assert run.experiment.data.root_path == images
    again = place / "again"
    call("run", path / "experiment.toml", "--out", again)  # the same, by the file of the run
    assert [str(found.relative_to(again)) for found in again.glob("*/seed-0")] == [
        str(path.relative_to(place / "runs"))
    ]
    call("run", "quickstart", f"data.root={images}", *FIELDS, "--out", place / "runs")  # it is done
    shuffled = ["prune.method=random", "prune.layout=shuffle", f"prune.like={path.parent}/seed-{{seed}}"]
    call("run", "quickstart", f"data.root={images}", *FIELDS, *shuffled, "--out", place / "runs")
    assert "locality" in call("show", path)
    call("show", place / "runs")
    call("observe", path)
    assert "| quickstart-" in call("compare", path, "--markdown")
    call("report", path)
    call("figure", "levels", path, "--out", place / "figures")
    assert (place / "figures" / "figure-levels.csv").read_text("utf-8").startswith("experiment,")
    call("table", place / "runs")
    [stored, _] = polars.read_parquet((place / "runs" / "runs.parquet").read_bytes())["path"].unique()
    assert stored.startswith("file:///")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_verbs_print_to_every_encoding(finished_run, tmp_path, encoding):
    place = tmp_path / "画"
    place.symlink_to(finished_run.path)
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", "from prunescope.cli import main; main()", "show", place],
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0
    assert rb"\u753b: tiny" in done.stdout


def test_a_figure_draws_any_text(tmp_path, recwarn):
    from matplotlib.figure import Figure

    from prunescope.figures.parts.drawing import Drawing, write
    from prunescope.figures.parts.texts import quiet_about_glyphs

    names = [
        "$\\frac$",
        "$u$",
        "$a$ $",
        "😀",
        "\x01\x1b[31m",
        "\ud800\udcff",
        "\\",
        "_^{",
        "画\u202e",
        "a\nb",
    ]
    figure = Figure()
    axes = figure.subplots()
    for name in names:
        axes.plot([0, 1], label=name)
    axes.set_title(" ".join(names))
    axes.set_xticks(np.arange(len(names)), names)
    axes.legend()
    with quiet_about_glyphs():
        written = write(
            Drawing(figure, polars.DataFrame({"a": [1]}), notes=("$\\frac$ 😀",)), tmp_path, "odd"
        )
    assert [path.name for path in written] == ["odd.pdf", "odd.png", "odd.csv"]
    assert not recwarn.list


def test_a_foreign_run_writes_no_escape_sequences(finished_run, tmp_path, capfd):
    path = shutil.copytree(finished_run.path, tmp_path / "seed-\x1b]0;owned\x07")
    about = finished_run.about | {"ended": "\x1b[2J\u202e\ud800"}
    about["data"]["notes"] = ["\x9b31m\x08\r"]
    (path / "run.json").write_text(json.dumps(about), "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["show", str(path)])
    written = capfd.readouterr().out
    assert ended.value.code == 0
    assert not set("\x1b\x07\u202e\x9b\x08\r") & set(written)
    assert r"ended: \x1b[2J\u202e" in written


def test_a_wrong_path_is_said_without_escape_sequences(tmp_path, capfd):
    with pytest.raises(SystemExit) as ended:
        main(["show", str(tmp_path / "\x1b[2J")])
    assert ended.value.code == 2
    assert r"\x1b[2J: no such file or folder" in capfd.readouterr().err


def test_a_name_that_is_too_long_is_refused_in_one_line(tmp_path, capfd):
    images = tiny.write_images(tmp_path / f"{'n' * 240}.npz", 60, 60)
    command = ["run", "quickstart", f"data.root={images}", *FIELDS, "--out", str(tmp_path / "runs")]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "choose another name or data.name" in capfd.readouterr().err
