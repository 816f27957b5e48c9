"""This module writes files so that a crash at any moment leaves the whole old file or the whole new one, and opens
files that others made so that nothing but a regular file is read."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prunescope.errors import CORRECTABLE, FULL, InputError, naming

TEMPORARY = ".tmp"
# A temporary file is called .NAME.XXXXXXXX.tmp, and NAME is cut to so many bytes, since names have at most 255.
NAME_BYTES = 100
_OURS = re.compile(r"\..+\.[a-z0-9_]{8}\.tmp", re.DOTALL)


@dataclass
class _Temporary:
    """A temporary file, ``name``, that becomes ``path``; ``mode`` are the permissions of the file that is there.

    It is locked through ``handle`` until then, so that no other process takes it for one that a killed process left.
    """

    target: Path
    path: Path
    name: Path
    handle: int | None
    mode: int | None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and replace ``path`` by what was written there when the block ends.

    The temporary file is synced to the disk first. It is removed, and ``path`` left as it was, when the block raises.
    A symbolic link is followed, so that the file it leads to is replaced and the link stays. A file that was there keeps
    its permissions; a new one has those of the umask. Raises InputError where ``path`` is something else than a regular
    file, such as a device or a directory, and OSError with the name of ``path`` where it may not be written or the disk
    is full.
    """
    with replacing_together() as temporary:
        yield temporary(path)


@contextlib.contextmanager
def replacing_together() -> Iterator[Callable[[Path], Path]]:
    """Yield a function that returns a temporary path beside a path; all those paths are replaced when the block ends.

    It does for each what ``replacing`` does for one. Nothing is replaced before everything is on the disk, so that files
    that belong together are not mixed with earlier ones when the block raises or the disk is full.
    """
    files: list[_Temporary] = []

    def temporary(path: Path) -> Path:
        files.append(_begin(path))
        return files[-1].name

    writing: Path | None = None  # the file that is synced or renamed, which an error may not name
    try:
        yield temporary
        for file in files:
            writing = file.target
            _settle(file)
        for file in files:
            writing = file.target
            file.name.replace(file.path)
    except OSError as error:
        names = {str(file.name): file.target for file in files}
        found = names.get(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
        if found is None and error.filename is None and files:
            found = writing or files[-1].target
        if found is None:
            raise
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(found)) from error
    finally:
        for file in files:
            with contextlib.suppress(OSError):
                file.name.unlink(missing_ok=True)  # It is there only where something was raised.
            if file.handle is not None:
                os.close(file.handle)


def check_writable(path: Path) -> None:
    """Raise what ``replacing`` would raise where ``path`` cannot be written, before there is something to write."""
    _check_target(path)
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def check_file(path: Path, option: str) -> None:
    """Raise InputError where no file can be written at ``path``, before there is something to write.

    Folders on the way to it may be missing yet; none is made. ``option`` chooses the place. A full disk shows later.
    """
    with advising(path, option):
        folder = Path(os.path.realpath(path)).parent
        if folder.is_dir():
            check_writable(path)
        else:
            _check_ancestor(folder)


def check_folder(folder: Path, option: str) -> None:
    """Raise InputError where no files can be written into ``folder``, which may be missing yet, as ``check_file`` does."""
    with advising(folder, option):
        _check_ancestor(Path(os.path.realpath(folder)))


def _check_ancestor(folder: Path) -> None:
    """Raise OSError where a folder, or the first above it that is there, is no folder that can be written into."""
    place = folder
    while not (place.exists() or place.is_symlink()) and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def _check_target(path: Path) -> os.stat_result | None:
    """Return the status of the file that is at ``path``, if one is; raise an error where it may not be replaced."""
    before = _status(path)
    if before is not None:
        _check_mode(path, before.st_mode)
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return before


def _begin(target: Path) -> _Temporary:
    """Make the temporary file that will replace ``target``."""
    before = _check_target(target)
    path = Path(os.path.realpath(target))
    start = f".{os.fsencode(path.name)[:NAME_BYTES].decode(errors='ignore')}."
    mode = None if before is None else stat.S_IMODE(before.st_mode)
    try:
        _remove_left(path.parent, start)
        # The umask holds for a new file; one that takes the place of a private file is private from its start.
        name, handle = _make(path.parent, start, 0o666 if mode is None else mode & 0o666 | 0o600)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    if before is not None and handle is not None:
        with contextlib.suppress(OSError):  # Only root may give files to others.
            os.chown(handle, before.st_uid, before.st_gid)
    return _Temporary(target, path, name, handle, mode)


def _make(folder: Path, start: str, mode: int) -> tuple[Path, int | None]:
    """Make a new file in ``folder``, locked, whose name has this start; return its path and its handle."""
    while True:
        name = folder / f"{start}{secrets.token_hex(4)}{TEMPORARY}"
        try:
            handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        except FileExistsError:
            continue
        if sys.platform == "win32":  # An open file can be neither renamed nor removed there.
            os.close(handle)
            return name, None
        if _lock(handle) and os.fstat(handle).st_nlink == 0:
            os.close(handle)  # Another process took it for a leftover before it was locked.
            continue
        return name, handle


def _lock(handle: int) -> bool:
    """Lock an open file for this process, unless another has; return whether it is locked now."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # Another process holds it, or this file system has no locks.
        return False
    return True


def _settle(file: _Temporary) -> None:
    """Sync a temporary file to the disk, with the permissions that it is to have."""
    # It is opened again, in case the block has put another file in its place.
    with file.name.open("rb+") as written:
        os.fsync(written.fileno())
    if file.mode is not None:
        file.name.chmod(file.mode)


def _status(path: Path) -> os.stat_result | None:
    """Return the status of what ``path`` leads to, None where there is nothing."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _remove_left(folder: Path, start: str) -> None:
    """Remove temporary files whose names have this start and that no process is writing."""
    left: list[Path] = []
    with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
        left = [
            Path(entry.path)
            for entry in entries
            if entry.name.startswith(start)
            and _OURS.fullmatch(entry.name)
            and entry.is_file(follow_symlinks=False)
        ]
    for path in left:
        with contextlib.suppress(OSError):
            handle = os.open(path, os.O_RDWR)
            try:
                if _lock(handle):
                    path.unlink()
            finally:
                os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that killed writers left below a folder, into which nobody may be writing."""
    for left in folder.rglob(f".*{TEMPORARY}"):
        if _OURS.fullmatch(left.name) and not left.is_dir():
            left.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of bytes whole; on an error the file that was there stays."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 whole; on an error the file that was there stays."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def append_text(path: Path, text: str) -> None:
    """Append text in UTF-8 to a file; on an error nothing of it is there, and the OSError names ``path``."""
    with naming(path), path.open("ab", buffering=0) as file:
        before, data = file.seek(0, os.SEEK_END), text.encode()
        try:
            while data:
                data = data[file.write(data) :]
        except BaseException:
            file.truncate(before)
            raise


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read its bytes, following links.

    Raises InputError, at once, for what would wait or never end: a pipe, a device, a socket; and for a directory. Raises
    OSError, with the path, where the file is missing or may not be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        if (found := _status(path)) is not None:
            _check_mode(path, found.st_mode)  # A socket, for one, cannot be opened.
        raise
    try:
        _check_mode(path, os.fstat(handle).st_mode)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check_mode(path: Path, mode: int) -> None:
    kinds = {
        stat.S_ISDIR: "directory",
        stat.S_ISFIFO: "pipe",
        stat.S_ISCHR: "device",
        stat.S_ISBLK: "device",
        stat.S_ISSOCK: "socket",
    }
    for is_kind, kind in kinds.items():
        if is_kind(mode):
            raise InputError(f"{path}: is a {kind}, not a file")


def read_limited(path: Path, limit: int, wrong: str = "damaged") -> bytes:
    """Return the bytes of a regular file; raise InputError, which calls it ``wrong``, where it has more than ``limit``."""
    with open_regular(path) as file:
        # Python takes as much memory as it is told to read, so that it is told no more than there is.
        data = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)
    if len(data) > limit:
        raise InputError(f"{path}: {wrong} (more than {limit / 1e6:g} MB)")
    return data


@contextlib.contextmanager
def advising(folder: Path, option: str) -> Iterator[None]:
    """Turn an OSError of the block that says a place cannot be written into InputError, with the option that chooses it.

    A full or failing disk stays an OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in CORRECTABLE - FULL - {errno.EIO}:
            raise
        raise InputError(
            f"{folder}: cannot write there ({error.strerror}); choose another {option}"
        ) from None
