"""Pictures below a folder: run with `pytest tests/data/test_folder_pictures.py`."""

import pytest

from prunescope.data.sources.folder_pictures import LeftOut, folders, loose_pictures, pictures_below
from prunescope.errors import InputError


@pytest.fixture
def tree(tmp_path):
    """A class folder with pictures, what is no picture, and what is hidden."""
    names = ("b.PNG", "a.jpg", "notes.txt", "more", "Thumbs.db", ".a.png", "deep/er/c.gif", ".trash/d.png")
    for name in names:
        path = tmp_path / "cats" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_pictures_are_found_at_any_depth_and_the_rest_is_counted(tree):
    left = LeftOut()
    found = pictures_below(tree / "cats", left)
    assert [str(path.relative_to(tree / "cats")) for path in found] == ["a.jpg", "b.PNG", "deep/er/c.gif"]
    assert str(left) == "1 folder .trash, 1 file .txt, 1 file hidden, 1 file without suffix"
    assert left.notes() == (f"left out: {left}",)
    assert LeftOut().notes() == ()
    left.add(left)
    assert str(left).startswith("2 folders .trash, 2 files .txt")


def test_only_what_lies_in_a_folder_itself_is_loose(tree):
    assert loose_pictures(tree / "cats") == 3  # hidden ones too
    assert loose_pictures(tree) == 0
    assert folders(tree / "cats") == ["deep"]


@pytest.mark.parametrize(
    ("target", "message"), [("..", "a link to a folder above it"), ("nowhere", "a link to nowhere")]
)
def test_links_that_lead_astray_are_refused(tree, target, message):
    (tree / "cats" / "deep" / "link").symlink_to(target)
    with pytest.raises(InputError, match=message):
        pictures_below(tree / "cats", LeftOut())
