"""State the claims about one-shot, SNIP, SynFlow and random pruning against iterative pruning."""

from __future__ import annotations

import math
from functools import partial

from prunescope.reproduce.claims.evidence import Claim, Evidence, PageSection
from prunescope.reproduce.claims.measured_quantity import MeasuredQuantity
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.quantities import SPARSE, alive_share, excess_share
from prunescope.reproduce.claims.rules import Test, within_a_quarter

TENTH, FEW = 0.7**6, 0.7**10
# These densities are nominal: methods with one pool leave the first layer sparser, at 2.8 % about 1 %.
SHOWN = (("12 %", TENTH), ("2.8 %", FEW))
NAMES = {"imp": "IMP", "oneshot": "one-shot", "snip": "SNIP", "synflow": "SynFlow", "random": "random"}
NONE = 0.05  # locality within 5 % of chance counts as none


def _more_local(first: str, second: str, mini: Miniature) -> Evidence:
    quantities: list[MeasuredQuantity] = []
    tests = []
    for text, u in SHOWN:
        lower = excess_share(mini, f"{NAMES[second]}, u = {text}", second, u)
        if first == "imp":
            quantities.append(lower)
            tests.append(Test(f"{NAMES[second]} at {text} < 1", lower, low=-math.inf, high=1.0))
            continue
        upper = excess_share(mini, f"{NAMES[first]}, u = {text}", first, u)
        quantities += [upper, lower]
        tests.append(Test(f"{NAMES[first]} - {NAMES[second]} at {text} > 0", upper, lower))
    return Evidence(tuple(quantities), tuple(tests))


def _order(first: str, second: str, there: str) -> Claim:
    than = "is below 1" if first == "imp" else f"is smaller than that of {NAMES[first]}"
    return Claim(
        f"{first}-{second}",
        f"{NAMES[first][:1].upper()}{NAMES[first][1:]} masks are more local than {NAMES[second]} masks.",
        "Section 5.1, Fig. 4",
        there,
        f"At nominal u = 12 % and at 2.8 %, the excess locality of {NAMES[second]}, as a share of IMP's at the same density "
        f"of the first layer, {than}.",
        partial(_more_local, first, second),
    )


def _no_locality(kind: str, mini: Miniature) -> Evidence:
    measured = mini.at(f"{NAMES[kind]}, u = 12 %", kind, "locality", TENTH, "×")
    null = mini.null_at("shuffled, the null", kind, "locality_null", TENTH)
    share = excess_share(mini, f"{NAMES[kind]}'s share of IMP's excess, u = 2.8 %", kind, FEW)
    own, reference = share.parts
    chance = Test(f"|locality - null| < {NONE:g}", measured, null, -NONE, NONE)
    return Evidence((measured, null, share), (chance, *within_a_quarter(own, reference, "IMP's")))


def _concentrated(mini: Miniature) -> Evidence:
    kept = {
        kind: alive_share(mini, f"{NAMES[kind]}, nodes connected", kind, TENTH) for kind in ("imp", "synflow")
    }
    ratios = {
        kind: mini.at(f"{NAMES[kind]}, fan-in variance / binomial", kind, "fan_in_var_ratio", TENTH, "×")
        for kind in ("imp", "synflow")
    }
    tests = (
        Test("nodes connected, IMP - SynFlow > 0", kept["imp"], kept["synflow"]),
        Test("fan-in variance, SynFlow - IMP > 0", ratios["synflow"], ratios["imp"]),
    )
    return Evidence((*kept.values(), *ratios.values()), tests, heads=(1, 0))


def _accuracy(mini: Miniature) -> Evidence:
    kinds = ("imp", "oneshot", "snip", "random")
    at = {
        kind: mini.at(f"{NAMES[kind]}, u = 0.97 %", kind, "heldout_accuracy", SPARSE, "%") for kind in kinds
    }
    dense = mini.at("dense", "imp", "heldout_accuracy", 1.0, "%")
    tests = (
        Test("IMP - one-shot > 0", at["imp"], at["oneshot"]),
        Test("one-shot - SNIP > 0", at["oneshot"], at["snip"]),
    )
    return Evidence((*at.values(), dense), tests)


def _accuracy_tenth(mini: Miniature) -> Evidence:
    kinds = ("imp", "oneshot", "snip", "synflow")
    at = {kind: mini.at(f"{NAMES[kind]}, u = 12 %", kind, "heldout_accuracy", TENTH, "%") for kind in kinds}
    tests = (
        Test("one-shot - SNIP > 0", at["oneshot"], at["snip"]),
        Test("SNIP - SynFlow > 0", at["snip"], at["synflow"]),
    )
    return Evidence(tuple(at.values()), tests, heads=(1, 2))


SECTIONS = (
    PageSection(
        "methods",
        "Iterative pruning makes the most local masks",
        "methods_locality",
        "Locality of the first layer against its own density, every method; one point a seed. GraSP is not in the paper.",
        (
            _order("imp", "oneshot", "one-shot masks noisier, less local"),
            _order("imp", "snip", "SNIP keeps a certain degree of locality"),
            _order("oneshot", "snip", "SNIP masks bear little resemblance to the weights"),
            _order("snip", "synflow", "SynFlow has none"),
        ),
    ),
    PageSection(
        "nulls",
        "Without data there is no locality",
        "null_locality",
        "Locality in excess of chance as a share of IMP's at the same density of the first layer.",
        (
            Claim(
                "synflow",
                "SynFlow, which sees no data, leaves no locality.",
                "Section 5.1; Supplement B.5, Fig. 14",
                "no local structure at 10 %",
                "Locality at u = 12 % is within 0.05 of shuffled masks'. At 2.8 % its excess over chance, less and plus a quarter "
                "of IMP's at the same density of the first layer, seed by seed, is below and above 0.",
                partial(_no_locality, "synflow"),
            ),
            Claim(
                "random",
                "Random masks have no locality.",
                "Supplement B.1, Fig. 9",
                "the null of everything",
                "As for SynFlow.",
                partial(_no_locality, "random"),
            ),
            Claim(
                "synflow-nodes",
                "SynFlow keeps few, highly connected nodes and cuts off the others.",
                "Supplement B.5, Fig. 14",
                "histogram of fan-in",
                "At u = 12 %, fewer first-layer nodes keep a connection than under IMP, and the fan-in's variance is larger.",
                _concentrated,
            ),
        ),
    ),
    PageSection(
        "method-accuracy",
        "Iterative pruning makes the most accurate networks",
        "methods_accuracy",
        "Held-out accuracy against nominal u, every method; mean ± sd. Dashed: dense.",
        (
            Claim(
                "accuracy-1",
                "At u of about 1 % IMP beats one-shot pruning, and that beats SNIP.",
                "Section 5.1, Fig. 4",
                "12.6, 10.1, 9.0 % (dense 8.1)",
                "Held-out accuracy at u = 0.97 %: IMP minus one-shot, and one-shot minus SNIP, are above 0.",
                _accuracy,
            ),
            Claim(
                "accuracy-10",
                "At u of about 10 % one-shot pruning beats SNIP, and SNIP beats SynFlow.",
                "Section 5.1, Fig. 4",
                "10.3 (IMP 10.4), 9.1, 7.7 %",
                "Held-out accuracy at u = 12 %: one-shot minus SNIP, and SNIP minus SynFlow, are above 0.",
                _accuracy_tenth,
            ),
        ),
    ),
)
