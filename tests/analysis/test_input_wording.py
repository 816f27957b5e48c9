"""prunescope.analysis.input_wording: run with `pytest tests/analysis/test_input_wording.py`."""

import pytest

from prunescope.analysis.input_wording import images_of, images_text
from stored_runs import write_run


@pytest.mark.parametrize(
    ("counts", "kind", "text"),
    [
        ([4000, 4000], "validation", "4,000 validation images"),
        ([4000, 60], "heldout", "60 to 4,000 held-out images"),
        ([0], "heldout", "no held-out images"),
        ([0, 500], "heldout", "0 to 500 held-out images"),
        ([None, 500], "validation", "500 validation images, number not stored in every run"),
        ([None], "validation", "validation images, number not stored"),
        ([], "heldout", "held-out images, number not stored"),
    ],
)
def test_numbers_of_images_in_words(counts, kind, text):
    assert images_text(counts, kind) == text


def test_inputs_are_called_what_they_are(tmp_path):
    assert images_text([200], "validation", "series") == "200 validation series"
    changes = {"data": {"source": "npz", "root": "s.npz", "geometry": "series"}}
    series = write_run(tmp_path, shape=(2, 1, 24), levels=2, changes=changes)
    images = write_run(tmp_path, levels=2)
    assert images_of([series], "validation") == "200 validation series"
    assert images_of([series, images], "validation") == "200 validation inputs"
