"""What is printed and drawn, from made-up numbers: run with `pytest tests/cli/test_bench.py`."""

import json

import pytest

from prunescope.bench.advice import advice
from prunescope.bench.plot import draw_steps, write_plot
from prunescope.cli.bench import print_tables

U = (1.0, 0.1, 0.01)


def step_rows(**milliseconds):
    """Rows of two classes, 1000 classes taking a millisecond more."""
    return [
        {"classes": classes, "u": u, "competitor": name, "seconds": (times[i] + classes // 1000) / 1000}
        for classes in (10, 1000)
        for i, u in enumerate(U)
        for name, times in milliseconds.items()
    ]


def results(steps, imp=(), sequence=()):
    limits = [
        {k: row[k] for k in ("classes", "u", "competitor")}
        | {"seconds": row["u"] / 20, "share": row["u"] / 20 / row["seconds"]}
        for row in steps
    ]
    return {
        "machine": {"processor": "Some 3 GHz", "threads": 2, "cores": 4, "torch": "2.9", "quick": True},
        "notes": ["sparselab left out of layer (not here)"],
        "step": steps,
        "layer": [
            {"u": u, "threads": 1, "competitor": name, "seconds": u * scale}
            for u in (0.1, 0.01)
            for name, scale in (("plain", 0.8), ("sparseprop", 0.4))
        ]
        + [{"u": 0.1, "threads": 1, "competitor": "native", "seconds": 0.0123}],
        "layer_threads": [
            {"u": 0.1, "threads": 4, "competitor": name, "seconds": seconds}
            for name, seconds in (("native", 0.002), ("sparseprop", 0.005), ("sparselab", 0.003))
        ],
        "evaluation": [
            {"u": u, "classes": 1000, "images": 5000, "competitor": name, "seconds": seconds}
            for u in (1.0, 0.1)
            for name, seconds in (("plain", 0.7), ("native", 0.6 * u))
        ],
        "sequence": list(sequence),
        "imp": list(imp),
        "observables": [{"name": "locality", "u": 0.5, "seconds": 0.2}],
        "threads": [{"competitor": "torch", "threads": n, "seconds": 0.3 / n} for n in (1, 2)],
        "limits": {"matmul_gflops": 196.4, "copy_gb_per_second": 11.26, "step": limits},
    }


IMP = [
    {"competitor": "plain", "seconds": 60.0, "ratio": 1.0, "levels": 20, "steps": 10},
    {"competitor": "torch", "seconds": 50.0, "ratio": 1.2, "levels": 20, "steps": 10},
    {"competitor": "native", "seconds": 10.0, "ratio": 6.0, "levels": 20, "steps": 10},
]
SEQUENCE = [
    {
        "competitor": name,
        "seconds": 3600 * (steps + evaluations),
        "steps_seconds": 3600 * steps,
        "evaluations_seconds": 3600 * evaluations,
        "dense_trainings": trainings,
        "levels": 21,
        "steps": 100_000,
    }
    for name, steps, evaluations, trainings in (("plain", 100, 10, 20.9), ("native", 20, 2, 4.18))
]
ALL = step_rows(plain=(200, 200, 200), torch=(190, 150, 140), native=(180, 30, 8))


def test_tables_hold_every_number(capsys):
    print_tables(results(ALL, IMP, SEQUENCE))
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["10", "1", "200", "190", "180", "native", "1.11", "28", "%"] in lines
    assert ["1000", "0.01", "201", "141", "9", "native", "22.33", "6", "%"] in lines
    assert ["u", "plain", "native", "sparseprop", "best", "other", "/", "native"] in lines
    assert ["0.1", "80", "12.3", "40", "3.25"] in lines
    assert ["0.01", "8", "-", "4", "-"] in lines
    assert "\none layer, forward + backward, one thread\n" in out
    assert "\none layer, forward + backward, 4 threads\n" in out
    assert ["0.1", "2", "5", "3", "1.50"] in lines
    assert "\nevaluation of 5,000 images, 1000 classes\n" in out
    assert ["0.1", "700", "60"] in lines
    assert "\nthe paper's sequence, 21 levels of 100,000 steps, hours, estimated\n" in out
    assert ["plain", "110", "100", "10", "20.90", "1.00"] in lines
    assert ["native", "22", "20", "2", "4.18", "5.00"] in lines
    assert ["native", "10.00", "6.00"] in lines
    assert ["locality", "0.5", "200"] in lines
    assert ["2", "150"] in lines
    assert "\nnote: sparselab left out of layer (not here)\n" in out
    assert "\ndense float32 product 196 GFLOP/s, copy 11.3 GB/s\n" in out


def test_a_single_part_prints_no_other_table(capsys):
    found = results(ALL)
    found |= {part: [] for part in ("step", "evaluation", "layer", "layer_threads", "imp", "threads")}
    print_tables(found)
    out = capsys.readouterr().out
    assert "observables of a first-layer mask" in out
    assert "one training step" not in out
    assert "run.engine" not in out


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (
            ALL,
            "Use run.engine=native: it is the faster engine at every density measured and takes "
            "4 to 90 % of plain PyTorch's time.",
        ),
        (
            step_rows(plain=(200, 200, 200), torch=(100, 90, 80), native=(300, 200, 100)),
            "Use run.engine=torch: it is the faster engine at every density measured and takes "
            "40 to 50 % of plain PyTorch's time.",
        ),
        (
            step_rows(plain=(200, 200, 200), torch=(190, 150, 140), native=(300, 100, 20)),
            "Use run.engine=native, the faster engine from u = 0.1 down, where it takes "
            "10 to 50 % of plain PyTorch's time; torch is faster at u = 1 and above.",
        ),
        (
            step_rows(plain=(200, 200, 200), torch=(190, 90, 140), native=(100, 100, 20)),
            "Use run.engine=native, the faster engine but for u = 0.1 with 10 classes, u = 0.1 with 1000 "
            "classes; elsewhere it takes 10 to 50 % of plain PyTorch's time.",
        ),
        (
            step_rows(plain=(200, 200, 200), torch=(100, 100, 100)),
            "Use run.engine=torch, the only engine here: it takes 50 % of plain PyTorch's time.",
        ),
    ],
    ids=["native", "torch", "threshold", "exceptions", "alone"],
)
def test_one_sentence_says_what_to_choose(steps, said):
    assert advice(results(steps)) == said


def test_the_pruning_run_has_its_say():
    whole = "pruning run of 20 levels is 6 times as fast with native as with plain PyTorch."
    assert advice(results(ALL, IMP)).endswith(f"of plain PyTorch's time; a {whole}")
    assert advice(results([], IMP)) == f"A {whole}"
    assert advice(results([])) == ""


def test_the_sequence_has_its_say():
    price = "with native, a sequence of 21 levels of 100,000 steps takes as long as 4.2 dense trainings in plain PyTorch."
    assert advice(results(ALL, IMP, SEQUENCE)).endswith(f"as with plain PyTorch; {price}")
    assert advice(results([], (), SEQUENCE)) == f"W{price[1:]}"
    assert advice(results([], (), SEQUENCE[:1])) == ""


def test_a_panel_for_each_number_of_classes_and_a_line_a_competitor():
    found = results(ALL)
    figure = draw_steps(found["step"], found["limits"]["step"])
    assert [axes.get_title() for axes in figure.axes] == ["10 classes", "1000 classes"]
    lines = {line.get_label(): line for line in figure.axes[1].lines}
    assert list(lines) == [
        "plain PyTorch",
        "torch engine",
        "native engine",
        "kept work at the machine's limits",
    ]
    assert lines["native engine"].get_xdata() == pytest.approx(U)
    assert lines["native engine"].get_ydata() == pytest.approx([181, 31, 9])
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert {axes.get_xscale() + axes.get_yscale() for axes in figure.axes} == {"loglog"}


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_same_numbers_draw_the_same_bytes(suffix, tmp_path):
    paths = [write_plot(results(ALL), tmp_path / f"{name}{suffix}") for name in "ab"]
    first, second = ([path.read_bytes() for path in pair] for pair in paths)
    assert first == second
    assert json.loads(first[1])["step"] == ALL
