"""What is refused before any run starts: run with `pytest tests/sweep/test_execution.py`."""

import pytest

import tiny
from prunescope.errors import InputError
from prunescope.sweep import Job, execution
from prunescope.sweep.options import ExecutionOptions


def test_keywords_of_earlier_versions_warn_and_others_are_refused(tmp_path):
    with (
        pytest.warns(DeprecationWarning, match="jobs_at_once"),
        pytest.raises(InputError, match="--jobs is 0"),
    ):
        execution.execute([Job(tiny.experiment(), 0)], tmp_path, jobs_at_once=0)
    with pytest.raises(TypeError, match="'at_once'"):
        execution.execute([], tmp_path, at_once=1)


def test_a_limit_below_one_is_refused_even_where_nothing_is_left_to_run(tmp_path):
    with pytest.raises(InputError, match="--jobs is 0; it must be 1 or more"):
        execution.execute([], tmp_path, ExecutionOptions(at_once=0))


def test_what_a_method_lacks_is_refused_before_any_data_is_opened(tmp_path):
    (tmp_path / "no.npz").write_text("no images")
    root = str(tmp_path / "no.npz")
    lacking = tiny.experiment(data={"root": root}, prune={"method": "snip", "levels": None})
    with pytest.raises(InputError, match=r"prune\.density"):
        execution.execute([Job(lacking, 0)], tmp_path)


def test_a_root_that_is_missing_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(execution, "plan", lambda *_: pytest.fail("planned"))
    missing = tiny.experiment(data={"root": "/no/such.npz"})
    with pytest.raises(InputError, match=r"/no/such\.npz: no such file or folder"):
        execution.execute([Job(missing, 0)], tmp_path)
