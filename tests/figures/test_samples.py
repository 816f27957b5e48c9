"""prunescope.figures.parts.samples and paper: run with `pytest tests/figures/test_samples.py`."""

import numpy as np
import pytest

import tiny
from prunescope.analysis.groups import groups
from prunescope.data.splits import stratified
from prunescope.experiment import build, load
from prunescope.figures.parts import published
from prunescope.figures.parts.samples import class_samples
from prunescope.pruning.running import run


@pytest.fixture(scope="module")
def two_tasks(images_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("tasks")
    return [
        run(
            tiny.experiment(data={"root": str(images_file), "task": task}, prune={"levels": 0}),
            out=out,
        )
        for task in ("classes", "modulo:2")
    ]


def test_a_picture_for_each_pair_of_classes(two_tasks, images_file):
    samples = class_samples(groups(two_tasks))
    with np.load(images_file) as file:
        chosen = stratified(file["y_test"], 60)  # the validation images
        images, labels = file["x_test"][chosen], file["y_test"][chosen]
    assert samples.columns == list(two_tasks[0].classes)
    assert samples.tasks == ("original classes", "random classes")
    assert samples.pictures.shape == (2, 3, 6, 6, 3)
    for row in range(2):
        for column in range(3):
            found = np.flatnonzero((labels == column) & (labels % 2 == row))
            expected = images[found[0]] / 255 if len(found) else np.ones((6, 6, 3))
            np.testing.assert_allclose(samples.pictures[row, column], expected)


def test_one_task_has_its_classes_in_rows(two_tasks, images_file):
    samples = class_samples(groups(two_tasks[1:]))
    with np.load(images_file) as file:
        chosen = stratified(file["y_test"], 60)  # the validation images
        images, labels = file["x_test"][chosen], file["y_test"][chosen]
    odd = images[labels % 2 == 1][:10] / 255
    np.testing.assert_allclose(samples.pictures[1], odd)


def test_the_papers_numbers_stand_only_at_the_papers_scale():
    main = load("paper/main")
    assert published.is_main(main)
    assert published.figure_4_accuracy(main, 0.7**13) == 0.126
    assert published.figure_4_accuracy(main, 0.7**6) == 0.104
    assert published.figure_4_accuracy(main, 1.0) == 0.081
    assert published.figure_4_accuracy(main, 0.4) is None
    for field in (
        "network.hidden=[256,256,256]",
        "data.fraction=0.5",
        "data.task='modulo:10'",
        "train.lr=0.5",
    ):
        changed = load("paper/main", [field])
        assert not published.is_main(changed)
        assert published.figure_4_accuracy(changed, 0.01) is None
    assert published.task_accuracy(load("paper/main", ["data.task='modulo:10'"])) == 0.13
    assert published.task_accuracy(build({"name": "x", "data": {"task": "modulo:10"}})) is None
