"""Wrong values of every argument of the public functions: run with `pytest tests/test_public_face.py`.

A wrong value must be refused by an InputError of one line, whatever its type is. The tables below name every public
function and method and each of its arguments, and the tests fail where one is missing.
"""

import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest

import prunescope as ps
import tiny
from prunescope import analysis, data, experiment, observables
from prunescope.analysis.comparison import Comparison
from prunescope.data import Dataset, Images
from prunescope.errors import InputError
from prunescope.layers import NetworkOverlap, ObservedNetwork
from prunescope.observables import StackLayer, TopImages

RNG = np.random.default_rng(3)
SHAPE = (3, 2, 4)
KEPT = RNG.random((6, 24)) < 0.6
WEIGHTS = RNG.normal(size=(6, 24))
NEXT = RNG.random((5, 6)) < 0.7
IMAGES = RNG.normal(size=(40, 24))
LARGE = RNG.random((6, 36)) < 0.6  # for Gabor functions, which need some pixels
RUN = next(iter(sorted((Path(__file__).parent / "earlier" / "runs").glob("tiny-imp*/*/run.json")))).parent
RUNS = RUN.parents[1]
STACK = [StackLayer(np.ones((2, 1, 3, 3), np.bool_)), StackLayer(np.ones((2, 2, 3, 3), np.bool_))]

ODD = [object(), {}, b"x", 1j]
NO_NUMBERS = [None, "x", *ODD, [[1, 0], [1]], np.array([["a"]], object), np.array([[None, 1]]), "1"]
# Wrong values of every kind of argument.
WHOLE = [None, "1", 2.5, 2.0, True, np.nan, [1], np.array([1, 2]), *ODD]
COUNT = [*WHOLE, -1, 10**30]
STACKED_KERNEL = np.ones((2, 2, 2))  # a kernel of one axis, which observe takes
MASK = [*NO_NUMBERS, 3, [1, 0], STACKED_KERNEL, [[2, 0]], [[np.nan, 1]], np.zeros((0, 3)), [[]]]
MASKS = [None, 3, "x", [3], ["x"], [None], object(), [[[1, 0], [1]]]]
SHAPES = [
    3,
    True,
    "x",
    "3x2",
    b"3x2x4",
    (1, 2),
    (3, 2, 2.0),
    (3, 2, -2),
    (3, 2, np.nan),
    (24, True, True),
    {},
]
ARRAY = [*NO_NUMBERS, np.ones((2, 3, 4)), 1j * np.ones((6, 24))]
NODES = ["x", 2.5, [0.5], [np.nan], [[0, 1]], [99], [-1], 10**30, *ODD, ["0"], [None], [[0], [1, 2]]]
RANDOM = [3, "x", np.random.RandomState(0), *ODD]
FLAG = [None, "no", 2, 0.5, [True], *ODD]
WORD = [3, None, True, "x", b"inputs", ["inputs"], object()]
PATH = [3, 2.5, None, True, *ODD, "no such place", ["x"]]
NUMBER = [None, "0.5", np.nan, np.inf, -0.1, True, [0.5, 0.2], *ODD]
CALL = [3, "x", *ODD]
COUNTS = [None, 3, "x", [2.5], ["1"], [-1], [99], [True], [np.nan], object()]
KERNELS = [
    None,
    3,
    "x",
    [3],
    ["x"],
    [(2, "x")],
    [(2, 2.5)],
    [(0, 2)],
    [(-1, -2)],
    [()],
    [(2,)],
    [(2, True)],
    object(),
]
LOCALITY = [None, 3, "x", KEPT, object(), observables.locality(np.ones((2, 3)), (1, 1, 3))]
PAIRS = [None, 3, "x", np.ones((2, 2)), [[1, 2], [3]], object(), 1j * np.ones((3, 7))]
STACKED = [None, 3, "x", [3], [KEPT], [], object()]
PAIR = [None, 3, "x", (1,), (1, 2.5), (True, 1), (1, -1), object()]
TRIPLE = [None, 3, "1x2", (1, 2), (1, 2, 2.5), (1, 2, -1), (True, 5, 5), (np.nan, 5, 5), object()]
SETTINGS = [None, 3, "quickstart", {}, object()]
RUN_LIST = [None, 3, "x", [3], ["x"], [], object()]


def without(values, *more):
    """The wrong values of a kind without those that an argument allows."""
    return [value for value in values if not any(value is one for one in more)]


def optional(values):
    """The wrong values of an argument that may be None."""
    return without(values, None)


def ones(mask):
    return float(mask.density)


def counts_and_null():
    return observables.locality(KEPT, SHAPE), observables.uniform_null(KEPT.sum(1), SHAPE)


COUNTED, EXPECTED = counts_and_null()
EFFECTS = observables.cavity(WEIGHTS, KEPT, IMAGES)
STREAM = experiment.build({"name": "x", "data": {"source": "nlgp", "size": 4}}).data
LOADED = ps.load(RUN)
OBSERVED = ps.observe(KEPT)
OVERLAPPED = ps.overlap(KEPT, ~KEPT)
SET = tiny.dataset()
# By name: the function, arguments that are right, and for each argument values that are wrong.
MASK_ARG, SHAPE_ARG = {"mask": MASK}, {"shape": [*SHAPES, None, (1, 2, 4)]}
ON_IMAGES = MASK_ARG | SHAPE_ARG
FACE = {
    "ps.Mask": ([KEPT], {"array": MASK}),
    "ps.Run": ([RUN], {"path": PATH}),
    "ps.load": ([RUN], {"path": PATH}),
    "ps.observe": (
        [KEPT],
        {
            "source": without(MASK, STACKED_KERNEL),
            "level": optional(COUNT),
            "layer": [2.5, True, np.nan, [1], 0, -1, 9, "no", *ODD],
            "shape": [*SHAPES, (1, 2, 4)],
            "zeros": WORD,
            "order": WORD,
            "heads": [*optional(without(COUNT, COUNT[-1])), 0],
            "patch": [*optional(without(COUNT, COUNT[-1])), 0],
            "tokens": optional([3, "x", "2x2x2", (1,), (1, 2, 3), (2, 2.5), (0, 2), (True, 2), object()]),
            "pixels": WORD,
            "say": CALL,
        },
    ),
    "ps.overlap": (
        [KEPT, ~KEPT],
        {
            "a": MASK,
            "b": MASK,
            "match": FLAG,
            "levels": ["1", 2.5, True, (1,), (1, 2, 3), (1, 2.5), (1, "x"), -1, *ODD],
            "chain": WORD,
            "zeros": WORD,
            "order": WORD,
        },
    ),
    "ps.run": (
        None,
        {
            "experiment": PATH,
            "overrides": [3, None, b"x", ["train.steps=1"], "x", object()],
            "seed": COUNT,
            "out": without(PATH, "no such place"),
            "progress": optional(FLAG),
            "reporter": CALL,
        },
    ),
    "ps.table": ([RUNS], {"places": PATH}),
    "Mask.of": ([KEPT], {"source": MASK}),
    "Mask.owning": ([KEPT.copy()], {"array": [*MASK, KEPT.astype(int)]}),
    "Mask.ones": ([3, 4], {"n_out": [*COUNT, 0], "n_in": [*COUNT, 0]}),
    "Mask.plot": ([ps.Mask(KEPT)], {"shape": [*SHAPES, (1, 2, 4)]}),
    "Mask.images": ([ps.Mask(KEPT), SHAPE], {"shape": [*SHAPES, None, (1, 2, 4)]}),
    "Mask.pack": ([ps.Mask(KEPT)], {}),
    "Mask.unpack": (
        [np.packbits(KEPT), 6, 24],
        {
            "packed": [*ARRAY, [1, 2, 3], np.ones(3, np.uint8), 3],
            "n_out": [*COUNT, 0, 99],
            "n_in": [*COUNT, 0],
        },
    ),
    "Mask.__and__": ([ps.Mask(KEPT), ps.Mask(KEPT)], {"other": [*MASK, NEXT]}),
    "Run.plot": ([LOADED, "1a"], {"figure": WORD, "levels": ["1", 2.5, [True], [-1], [99]], "nodes": []}),
    "Run.to_pandas": (None, {}),
    "Run.check": ([LOADED], {}),
    "Run.finished_level": ([LOADED, 1], {"level": [*optional(COUNT), 99]}),
    "Run.level_path": ([LOADED, 1], {"level": COUNT}),
    "Run.ticket": ([LOADED, 1], {"level": [*COUNT, 99]}),
    "Run.mask": ([LOADED, 1, 1], {"level": [*COUNT, 99], "layer": [*COUNT, 0, 99]}),
    "Run.model": ([LOADED, 1], {"level": [*COUNT, 99]}),
    "Run.read_rewind": ([LOADED], {}),
    "Run.network_input": (None, {}),
    "Run.torch": (None, {"level": [*COUNT, 99], "norm": [], "masks": []}),
    "Run.plain_network": (None, {"level": [*COUNT, 99], "norm": []}),
    "Run.observations": ([LOADED, 1], {"level": [*COUNT, 99]}),
    "Run.right": (None, {"level": [*COUNT, 99], "images": WORD, "at": WORD}),
    "Network.__getitem__": ([OBSERVED, 0], {"which": [None, 2.5, True, "no", [0], *ODD]}),
    "Network.plot": ([OBSERVED, "connections"], {"figure": WORD, "layers": ["x", 2.5, [0], [9], True, *ODD]}),
    "Network.write_page": (None, {"path": without(PATH, "no such place")}),
    "Network.to_pandas": (None, {}),
    "Network.to_dict": ([OBSERVED], {}),
    "Overlap.__getitem__": ([OVERLAPPED, 0], {"which": [None, 2.5, True, "no", [0], *ODD]}),
    "Overlap.plot": (None, {}),
    "Overlap.to_pandas": (None, {}),
    "Overlap.to_dict": ([OVERLAPPED], {}),
    "Images.first": ([SET.validation, 3], {"count": COUNT}),
    "Dataset.draw": (
        [SET, 0, 0, 0, 5],
        {"seed": COUNT, "level": [*WHOLE, -2], "step": COUNT, "size": COUNT, "sampling": WORD},
    ),
    "TopImages.update": (
        [TopImages(6, 2), RNG.random((4, 6)), 0],
        {"activations": ARRAY, "first_index": COUNT},
    ),
    "TopImages.result": ([TopImages(6, 2)], {}),
    "observables.StackLayer": (
        [np.ones((2, 1, 3, 3), np.bool_)],
        {
            "mask": [3, "x", np.ones((2, 2)), [[1], [1, 2]], np.full((1, 1, 1, 1), 2), object()],
            "stride": [*PAIR, (0, 1)],
            "padding": PAIR,
            "dilation": [*PAIR, (0, 1)],
            "groups": [*COUNT, 0, 3],
            "window": [*PAIR, (0, 1)],
        },
    ),
    "observables.TopImages": ([6, 2], {"n_out": [*COUNT, 0], "k": [*COUNT, 0]}),
    "observables.ablation_curve": (
        [ones, KEPT, [0, 2], "decreasing"],
        {"accuracy": [*CALL, None], **MASK_ARG, "counts": COUNTS, "order": WORD, "rng": RANDOM},
    ),
    "observables.ablation_order": (
        [[3, 1, 2], "random", RNG],
        {"fan_in": [*NO_NUMBERS, [1.5, 2], [[1, 2]], [np.nan], 3], "order": WORD, "rng": [None, *RANDOM]},
    ),
    "observables.anisotropy": ([COUNTED, EXPECTED], {"counts": LOCALITY, "null": LOCALITY}),
    "observables.half_width": ([COUNTED, EXPECTED], {"counts": LOCALITY, "null": LOCALITY}),
    "observables.locality_index": ([COUNTED, EXPECTED], {"counts": LOCALITY, "null": LOCALITY}),
    "observables.binomial_fan_in": ([5, 0.2], {"n_in": COUNT, "u": [*NUMBER, 1.1]}),
    "observables.block_share": ([KEPT, 2, 2], {**MASK_ARG, "height": [*COUNT, 0], "width": [*COUNT, 0]}),
    "observables.cavity": (
        [WEIGHTS, KEPT, IMAGES],
        {"weights": ARRAY, **MASK_ARG, "inputs": ARRAY, "nodes": NODES},
    ),
    "observables.clustering_scalars": ([KEPT], MASK_ARG),
    "observables.compare_densities": ([[(6, 24), (5, 6)], [70, 12]], {"shapes": KERNELS, "kept": COUNTS}),
    "observables.effective_masks": ([[KEPT, NEXT]], {"masks": MASKS, "count": FLAG}),
    "observables.effective_receptive_fields": ([STACK], {"layers": STACKED}),
    "observables.erdos_renyi_kernel": (
        [[(6, 24), (5, 6)], 0.2],
        {"shapes": KERNELS, "density": [*NUMBER, 1.1]},
    ),
    "observables.excess_kurtosis": ([IMAGES], {"samples": ARRAY}),
    "observables.fan_in": ([KEPT], MASK_ARG),
    "observables.fan_in_excess": ([KEPT], MASK_ARG),
    "observables.fan_in_variance_ratio": ([KEPT], MASK_ARG),
    "observables.fan_out": ([KEPT], MASK_ARG),
    "observables.fan_out_image": ([KEPT, SHAPE], ON_IMAGES),
    "observables.flow": (
        [[[KEPT, NEXT], [KEPT * 0.5, NEXT]], 0.2],
        {
            "weights": [None, 3, "x", [3], [["x"]], [[KEPT], [None]], [[KEPT], [[[1], [1, 2]]]], object()],
            "rate": [None, "0.5", np.nan, -0.1, 1, True, [0.5, 0.2], *ODD],
        },
    ),
    "observables.gabor_fit": (
        [LARGE * 0.5, LARGE, (1, 6, 6)],
        {
            "weights": ARRAY,
            **MASK_ARG,
            "shape": [*SHAPES, None, SHAPE],
            "nodes": NODES,
            "shuffles": COUNT,
            "seed": [],
        },
    ),
    "observables.hierarchy": (
        [[KEPT, NEXT], [WEIGHTS, NEXT * 0.5], 2, 1],
        {
            "masks": MASKS,
            "weights": MASKS,
            "layer": [*COUNT, 0, 9],
            "node": [*COUNT, 99],
            "top": [*optional(COUNT), 0],
            "count": FLAG,
        },
    ),
    "observables.inhomogeneous_null": ([KEPT, SHAPE], ON_IMAGES),
    "observables.load_masks": (None, {"path": PATH, "layer": [], "say": []}),
    "observables.locality": ([KEPT, SHAPE], {**ON_IMAGES, "nodes": NODES}),
    "observables.locality_by_fan_in": (
        [KEPT, SHAPE, 4],
        {**ON_IMAGES, "width": [*COUNT, 0], "bins": [*COUNT, 0]},
    ),
    "observables.margin_scalars": ([KEPT], MASK_ARG),
    "observables.mask_image": (
        [KEPT[0], SHAPE],
        {"mask_row": [*ARRAY, [2.0] * 24, [np.nan] * 24], "shape": [*SHAPES, None, (1, 2, 4), (24, 1, 1)]},
    ),
    "observables.measure": (
        [KEPT, SHAPE],
        {
            **MASK_ARG,
            "shape": [*SHAPES, (1, 2, 4)],
            "shuffles": COUNT,
            "seed": [],
            "weights": optional(ARRAY),
        },
    ),
    "observables.measure_repetition": (
        [KEPT, SHAPE],
        {**ON_IMAGES, "weights": optional(ARRAY), "draws": COUNT},
    ),
    "observables.mirror_symmetry": ([KEPT, SHAPE], ON_IMAGES),
    "observables.most_connected": ([KEPT, 3], {**MASK_ARG, "k": COUNT}),
    "observables.node_locality": ([KEPT, SHAPE], {**ON_IMAGES, "nodes": NODES}),
    "observables.pattern_scalars": ([KEPT], MASK_ARG),
    "observables.pattern_share": (
        [KEPT, 2, 4],
        {**MASK_ARG, "kept": [*COUNT, 5], "length": [*COUNT, 0], "along": WORD, "exactly": FLAG},
    ),
    "observables.preactivation_kurtosis": (
        [WEIGHTS, KEPT, IMAGES],
        {"weights": ARRAY, **MASK_ARG, "inputs": ARRAY},
    ),
    "observables.radial_profile": (
        [COUNTED.same, EXPECTED.same],
        {"counts": [*PAIRS, COUNTED], "expected": [*PAIRS, COUNTED]},
    ),
    "observables.relative_density": (
        [COUNTED.same, EXPECTED.same],
        {"counts": [*PAIRS, COUNTED], "expected": [*PAIRS, COUNTED]},
    ),
    "observables.radius_of_gyration": ([KEPT, SHAPE], ON_IMAGES),
    "observables.remove_nodes": ([KEPT, [1]], {**MASK_ARG, "nodes": [None, *NODES]}),
    "observables.repetition": (
        [KEPT, SHAPE],
        {**ON_IMAGES, "weights": optional(ARRAY), "most": COUNT},
    ),
    "observables.repetition_null": (
        [KEPT, SHAPE, "round"],
        {**ON_IMAGES, "null": WORD, "weights": optional(ARRAY), "draws": COUNT, "most": COUNT},
    ),
    "observables.satisfied_patterns": ([KEPT], MASK_ARG),
    "observables.scaled_participation": ([WEIGHTS, KEPT], {"weights": ARRAY, **MASK_ARG}),
    "observables.shuffle_at_fan_in": ([KEPT, RNG], {**MASK_ARG, "rng": [None, *RANDOM]}),
    "observables.shuffled_kurtosis": (
        [WEIGHTS, KEPT, IMAGES, RNG],
        {"weights": ARRAY, **MASK_ARG, "inputs": ARRAY, "rng": [None, *RANDOM]},
    ),
    "observables.split_cavity": (
        [EFFECTS, WEIGHTS, KEPT],
        {"effects": [None, 3, KEPT, object()], "weights": ARRAY, "next_mask": MASK},
    ),
    "observables.stored_cavity": ([{}], {"observations": [None, 3, KEPT, object()]}),
    "observables.top_images": ([RNG.random((4, 6)), 2], {"activations": ARRAY, "k": [*COUNT, 0]}),
    "observables.uniform_null": (
        [KEPT.sum(1), SHAPE],
        {"fan_in": [*NO_NUMBERS, [-1], [99], [2.5], [np.nan], [[1]]], "shape": [*SHAPES, None]},
    ),
    "observables.unit_receptive_field": (
        [STACK, (1, 8, 8), (0, 2, 2)],
        {"layers": STACKED, "size": TRIPLE, "unit": [*TRIPLE, (9, 0, 0)]},
    ),
    "observables.weight_image": (
        [WEIGHTS[0], KEPT[0], SHAPE],
        {
            "weights_row": ARRAY,
            "mask_row": [*ARRAY, [2.0] * 24, [np.nan] * 24],
            "shape": [*SHAPES, None, (1, 2, 4)],
            "symmetric": FLAG,
        },
    ),
    "data.info": (None, {"path": PATH}),
    "data.verify": (None, {"path": PATH}),
    "data.open_dataset": (
        [STREAM, 0],
        {
            "data": SETTINGS,
            "seed": COUNT,
            "progress": CALL,
            "cache": [3, True, *ODD],
            "split_rule": optional(WORD),
        },
    ),
    "data.prepare": (
        None,
        {"data": SETTINGS, "out": [3, True, *ODD], "progress": CALL, "cache": [3, True, *ODD], "check": CALL},
    ),
    "data.sample_sheet": (
        None,
        {
            "source": PATH,
            "out_png": without(PATH, "no such place"),
            "columns": [*COUNT, 0],
            "rows": [*COUNT, 0],
            "seed": COUNT,
        },
    ),
    "experiment.build": (
        [{"name": "x"}],
        {"fields": [None, 3, "x", [], {3: 4}, {"name": 3}, {"data": 3}, object()], "origin": []},
    ),
    "experiment.field_names": ([], {}),
    "experiment.load": (
        ["quickstart"],
        {
            "experiment": PATH,
            "overrides": [3, None, "train.steps=1", [3], [None], ["x"], [b"name=x"], object()],
            "say": CALL,
        },
    ),
    "experiment.preset_names": ([], {}),
    "experiment.preset_text": (["quickstart"], {"name": PATH}),
    "analysis.compare": (
        [[LOADED]],
        {
            "runs": RUN_LIST,
            "by": [3, "no", [3], ["no"], None, object()],
            "baseline": [3, True, "no", ["x"], object()],
            "density": [*optional(NUMBER), 1.1],
        },
    ),
    "analysis.find_runs": (
        [[RUNS]],
        {"places": [None, 3, [3], [None], [object()], object(), ["no such place"]]},
    ),
}
# Names that occur twice, that are results and not made by users, or models of pydantic, which raise its ValidationError.
SAME = {"ps.table": "analysis.table"} | {
    f"ps.{name}": f"observables.{name}" for name in observables.__all__ if name in ps.__all__
}
RESULTS = {
    *("Cavity", "CavitySplit", "FanInBin", "Flow", "GaborFits", "LayerDensities", "Locality", "Observables"),
    *("ReceptiveFields", "Repetition", "Scalar", "Tier", "InputError", "Batch", "Dataset", "Images"),
    *("Data", "Network", "Place", "Prune", "Train", "Source", "Experiment"),
}
CLASSES = {
    "Mask": ps.Mask,
    "Run": ps.Run,
    "Network": ObservedNetwork,
    "Overlap": NetworkOverlap,
    "Images": Images,
    "Dataset": Dataset,
    "TopImages": TopImages,
    "Comparison": Comparison,
}
MODULES = {"ps": ps, "observables": observables, "data": data, "experiment": experiment, "analysis": analysis}
# What a comparison shows of itself takes its own quantities and groups.
OWN = {"Comparison.rows", "Comparison.row", "Comparison.frame"}


def public_names():
    """The dotted names of all public functions and methods, without those that are results."""
    for place, module in MODULES.items():
        for name in module.__all__:
            if name not in RESULTS:
                yield f"{place}.{name}"
    for place, cls in CLASSES.items():
        for name, value in vars(cls).items():
            known = not name.startswith("_") or name in ("__and__", "__getitem__")
            if known and (inspect.isfunction(value) or isinstance(value, classmethod)):
                yield f"{place}.{name}"


def found(name):
    """The function or method of a dotted name."""
    place, _, last = name.partition(".")
    return getattr(MODULES[place] if place in MODULES else CLASSES[place], last)


def parameters(name):
    """The names of the arguments of a function, without ``self``."""
    return [one for one in inspect.signature(found(name)).parameters if one != "self"]


def test_every_public_name_is_in_the_table():
    same = set(SAME) | set(SAME.values())
    missing = {name for name in public_names() if name not in FACE and name not in OWN}
    assert {name for name in missing if name not in same} == set()
    assert set(FACE) <= {*public_names()}


@pytest.mark.parametrize("name", FACE)
def test_every_argument_is_in_the_table(name):
    assert list(FACE[name][1]) == parameters(name)


@pytest.mark.parametrize("name", [name for name, (right, _) in FACE.items() if right is not None])
def test_right_values_are_taken(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found(name)(*FACE[name][0])


CASES = [
    pytest.param(name, argument, value, id=f"{name}-{argument}-{number}")
    for name, (_, arguments) in FACE.items()
    for argument, values in arguments.items()
    for number, value in enumerate(values)
]
# Right values of functions that are not called with them, since they take long or write files.
OTHERS = {
    "ps.run": {"experiment": "quickstart"},
    "Run.torch": {"self": LOADED, "level": 1},
    "Run.plain_network": {"self": LOADED, "level": 1},
    "Run.right": {"self": LOADED, "level": 1},
    "Network.write_page": {"self": OBSERVED},
    "data.prepare": {"data": STREAM},
    "data.sample_sheet": {"source": SET, "out_png": "x.png"},
}


@pytest.mark.parametrize(("name", "argument", "value"), CASES)
def test_wrong_values_are_refused_in_one_line(name, argument, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    signature = inspect.signature(found(name))
    right = FACE[name][0]
    bound = OTHERS.get(name, {}) if right is None else signature.bind(*right).arguments
    given = {**bound, argument: value}
    call = signature.bind_partial()
    call.arguments.update({key: given[key] for key in signature.parameters if key in given})
    if signature.parameters[argument].kind is inspect.Parameter.VAR_POSITIONAL:
        call.arguments[argument] = (value,)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            found(name)(*call.args, **call.kwargs)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    assert not list(tmp_path.iterdir())
