"""One input is read under watch: what it raises, warns of, takes, starts and writes is told as an outcome."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from fuzz import tree as trees
from fuzz.targets import Skipped, Target
from fuzz.tree import Tree
from fuzz.values import HOSTILE_MODULE
from prunescope.errors import InputError

LONGEST = 3000  # characters of a message
_FILE_SYSTEM = {"ENOSPC", "EDQUOT", "EIO", "EACCES", "EPERM", "EROFS", "EMFILE"}
_STARTS = {
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "socket.connect",
    "socket.bind", "urllib.Request",
}  # fmt: skip
_CHANGES = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
}
_FOLDERS = {
    "os.rename": 2,
    "os.mkdir": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.chmod": 2,
}  # where their descriptors begin
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooSlow(BaseException):
    """Raised in the reader by the alarm; no BaseException, so that readers do not catch it."""


@dataclass(frozen=True)
class Limits:
    """The seconds of processor time and the bytes of memory that reading one input may take.

    ``idle``: the seconds after which a reader that computes nothing is taken to wait for ever.
    """

    seconds: float = 10
    bytes: int = 2_000_000_000
    idle: float = 5


@dataclass
class Outcome:
    """What came of an input: refused, accepted, skipped, or a fault of a kind, with where and what it said."""

    result: str
    kind: str = ""
    frame: str = ""
    message: str = ""
    seconds: float = 0.0
    peak: int = 0

    @property
    def is_fault(self) -> bool:
        """Whether the input is a find."""
        return self.result == "fault"


@dataclass
class _Watch:
    scratch: str
    seen: list[tuple[str, str]] = field(default_factory=list)


_watch: _Watch | None = None
_installed = False


def read(target: Target, tree: Tree, scratch: Path, limits: Limits | None = None) -> Outcome:
    """Return the outcome of reading a tree, which is written below ``scratch`` first.

    To be called in a process made for it, in which a limit on memory and an audit hook stay.
    """
    limits = limits or Limits()
    _install()
    folder, out = scratch / "input", scratch / "out"
    trees.write(tree, folder)
    trees.write({}, out)
    before = trees.state(folder)
    _forget_peak()
    start_peak = _peak()
    clock = time.process_time()
    with _limits(limits), warnings.catch_warnings(record=True) as warned, _watching(scratch) as watch:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ResourceWarning)
        outcome = _call(target, folder, out)
    outcome.seconds = time.process_time() - clock
    outcome.peak = max(_peak() - start_peak, 0)
    return _judged(outcome, limits, warned, watch, target.writes or trees.state(folder) == before)


def _call(target: Target, folder: Path, out: Path) -> Outcome:
    here = os.getcwd()
    try:
        target.read(folder, out)
    except InputError as error:
        return _refused(error)
    except Skipped:
        return Outcome("skipped")
    except SystemExit as left:
        return _exit(left)
    except OSError as error:
        import errno

        if errno.errorcode.get(error.errno or 0) in _FILE_SYSTEM:
            return Outcome("refused", message=str(error))
        return _fault(type(error).__name__, error)
    except BaseException as error:  # a panic of compiled code among them
        return _fault(type(error).__name__, error)
    finally:
        os.chdir(here)
    return Outcome("accepted")


def _refused(error: InputError) -> Outcome:
    message = str(error)
    if "\n" in message or len(message) > LONGEST:
        return _fault("message not of one short line", error, repr(message[:200]))
    return Outcome("refused", message=message)


def _exit(left: SystemExit) -> Outcome:
    cause = left.__context__
    if left.code in (0, None):
        return Outcome("accepted")
    if left.code == 2:
        return Outcome("refused", message=str(cause or ""))  # the command line prints it as one line
    return _fault(f"exit {left.code}, {type(cause).__name__}", cause or left)


def _fault(kind: str, error: BaseException, message: str | None = None) -> Outcome:
    return Outcome("fault", kind, frame_of(error), message or str(error)[:300] or repr(error)[:300])


def _judged(outcome: Outcome, limits: Limits, warned: list[Any], watch: _Watch, unchanged: bool) -> Outcome:
    """Return the outcome, or the fault that was seen beside it."""
    found: tuple[str, str, str] | None = None
    if warned and not outcome.is_fault:
        entry = warned[0]
        found = (f"warning {entry.category.__name__}", _short(entry.filename), str(entry.message)[:300])
    if not unchanged:
        found = ("input changed", "", outcome.message)
    if watch.seen:
        found = (f"not allowed: {watch.seen[0][0]}", "", watch.seen[0][1])
    if outcome.peak > limits.bytes and not outcome.is_fault:
        found = ("memory", "", f"{outcome.peak / 1e9:.1f} GB")
    if found:
        outcome.result = "fault"
        outcome.kind, outcome.frame, outcome.message = found
    return outcome


def frame_of(error: BaseException) -> str:
    """Return the innermost place in prunescope that an exception went through, as ``runs/directory.py:table``."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if "/prunescope/" in frame.filename and "/cli/entry.py" not in frame.filename
    ]
    chosen = own or frames
    return f"{_short(chosen[-1].filename)}:{chosen[-1].name}" if chosen else ""


def frame_in(dump: str) -> str:
    """Return the innermost place in prunescope of a traceback that faulthandler wrote."""
    found = re.search(r'File "[^"]*/prunescope/([^"]*)", line \d+ in (\w+)', dump)
    return f"{found[1]}:{found[2]}" if found else ""


def _short(path: str) -> str:
    return path.rpartition("/prunescope/")[2] if "/prunescope/" in path else Path(path).name


@contextlib.contextmanager
def _watching(scratch: Path) -> Iterator[_Watch]:
    global _watch
    _watch = watch = _Watch(os.path.realpath(scratch))
    try:
        yield watch
    finally:
        _watch = None


def _install() -> None:
    global _installed
    if not _installed:
        sys.addaudithook(_audit)
        _installed = True


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _watch
    if watch is None:
        return
    if event in _STARTS:
        watch.seen.append((event, repr(arguments)[:200]))
    elif event == "import":
        if str(arguments[0]).partition(".")[0] == HOSTILE_MODULE:
            watch.seen.append((event, str(arguments[0])))
    elif event == "open":
        path, mode, flags = arguments
        writes = flags & _WRITING if isinstance(flags, int) else set(mode or "") & set("wax+")
        if writes and not isinstance(path, int):
            _check_place(watch, "open to write", path)
    elif event in _CHANGES:
        relative = any(isinstance(other, int) and other >= 0 for other in arguments[_FOLDERS.get(event, 1) :])
        path = arguments[1] if event in ("os.link", "os.symlink", "os.rename") else arguments[0]
        if not relative:  # to a folder that was opened before, as shutil.rmtree does
            _check_place(watch, event, path)


def _check_place(watch: _Watch, event: str, path: Any) -> None:
    if isinstance(path, int) or path is None:
        return
    folder, name = os.path.split(os.path.abspath(os.fsdecode(path)))
    place = os.path.join(os.path.realpath(folder), name)
    if not place.startswith(watch.scratch) and place != os.devnull:
        watch.seen.append((event, place))


@contextlib.contextmanager
def _limits(limits: Limits) -> Iterator[None]:
    """Limit the memory of the block, and raise TooSlow in it when it computes for too long or waits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + limits.bytes, hard))
    began, last, idle_since = time.process_time(), time.process_time(), time.monotonic()

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal last, idle_since
        now = time.process_time()
        if now - last > 0.001:
            last, idle_since = now, time.monotonic()
        if now - began > limits.seconds:
            raise TooSlow(f"more than {limits.seconds} s")
        if time.monotonic() - idle_since > limits.idle:
            raise TooSlow(f"waits: computes nothing for {limits.idle} s")

    previous = signal.signal(signal.SIGALRM, ring)
    step = min(limits.idle, limits.seconds) / 5
    signal.setitimer(signal.ITIMER_REAL, step, step)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _forget_peak() -> None:
    """Begin to measure the peak of the memory anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    return _status("VmHWM") or 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _status(name: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return 0
