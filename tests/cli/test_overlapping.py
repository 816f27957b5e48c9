"""The verb `overlap`: run with `pytest tests/cli/test_overlapping.py`."""

import json

import numpy as np
import pytest

from commands import called
from prunescope.layers import overlap
from reference.overlaps import ragged
from stored_runs import write_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return [
        write_run(out / str(seed), seed=seed, shape=(1, 5, 5), hidden=(8, 6), levels=4) for seed in range(2)
    ]


def verb(capsys, *words):
    """Exit status, stdout and stderr of `prunescope overlap`."""
    return called(capsys, "overlap", *words)


def test_a_table_of_two_runs(runs, capsys):
    a, b = runs
    status, out, err = verb(capsys, f"{a.path}@2", b.path.parents[1], "--level", "2")
    found = overlap(a, b, levels=2)
    lines = out.splitlines()
    assert status == 0
    assert lines[:2] == [f"{letter}  {source}" for letter, source in zip("AB", found.sources, strict=True)]
    for line, layer in zip(lines[4:], found.ranked, strict=True):
        words = line.split()
        assert words[:3] == ["layer", layer.name[-1], "x".join(map(str, layer.form.shape))]
        assert words[3:5] == [str(kept) for kept in layer.stored.kept]
        numbers = [
            one
            for share in (layer.stored.share, layer.matched.share)
            for one in (100 * share.value, 100 * share.null_mean, share.z)
        ]
        assert words[5:11] == [f"{number:z.1f}" for number in numbers]
        assert words[11:] == [str(layer.moved), "of", str(layer.form.shape[0])]
    assert "chance: the same of random masks" in err


def test_json_and_a_figure(runs, capsys, tmp_path):
    status, out, err = verb(capsys, *(run.path for run in runs), "--no-match", "--json", "--out", tmp_path)
    assert status == 0
    assert json.loads(out) == overlap(*runs, match=False).to_dict()
    assert err.splitlines()[-1].endswith("figure-overlap-layers.csv")
    assert (tmp_path / "figure-overlap-layers.pdf").exists()


def test_many_layers_are_cut_and_names_are_printable(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.cli.overlapping.RANKED", 2)
    masks = {f"{'deep.' * 12}\x1b[31m{n}": ragged(6, 9, 0.3, seed=n).array for n in range(3)}
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, **masks)
    status, out, err = verb(capsys, tmp_path / "a.npz", tmp_path / "b.npz", "--no-match")
    assert status == 0
    assert "\x1b" not in out + err
    assert out.splitlines()[-1] == "and 1 layers nearer to chance (--json prints all)"
    assert max(map(len, out.splitlines())) < 110


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.npz", "absent.npz"], "absent.npz: no such file"),
        (["A", "A"], "is compared with itself"),
        (["A", "B", "--level", "one"], "--level is 'one': give a level for both runs, or two as in 12,13"),
        (["A", "B", "--chain", "x"], "chain is 'x'"),
        (["A@9", "B"], "no level 9"),
    ],
)
def test_wrong_input_is_one_line(runs, capsys, words, said):
    places = {"A": str(runs[0].path), "B": str(runs[1].path), "A@9": f"{runs[0].path}@9"}
    status, out, err = verb(capsys, *(places.get(word, word) for word in words))
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
