"""The masks that are read of a file, and the line with which a file is refused."""

import pytest

from prunescope.errors import InputError
from prunescope.tensors import named_masks


def masks_in(path):
    """The masks in a file by their names, and what was said of the rest."""
    said = []
    return {mask.name: mask.array for mask in named_masks(path, say=said.append)}, said


def refusal(path):
    """The one line with which a file is refused, without its path where it begins with that."""
    with pytest.raises(InputError) as caught:
        list(named_masks(path))
    line = str(caught.value).removeprefix(f"{path}: ")
    assert "\n" not in line
    assert len(line) < 500
    return line
