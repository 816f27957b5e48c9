"""A run that somebody else made runs no code, is not written to, and reaches nothing that it names when it is shown."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from prunescope.runs.directory import Run
from stored_runs import claim

# What the process does is recorded by audit hooks; its verbs end by SystemExit.
PROGRAM = """
import os, sys
run, out, marked = sys.argv[1:]
found = []

def record(event, arguments):
    if event == "import" and "evil" in str(arguments[0]):
        found.append((event, arguments[0]))
    elif event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        found.append((event, str(arguments)))
    elif event == "open" and marked in str(arguments[0]):
        found.append((event, str(arguments)))
    elif event in ("os.remove", "os.rename", "os.rmdir") and run in str(arguments[0]):
        found.append((event, str(arguments)))
    elif ".track-tensorboard.lock" in str(arguments[:1]):
        pass  # two processes send a run to a tracker one after the other
    elif event == "open" and run in str(arguments[0]) and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            found.append((event, str(arguments)))
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn") and "fc-list" not in str(arguments):
        found.append((event, str(arguments)))

sys.addaudithook(record)
from prunescope.cli import main

for verb in (
    ["show", run], ["show", run, "--json"], ["list"], ["observe", run], ["compare", run],
    ["compare", run, "--by", "train.lr"], ["report", run, "--out", f"{out}/report.html"],
    ["table", run, "--out", f"{out}/runs.parquet"], ["figure", "levels", run, "--out", out],
    ["figure", "methods", run, "--out", out],
    ["track", run, "--to", "tensorboard", "--out", f"{out}/tensorboard"],
):
    try:
        main(verb)
    except SystemExit as ended:
        print(verb[:2], ended.code)
print("FOUND", found)
"""


def foreign(run: Run, place: Path, marked: str) -> Path:
    """A copy of a run whose files name a module of ours and a place that must not be reached."""
    path = shutil.copytree(run.path, place / "runs" / "seed-3")
    made = run.experiment
    changed = made.model_copy(
        update={
            "data": made.data.model_copy(
                update={"root": marked, "task": f"map:{marked}", "class_order": marked}
            ),
            "prune": made.prune.model_copy(
                update={"method": "evil", "like": marked, "options": {"module": "evil:procedure"}}
            ),
        }
    )
    (path / "experiment.toml").write_text(changed.to_toml(), "utf-8")
    about = run.about | {"identity": changed.identity, "method": {"label": "evil:procedure"}}
    about |= {"versions": {"evil": "1"}, "module": "evil", "engine": "evil", "ended": "evil"}
    (path / "run.json").write_text(json.dumps(about), "utf-8")
    claim(path, changed.identity)
    return path


def test_showing_a_run_imports_and_reaches_nothing_that_it_names(finished_run, tmp_path):
    marked = tmp_path / "marked"
    os.mkfifo(marked)  # whoever opens it waits for ever
    path = foreign(finished_run, tmp_path, str(marked))
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    package = tmp_path / "site"
    (package / "evil-1.dist-info").mkdir(parents=True)
    (package / "evil-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (package / "evil-1.dist-info" / "entry_points.txt").write_text("[prunescope.methods]\nevil = evil\n")
    (package / "evil.py").write_text("raise SystemExit('imported')\n")
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, path, out, marked],
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "FOUND []" in done.stdout, done.stdout + done.stderr
    assert "['show', " in done.stdout
    assert done.stdout.count("] 0\n") == 11, done.stdout + done.stderr
    assert {file: file.read_bytes() for file in before} == before
    assert {file.name for file in path.rglob("*") if file.is_file() and file not in before} <= {
        ".track-tensorboard.lock"
    }


def test_a_method_is_known_from_where_it_is_imported_already(monkeypatch):
    from importlib.metadata import EntryPoint, EntryPoints

    from prunescope import pruning

    point = EntryPoint("theirs", "prunescope.pruning.methods.imp", "prunescope.methods")
    monkeypatch.setattr(pruning, "_points", lambda: EntryPoints([point]))
    monkeypatch.delitem(sys.modules, point.module, raising=False)
    assert pruning.known_traits("theirs").label == "theirs"
    assert point.module not in sys.modules
    expected = pruning.find_traits("theirs").label  # for a run, which imports it
    assert pruning.known_traits("theirs").label == expected != "theirs"
    assert pruning.known_traits("imp").label == expected


def test_a_module_beside_a_run_is_not_taken_for_a_library(finished_run, tmp_path):
    for name in ("numpy", "polars", "json", "safetensors"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported')\n")
    script = Path(sys.executable).parent / "prunescope"
    done = subprocess.run([script, "show", finished_run.path], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, "level  0" in done.stdout) == (0, True), done.stderr


def test_processes_that_this_one_starts_do_not_import_from_the_working_folder():
    from prunescope.sweep.executor import COMMAND

    assert "-P" in COMMAND
