"""Files written whole and opened safely: run with `pytest tests/test_files.py`."""

import errno
import os

import pytest

from prunescope.errors import InputError
from prunescope.files import open_regular, replacing, write_text


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
