"""Progress of a run below its cell: run with `pytest tests/notebook/test_progress.py`."""

import sys
import types

import pytest

import prunescope as ps
from prunescope.notebook import progress
from prunescope.pruning.running import run as run_silently
from prunescope.runs.reporting import Reporter


class Output:
    """What IPython would show: the HTML of each drawing."""

    def __init__(self):
        self.drawn = []

    def update(self, shown):
        self.drawn.append(shown.data)


@pytest.fixture
def kernel(monkeypatch):
    """A process that is a kernel of IPython, in which everything is drawn at once."""
    import IPython
    import IPython.display

    output = Output()

    def display(shown, display_id):
        assert display_id
        output.update(shown)
        return output

    monkeypatch.setattr(IPython, "get_ipython", lambda: types.SimpleNamespace(kernel=object()))
    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    return output


def test_a_notebook_shows_a_run_as_it_goes(kernel, small_run, tmp_path, capsys):
    ps.run(small_run(prune={"levels": 1}), out=tmp_path)
    assert any("<progress" in html and "30 of 30 steps" in html for html in kernel.drawn)
    assert any("60 validation images" in html for html in kernel.drawn)
    last = kernel.drawn[-1]
    assert "<progress" not in last
    assert last.count("<tr>") == 3  # titles and two levels
    assert "<summary>done, 2 levels</summary>" in last
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("options", [{"progress": False}, {"reporter": Reporter()}])
def test_it_can_be_silenced(options, kernel, small_run, tmp_path):
    ps.run(small_run(prune={"levels": 0}), out=tmp_path, **options)
    assert kernel.drawn == []


def test_a_finished_run_shows_no_progress(kernel, small_run, tmp_path):
    chosen = small_run(prune={"levels": 0})
    run_silently(chosen, out=tmp_path)
    assert ps.run(chosen, out=tmp_path).status == "done"
    assert kernel.drawn == []


def test_what_is_wrong_takes_the_bar_away(kernel, small_run, tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    def stop(self, evaluation):
        raise Stop

    monkeypatch.setattr(progress.NotebookProgress, "evaluated", stop)
    with pytest.raises(Stop):
        ps.run(small_run(), out=tmp_path)
    assert "<progress" not in kernel.drawn[-1]


def test_a_script_is_silent_unless_it_asks_for_lines(small_run, tmp_path, capsys):
    assert not progress.in_notebook()
    ps.run(small_run(prune={"levels": 0}), out=tmp_path / "a")
    assert capsys.readouterr() == ("", "")
    ps.run(small_run(prune={"levels": 0}), out=tmp_path / "b", progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "level  0" in err


def test_a_process_without_ipython_is_no_notebook(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not progress.in_notebook()
    assert "IPython" not in sys.modules


def test_names_and_notes_are_escaped():
    view = progress.NotebookProgress()
    view._heading, view._notes = "<b>", ["<i>&"]
    assert "&lt;b&gt;" in view.html()
    assert "&lt;i&gt;&amp;" in view.html()
