"""prunescope.figures.extra.repeats: run with `pytest tests/figures/test_repeats.py`."""

import numpy as np
import pytest

import prunescope as ps
from prunescope.errors import InputError
from prunescope.figures import draw
from stored_runs import write_run

pytestmark = pytest.mark.usefixtures("coarse")


def test_rows_are_nodes_with_their_best_matches(tmp_path):
    run = write_run(tmp_path / "runs", levels=7, hidden=(24,))
    with np.load(draw("repeats", [run], tmp_path, levels=[6])[-1]) as data:
        found = ps.repetition(run.mask(6), run.shape, weights=run.model(6).layers[0].weight)
        assert data["nodes"].tolist() == found.nodes.tolist()
        assert data["best_weights"].tolist() == found.best.tolist()
        assert data["null_masks_oriented"].shape == (50, len(found.nodes))
        place = found.nodes.tolist().index(int(data["templates"][0]))
        assert data["similarity"][0] == pytest.approx(np.sort(found.pairs[place])[::-1][:5])
        other = found.nodes.tolist().index(int(data["matches"][0, 0]))
        assert tuple(data["shift"][0, 0]) == found.shift(place, other)
        shown = [set(row) for row in np.column_stack([data["templates"], data["matches"]]).tolist()]
        assert all(not (a & b) - {-1} for k, a in enumerate(shown) for b in shown[:k])
    with np.load(draw("repeats", [run], tmp_path, levels=[6], nodes=[int(found.nodes[3])])[-1]) as data:
        assert data["templates"].tolist() == [found.nodes[3]]


def test_nodes_that_are_not_compared_are_refused(tmp_path):
    run = write_run(tmp_path / "runs", levels=9, hidden=(24,))
    with pytest.raises(InputError, match="most connected that are compared"):
        draw("repeats", [run], tmp_path, levels=[8], nodes=[999])
