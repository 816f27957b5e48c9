"""Files written whole and opened safely: run with `pytest tests/test_files.py`."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys

import pytest

import killing
from prunescope.errors import InputError
from prunescope.files import (
    append_text,
    check_file,
    check_folder,
    check_writable,
    open_regular,
    replacing,
    replacing_together,
    write_text,
)


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("before")
    link.symlink_to(target)
    write_text(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"
    assert sorted(os.listdir(tmp_path)) == ["link.txt", "target.txt"]


def test_a_pipe_or_directory_is_neither_replaced_nor_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, kind in (("pipe", "pipe"), ("folder", "directory")):
        with pytest.raises(InputError, match=f"is a {kind}, not a file"):
            write_text(tmp_path / name, "text")
        with pytest.raises(InputError, match=f"is a {kind}, not a file"):
            open_regular(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]
    with pytest.raises(InputError, match="is a device"):
        open_regular("/dev/zero")


def test_a_full_disk_names_the_path_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")
    with pytest.raises(OSError, match="No space left") as raised, replacing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file.txt"]


@pytest.fixture
def umask():
    """The umask 0o027 while a test runs."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_follows_the_umask_and_another_keeps_its_permissions(tmp_path, umask):
    path = tmp_path / "file.txt"
    write_text(path, "new")
    assert mode(path) == 0o640
    for kept in (0o600, 0o664, 0o755):
        path.chmod(kept)
        with replacing(path) as temporary:
            assert mode(temporary) & 0o077 & ~kept == 0  # a private file is private while it is written, too
            temporary.write_text(f"{kept}")
        assert (mode(path), path.read_text()) == (kept, f"{kept}")


def test_a_file_that_may_not_be_written_stays(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    path.write_text("before")
    path.chmod(0o444)
    monkeypatch.setattr("os.access", lambda *_: False)  # as for anyone but root
    for write in (lambda: write_text(path, "after"), lambda: check_writable(path)):
        with pytest.raises(PermissionError) as raised:
            write()
        assert raised.value.filename == str(path)
    assert path.read_text() == "before"


@pytest.mark.parametrize("name", ["n" * 255, "ä" * 127, "漢" * 85, "a" * 250 + ".html", ".hidden", "a b\n"])
def test_every_name_that_a_file_may_have_is_written(tmp_path, name):
    for text in ("one", "two"):
        write_text(tmp_path / name, text)
        assert (tmp_path / name).read_text() == text
    assert os.listdir(tmp_path) == [name]


def links(folder):
    """Links of all sorts, by the error that a write to them raises; None where it succeeds."""
    (folder / "real").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "one").symlink_to(folder / "two")
    (folder / "two").symlink_to(folder / "one")
    (folder / "dangling").symlink_to(folder / "real" / "made")
    (folder / "lost").symlink_to(folder / "gone" / "file")
    (folder / "parent").symlink_to(folder / "real")
    (folder / "file").write_text("a file")
    (folder / "to-zero").symlink_to("/dev/zero")
    return {
        "loop": errno.ELOOP,
        "one": errno.ELOOP,
        "loop/file": errno.ELOOP,
        "dangling": None,
        "lost": errno.ENOENT,
        "parent/below": None,
        "gone/file": errno.ENOENT,
        "file/below": errno.ENOTDIR,
        "n" * 256: errno.ENAMETOOLONG,
        "parent": "is a directory",
        "real": "is a directory",
        "to-zero": "is a device",
    }


def test_links_and_places_that_are_not_there_are_one_error_with_the_path(tmp_path):
    cases = links(tmp_path)
    for name, wrong in cases.items():
        path = tmp_path / name
        if wrong is None:
            write_text(path, "text")
            assert path.read_text() == "text"
        elif isinstance(wrong, str):
            with pytest.raises(InputError, match=wrong):
                write_text(path, "text")
        else:
            with pytest.raises(OSError, match=os.strerror(wrong)) as raised:
                write_text(path, "text")
            assert (raised.value.errno, raised.value.filename) == (wrong, str(path))
    assert (tmp_path / "dangling").is_symlink()
    assert sorted(os.listdir(tmp_path / "real")) == ["below", "made"]
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_places_are_checked_without_making_anything(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("before")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    check_file(tmp_path / "file", "--out")
    check_file(tmp_path / "a" / "b" / "c.html", "--out")
    check_folder(tmp_path / "folder", "--out")
    check_folder(tmp_path / "a" / "b", "--out")
    for place in (tmp_path / "file" / "x", tmp_path / "file" / "x" / "y", tmp_path / "loop" / "x"):
        for check in (check_file, check_folder):
            with pytest.raises(InputError, match=r"cannot write there \(.*\); choose another --page$"):
                check(place, "--page")
    with pytest.raises(InputError, match="is a directory, not a file"):
        check_file(tmp_path / "folder", "--out")
    with pytest.raises(InputError, match="cannot write there"):
        check_folder(tmp_path / "file", "--out")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for place in ("a", "file", "folder/x"):
        with pytest.raises(InputError, match=r"cannot write there \(Permission denied\)"):
            check_file(tmp_path / place, "--out")
    with pytest.raises(InputError, match=r"cannot write there \(Permission denied\)"):
        check_folder(tmp_path / "folder", "--out")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder", "loop"]


def test_the_other_name_of_a_file_with_two_keeps_what_was_there(tmp_path):
    (tmp_path / "one").write_text("before")
    os.link(tmp_path / "one", tmp_path / "two")
    write_text(tmp_path / "one", "after")
    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["after", "before"]


def test_files_that_belong_together_are_replaced_together(tmp_path):
    paths = [tmp_path / name for name in ("a.pdf", "a.png", "a.csv")]
    for path in paths:
        path.write_text("before")

    def two_of_three():
        with replacing_together() as temporary:
            for path in paths[:2]:
                temporary(path).write_text("after")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space") as raised:
        two_of_three()
    assert raised.value.filename == str(paths[1])
    assert [path.read_text() for path in paths] == ["before"] * 3
    with replacing_together() as temporary:
        for path in paths:
            temporary(path).write_text("after")
        assert [path.read_text() for path in paths] == ["before"] * 3
    assert [path.read_text() for path in paths] == ["after"] * 3
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG])
def test_a_disk_that_fails_while_it_is_synced_is_said_with_the_path(tmp_path, monkeypatch, number):
    path = tmp_path / "file.txt"
    path.write_text("before")

    def fail(handle):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match=os.strerror(number)) as raised:
        write_text(path, "after")
    assert (raised.value.errno, raised.value.filename) == (number, str(path))
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["file.txt"]


@pytest.fixture
def short_files():
    """Files of at most 1000 bytes while a test runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_appended_in_part_is_taken_back(tmp_path, short_files):
    path = tmp_path / "metrics.jsonl"
    append_text(path, "x" * 900 + "\n")
    with pytest.raises(OSError, match="too large") as raised:
        append_text(path, "y" * 300 + "\n")
    assert raised.value.filename == str(path)
    assert path.read_text() == "x" * 900 + "\n"
    append_text(path, "z" * 50 + "\n")
    assert path.read_text() == "x" * 900 + "\n" + "z" * 50 + "\n"


def test_what_a_killed_writer_left_goes_and_what_another_is_writing_stays(tmp_path):
    path = tmp_path / "report.html"
    others = [
        ".report.html.tmp",
        ".report.html.x.tmp",
        ".other.html.01234567.tmp",
        "report.html.01234567.tmp",
    ]
    for name in (*others, ".report.html.01234567.tmp", ".report.html.abc_def8.tmp"):
        (tmp_path / name).write_text("half")
    with replacing(path) as first:
        first.write_text("first")
        write_text(path, "second")
        assert first.read_text() == "first"
    assert path.read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "report.html"])


@pytest.fixture(scope="module")
def writers(finished_run, images_file, tmp_path_factory):
    """What each writer of ``killing`` leaves where it is killed and where the disk is full, by its name."""
    words = [finished_run.path, images_file, tmp_path_factory.mktemp("killed")]
    words = [sys.executable, killing.__file__, *map(str, words)]
    return json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)


NAMES = [writer.__name__ for writer in killing.WRITERS]


@pytest.mark.parametrize("writer", NAMES)
def test_a_writer_that_is_killed_at_any_moment_leaves_whole_files_and_the_next_try_works(writers, writer):
    moments = writers[writer]["killed"]
    assert len(moments) >= 3
    for moment in moments:
        assert set(moment["states"]) <= ({"missing"} if writer == "prepared" else {"old", "new"})
        assert moment["whole"]  # and nothing temporary is left
    if writer in ("figure", "page"):  # killed between the renames of files that belong together
        assert any({"old", "new"} == set(moment["states"]) for moment in moments)


@pytest.mark.parametrize("writer", NAMES)
def test_a_writer_on_a_full_disk_names_its_file_and_leaves_what_was_there(writers, writer):
    for disk in writers[writer]["full"]:
        number, path = disk["said"]
        assert number == errno.EFBIG
        assert path.startswith(disk["out"])
        assert "/." not in path  # what was asked for, and no temporary file
        assert disk["kept"]
