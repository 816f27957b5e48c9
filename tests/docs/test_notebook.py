"""The notebook of the docs, every cell of it in a kernel of its own: run with `pytest tests/docs/test_notebook.py`."""

import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from docs.test_words import RETIRED

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
# The run of the notebook, smaller than a reader's, in whose second half the same fields are set again.
SMALLER = {
    '"data.patches=20_000"': '"data.patches=600", "data.validation=100", "data.heldout=100"',
    "network.hidden=[96,96]": "network.hidden=[24,24]",
    '"train.steps=400"': '"train.steps=20", "train.eval_every=10", "prune.rewind_step=5"',
}


class OwnKernel(AsyncKernelManager):
    """A kernel of this Python, which needs no kernel to be installed anywhere."""

    def format_kernel_cmd(self, extra_arguments=None):
        return [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_a_valid_notebook_without_outputs():
    """Outputs are made by who opens it: stored ones would be of another version of the program."""
    notebook = read()
    nbformat.validate(notebook)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")  # fmt: skip
    assert not any(RETIRED.search(cell.source.replace("_", " ")) for cell in notebook.cells)
    assert max(len(line) for cell in notebook.cells for line in cell.source.splitlines()) <= 120
    assert set(notebook.metadata) == {"kernelspec", "language_info"}


def test_its_links_lead_somewhere():
    for cell in read().cells:
        for target in cell.source.split("](")[1:]:
            assert (NOTEBOOK.parent / target.partition(")")[0]).exists()


@pytest.fixture
def no_settings(tmp_path, monkeypatch):
    """The environment of a machine that nobody has prepared, whose home is empty."""
    for name in (
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "JUPYTER_RUNTIME_DIR",
        "IPYTHONDIR",
        "MPLCONFIGDIR",
    ):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in [name for name in os.environ if name.endswith(("_proxy", "_PROXY"))]:
        monkeypatch.delenv(name)


@pytest.mark.long
def test_every_cell_runs_without_an_error_or_a_warning_and_draws(no_settings, tmp_path):
    text = NOTEBOOK.read_text("utf-8")
    for whole, small in SMALLER.items():
        in_json = [json.dumps(one)[1:-1] for one in (whole, small)]
        assert in_json[0] in text
        text = text.replace(*in_json)
    notebook = nbformat.reads(text, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import warnings; warnings.simplefilter('error')"))
    folder = tmp_path / "here"
    folder.mkdir()
    here = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, kernel_manager_class=OwnKernel, timeout=600, resources=here).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in outputs if output.output_type in ("error", "stream")] == []
    shown = [output.data for output in outputs]
    assert sum("image/png" in data for data in shown) == 4  # figures 1a and 3a, a mask, and layers
    assert sum("text/html" in data for data in shown) >= 7
    assert not any("<progress" in data.get("text/html", "") for data in shown)  # the run is at its end
    assert {path.name for path in folder.iterdir()} == {"runs"}
