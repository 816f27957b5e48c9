"""prunescope.analysis.image_counts: run with `pytest tests/analysis/test_image_counts.py`."""

import pytest

from prunescope.analysis.image_counts import images_text


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
