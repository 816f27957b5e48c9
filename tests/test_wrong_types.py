"""Values of wrong types in the Python face are refused in one line, as wrong values are."""

import re
from pathlib import Path

import numpy as np
import pytest

import prunescope as ps
from prunescope.digits import numbers_of
from prunescope.errors import InputError
from prunescope.mask import image_shape

MASK = np.arange(72).reshape(6, 12) % 3 == 0
WRONG = [
    3,
    3.5,
    True,
    "x",
    "3x2",
    "3x2x-2",
    b"3x2x2",
    object(),
    {},
    (1, 2),
    (3, 2, 2.0),
    (3, 2, "2"),
    (3, 2, -2),
]


@pytest.mark.parametrize("shape", WRONG)
def test_what_is_no_shape(shape):
    calls = (
        lambda: image_shape(shape),
        lambda: ps.measure(MASK, shape),
        lambda: ps.Mask(MASK).images(shape),
        lambda: ps.Mask(MASK).plot(shape),
        lambda: ps.locality(MASK, shape),
        lambda: ps.uniform_null([4] * 6, shape),
        lambda: ps.inhomogeneous_null(MASK, shape),
        lambda: ps.weight_image(np.ones(12), MASK[0], shape),
        lambda: ps.observe(MASK, shape=shape),
    )
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert re.match(r"shape .*: give ", str(caught.value))


def test_a_shape_in_words_is_a_shape():
    assert repr(ps.measure(MASK, "3x2x2")) == repr(ps.measure(MASK, (3, 2, 2)))
    assert ps.observe(MASK, shape="3X2x2")[0].form.inputs == (3, 2, 2)
    np.testing.assert_array_equal(ps.Mask(MASK).images("3x2x2"), MASK.reshape(6, 3, 2, 2))
    assert image_shape(np.array([3, 2, 2])) == (3, 2, 2)


def test_one_number_stands_for_several():
    assert numbers_of("levels", 5) == (5,)
    assert numbers_of("levels", np.array([1, 2])) == (1, 2)
    assert numbers_of("levels", None) is None
    for wrong in ("1", 2.5, ["1"], object()):
        with pytest.raises(InputError, match=r"^levels is .*: give a whole number, or several$"):
            numbers_of("levels", wrong)


def test_figures_take_one_number_and_refuse_odd_ones():
    [run] = [ps.load(path.parent) for path in sorted(EARLIER.glob("tiny-imp*/*/run.json"))[:1]]
    assert run.plot("3a", levels=1).axes
    for wrong in ({"levels": "1"}, {"nodes": 2.5}):
        with pytest.raises(InputError, match="give a whole number, or several"):
            run.plot("3a", **wrong)
    with pytest.raises(InputError, match="unknown figure 3:"):
        run.plot(3)
    observed = ps.observe([MASK, MASK[:, :6]])
    assert observed.plot("connections", layers=1).axes
    with pytest.raises(InputError, match="layers is 'x': give"):
        observed.plot("connections", layers="x")
    with pytest.raises(InputError, match="unknown figure '3' of layers"):
        observed.plot(3)


@pytest.mark.parametrize("override", [3, None, b"train.steps=1", ["train.steps=1"]])
def test_overrides_that_are_no_text(tmp_path, override):
    with pytest.raises(InputError, match=r"is not key=value: write an override as train\.steps=2000"):
        ps.run("quickstart", override, out=tmp_path)


@pytest.mark.parametrize("shuffles", [None, 2.5, "5", [5], -1])
def test_numbers_of_shuffles(shuffles):
    with pytest.raises(InputError, match="shuffles must be 0 or more"):
        ps.measure(MASK, None, shuffles=shuffles)


EARLIER = Path(__file__).parent / "earlier" / "runs"
