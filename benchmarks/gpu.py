"""Check and measure prunescope on a GPU, on a bare machine without a network.

    python benchmarks/gpu.py check bench profile sequence seeds --out DIR --seconds 240
    python benchmarks/gpu.py check bench --device cpu --tiny --out DIR     # a test of the script itself

Each part runs in a process of its own, within its time. What one costs, even the device's context, the others keep.
benchmarks/README.md says what each part does. DIR gets rows.jsonl (what was found, a line each), log.txt and the
files of the parts, at most eight in all.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from gpu_parts.output import LAST_LINES, BrokenDevice, Output, table
from gpu_parts.setting import Request

PARTS = ("check", "bench", "profile", "sequence", "seeds")
GRACE = 45.0  # seconds after which a part that does not end is stopped
BROKEN = 75  # exit code of a part whose device is lost
RESTARTS = 5


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that are asked for, print a summary, and return the exit code."""
    given = parsed(arguments)
    output = Output(given.out)
    if given.inside:
        return _inside(given, output)
    output.clear()
    for part in given.parts:
        output.say(f"\n== {part} (at most {given.seconds:.0f} s)")
        _guarded(part, given, output)
    for line in summary(output):
        output.say(line)
    return int(any(row.get("state") not in ("ok", "begun", "left out", None) for row in output.rows()))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the command line as values."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--out", type=Path, required=True, help="folder for what is found")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds on a CPU")
    parser.add_argument("--seconds", type=float, default=240.0, help="for each part")
    parser.add_argument(
        "--data", type=Path, help="sequence: a folder of parquet files; random images without it"
    )
    parser.add_argument("--precision", help="sequence; tf32 unless told, float32 on a CPU")
    parser.add_argument("--steps", type=int, default=100_000, help="sequence: steps of a level")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--skip", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _guarded(part: str, given: argparse.Namespace, output: Output) -> None:
    """Run a part in a process of its own, again where it lost the device, and stop it where it does not end."""
    began = time.monotonic()
    for _ in range(RESTARTS):
        left = given.seconds - (time.monotonic() - began)
        begun = sum(row["part"] == part and row.get("state") == "begun" for row in output.rows())
        command = [sys.executable, str(Path(__file__).resolve()), part, "--inside", "--skip", str(begun)]
        command += ["--out", str(given.out), "--device", given.device, "--seconds", str(max(0.0, left))]
        command += ["--steps", str(given.steps)]
        command += ["--precision", given.precision] if given.precision else []
        command += ["--tiny"] if given.tiny else []
        command += ["--data", str(given.data)] if given.data else []
        code = _ended(command, max(0.0, left) + GRACE)
        if code is None:
            output.row(part, name="the part", state="STOPPED")
            output.say(f"STOPPED {part}: it did not end within its time")
            return
        if code in (0, 1):
            return
        output.row(part, name="the process", state="LOST", code=code)
        output.say(f"LOST {part}: its process ended with {code}; going on with what is left")


def _ended(command: list[str], seconds: float) -> int | None:
    """Run a part to its end and return its exit code, None where it had to be stopped after so many seconds.

    The processes that it started end with it: they would compute on the device beside the next part.
    """
    process = subprocess.Popen(command, process_group=0)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _inside(given: argparse.Namespace, output: Output) -> int:
    """Run one part in this process."""
    usual = "tf32" if given.device.startswith("cuda") else "float32"
    options = {"data": given.data, "precision": given.precision or usual, "steps": given.steps}
    request = Request(output, given.device, given.tiny, given.seconds, options)
    part = given.parts[0]
    try:
        machine = card(given.device)
        output.row(part, **machine)
        output.say(" ".join(f"{name}={value}" for name, value in machine.items()))
        return 0 if _part(part)(request, given.skip) else 1
    except BrokenDevice:
        return BROKEN
    except Exception:
        lines = traceback.format_exc().rstrip().splitlines()
        output.row(part, name="the part", state="FAILED", error=lines[-LAST_LINES:])
        for line in lines[-LAST_LINES:]:
            output.say(f"    {line}")
        return 1


def card(device: str) -> dict[str, object]:
    """Return what the device is, and the versions; raise the error that torch has for one that is not there."""
    import torch

    torch.zeros(1, device=device)
    facts: dict[str, object] = {
        "device": device,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }
    if torch.device(device).type != "cuda":
        return facts
    about = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    facts |= {"card": about.name, "cuda": torch.version.cuda, "capability": f"{about.major}.{about.minor}"}
    return facts | {"processors": about.multi_processor_count, "free_gb": free / 1e9, "total_gb": total / 1e9}


def _part(name: str):
    if name == "check":
        from gpu_parts.check import run_check

        return run_check
    if name == "bench":
        from gpu_parts.bench import run_bench_part

        return run_bench_part
    if name == "profile":
        from gpu_parts.profile import run_profile

        return run_profile
    if name == "seeds":
        from gpu_parts.seeds import run_seeds

        return run_seeds
    from gpu_parts.sequence import run_sequence

    return run_sequence


def summary(output: Output) -> list[str]:
    """Return the lines of the summary: how many of each part passed, and what did not."""
    rows = [row for row in output.rows() if row.get("state") not in (None, "begun")]
    counts = Counter((row["part"], row["state"]) for row in rows)
    parts = list(dict.fromkeys(row["part"] for row in rows))
    cells = [[part, *(str(counts[part, state]) for state in ("ok", "FAILED", "left out"))] for part in parts]
    lines = list(table("summary", ["part", "ok", "failed", "left out"], cells))
    for row in rows:
        if row["state"] not in ("ok", "left out"):
            lines.append(f"{row['state']} {row['part']} {row['name']}: {(row.get('error') or [''])[-1]}")
    return lines


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # Threads that wait for other processes would hold a part whose device is lost.
