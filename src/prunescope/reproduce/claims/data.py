"""State the claims about data and task: fewer images, noisy labels, rotated and translated images."""

from __future__ import annotations

from functools import partial

from prunescope.reproduce.claims.evidence import Claim, Evidence, PageSection
from prunescope.reproduce.claims.measured_quantity import difference
from prunescope.reproduce.claims.miniature import Miniature
from prunescope.reproduce.claims.quantities import (
    SPARSE,
    cross_angle,
    described_gain,
    fan_out_ratio,
    gain,
    log_density_of_best,
)
from prunescope.reproduce.claims.rules import Test, within_a_quarter

ROTATED = 20.0  # degrees, of the preset paper/rotated
DEGREES = 5.0
FRACTIONS = (("100 %", "imp"), ("30 %", "fraction-30"), ("10 %", "fraction-10"), ("3 %", "fraction-3"))
NOISES = (("clean", "imp"), ("50 % noise", "noise-50"), ("100 % noise", "noise-100"))


def _falling(kinds: tuple[tuple[str, str], ...], what: str, mini: Miniature) -> Evidence:
    """Test that a number is smaller for the last kind than for the first and for the one before the last."""
    described = []
    if what == "gain":
        quantities = [gain(mini, name, kind) for name, kind in kinds]
        described = [
            described_gain(mini, f"{name}, at the level that the other seeds choose", kind)
            for name, kind in kinds
        ]
    else:
        quantities = [mini.at(name, kind, what, SPARSE, "×") for name, kind in kinds]
    first, *between, last = quantities
    tests = [Test(f"{first.name} - {last.name} > 0", first, last)]
    tests += [Test(f"{first.name} - {one.name} > 0", first, one) for one in between[-1:]]
    return Evidence((*quantities, *described), tuple(tests), heads=(0, len(quantities) - 1))


def _random_labels(mini: Miniature) -> Evidence:
    noisy = mini.at("100 % noise", "noise-100", "locality", SPARSE, "×")
    null = mini.null_at("100 % noise, shuffled, the null", "noise-100", "locality_null", SPARSE)
    clean = mini.at("clean", "imp", "locality", SPARSE, "×")
    clean_null = mini.null_at("clean, shuffled, the null", "imp", "locality_null", SPARSE)
    excess = difference("100 % noise - its null", noisy, null)
    whole = difference("clean - its null", clean, clean_null)
    tests = within_a_quarter(excess, whole, "the clean one")
    return Evidence((noisy, null, clean, clean_null, excess, whole), tests)


def _nearly_binomial(kinds: tuple[tuple[str, str], ...], mini: Miniature) -> Evidence:
    """Test that the last kind keeps little of the first kind's excess of fan-in variance."""
    first, last = (
        mini.at(name, kind, "fan_in_var_ratio", SPARSE, "×") for name, kind in (kinds[0], kinds[-1])
    )
    null = mini.null_at("random masks, the null", "random", "fan_in_var_ratio", SPARSE)
    excess = difference(f"{last.name} - random masks", last, null)
    whole = difference(f"{first.name} - random masks", first, null)
    tests = within_a_quarter(excess, whole, f"that with {first.name}")
    return Evidence((last, null, first, excess, whole), tests)


def _rotated(mini: Miniature) -> Evidence:
    upright = cross_angle(mini, "upright images", "imp", SPARSE)
    turned = cross_angle(mini, "rotated images", "rotated", SPARSE)
    strength = mini.at("axes / diagonals, upright", "imp", "anisotropy", SPARSE, "×")
    null = mini.null_at("the same, shuffled masks", "imp", "anisotropy_null", SPARSE)
    return Evidence(
        (upright, turned, strength, null),
        (
            Test(f"upright within {DEGREES:g}° of 0°", upright, low=-DEGREES, high=DEGREES),
            Test(
                f"rotated within {DEGREES:g}° of {ROTATED:g}°",
                turned,
                low=ROTATED - DEGREES,
                high=ROTATED + DEGREES,
            ),
            Test("axes / diagonals - null > 0", strength, null),
        ),
    )


def _translated_local(mini: Miniature) -> Evidence:
    measured = mini.at("translated", "translated", "locality", SPARSE, "×")
    null = mini.null_at("shuffled, the null", "translated", "locality_null", SPARSE)
    plain = mini.at("in place", "imp", "locality", SPARSE, "×")
    return Evidence((measured, null, plain), (Test("translated - null > 0", measured, null),))


def _translated_even(mini: Miniature) -> Evidence:
    plain = fan_out_ratio(mini, "in place, fan-out variance / binomial", "imp", SPARSE)
    moved = fan_out_ratio(mini, "translated, the same", "translated", SPARSE)
    return Evidence((plain, moved), (Test("in place - translated > 0", plain, moved),))


def _translated_peak(mini: Miniature) -> Evidence:
    names = (("in place", "imp"), ("translated", "translated"))
    plain, moved = (
        log_density_of_best(mini, kind, f"log₁₀ u of the best level, {name}") for name, kind in names
    )
    shown = [
        mini.at_best(f"u of the best level, {name}", kind, "nominal_density", "%") for name, kind in names
    ]
    return Evidence((*shown, plain, moved), (Test("translated - in place > 0", moved, plain),))


SECTIONS = (
    PageSection(
        "data",
        "Features need data",
        "fractions",
        "Locality, and gain in held-out accuracy, at u = 0.97 % against the share of the patches.",
        (
            Claim(
                "data-gain",
                "With fewer images pruning gains less.",
                "Section 5.2; Supplement C.3, Fig. 19",
                "4 points, down to none at 2 %",
                "Gain in held-out accuracy at u = 0.97 %, a level fixed in advance: all minus 3 %, and all minus 10 % of the "
                "patches, are above 0.",
                partial(_falling, FRACTIONS, "gain"),
            ),
            Claim(
                "data-locality",
                "With fewer images masks lose their locality.",
                "Section 5.2, Fig. 5",
                "non-local at 10 %",
                "Locality at u = 0.97 %: all minus 3 %, and all minus 10 % of the patches, are above 0.",
                partial(_falling, FRACTIONS, "locality"),
            ),
            Claim(
                "data-tail",
                "With fewer images the tail of the fan-in gets shorter.",
                "Section 5.2, Fig. 5b",
                "binomial at 10 %",
                "Variance of the fan-in over the binomial one at u = 0.97 %: the same differences are above 0.",
                partial(_falling, FRACTIONS, "fan_in_var_ratio"),
            ),
            Claim(
                "data-binomial",
                "With few images the fan-in is close to that of random pruning.",
                "Section 5.2, Fig. 5b",
                "binomial at 10 %",
                "Variance of the fan-in over the binomial one at u = 0.97 %, minus that of random masks: the excess left at 3 % "
                "of the images, less and plus a quarter of that with all, seed by seed, is below and above 0.",
                partial(_nearly_binomial, FRACTIONS),
            ),
        ),
    ),
    PageSection(
        "task",
        "Features need a task with meaning",
        "noise",
        "Locality and fan-in variance against u, for clean and for random labels. They stand in for semantic and "
        "random classes.",
        (
            Claim(
                "task-gain",
                "Pruning helps on a meaningful task and not on a random one.",
                "Section 5.3; Supplement C, Fig. 17",
                "gain on semantic classes only",
                "Gain in held-out accuracy at u = 0.97 %, a level fixed in advance: clean labels minus random ones, and minus "
                "half-random ones, are above 0.",
                partial(_falling, NOISES, "gain"),
            ),
            Claim(
                "task-locality",
                "Masks are more local on a meaningful task, in proportion to its meaning.",
                "Section 5.3; Supplement C.2, Fig. 18",
                "semantic > mixed > random",
                "Locality at u = 0.97 %: clean minus random labels, and clean minus half-random ones, are above 0.",
                partial(_falling, NOISES, "locality"),
            ),
            Claim(
                "task-none",
                "On a random task masks have no locality.",
                "Section 5.3, Fig. 5; Supplement B.3",
                "none at any scale",
                "Locality at u = 0.97 % in excess of its null: that with random labels, less and plus a quarter of that with "
                "clean ones, seed by seed, is below and above 0.",
                _random_labels,
            ),
            Claim(
                "task-tail",
                "The fan-in's tail is longer on a meaningful task.",
                "Section 5.3, Fig. 5b",
                "binomial for random classes",
                "Variance of the fan-in over the binomial one at u = 0.97 %: the same differences are above 0.",
                partial(_falling, NOISES, "fan_in_var_ratio"),
            ),
            Claim(
                "task-binomial",
                "On a random task the fan-in is close to that of random pruning.",
                "Section 5.3, Fig. 5b",
                "binomial for random classes",
                "Variance of the fan-in over the binomial one at u = 0.97 %, minus that of random masks: the excess left with "
                "random labels, less and plus a quarter of that with clean ones, seed by seed, is below and above 0.",
                partial(_nearly_binomial, NOISES),
            ),
        ),
    ),
    PageSection(
        "rotated",
        "The cross turns with the images",
        "rotation",
        "g(d) of same-channel pairs at u = 0.97 %, all seeds. Dashed: the images' own axes.",
        (
            Claim(
                "rotated",
                "Masks follow the images' horizontal and vertical, not the pixel grid's.",
                "Supplement C.4, Fig. 20",
                "axes turn by 20°",
                "The direction of the cross in g(d) is within 5° of 0° for upright images and within 5° of 20° for rotated "
                "ones, and pairs prefer the axes to the diagonals. On made-up lines at 20° the direction reads up to 3° too far.",
                _rotated,
            ),
        ),
    ),
    PageSection(
        "translated",
        "Translated images keep locality and lose the preferred places",
        "translation",
        "Connections kept by each pixel at u = 0.97 %, sum over channels and seeds.",
        (
            Claim(
                "translated-local",
                "Masks are local on translated images too.",
                "Supplement C.6, Fig. 22",
                "local at u = 8 %",
                "Locality at u = 0.97 % is above that of shuffled masks.",
                _translated_local,
            ),
            Claim(
                "translated-even",
                "Then no place in the image is preferred.",
                "Supplement B.2, C.6, Fig. 10",
                "uniform C_out",
                "The variance of the pixels' fan-out over the binomial one at u = 0.97 % is smaller than for images in place.",
                _translated_even,
            ),
            Claim(
                "translated-peak",
                "The best network is then a denser one.",
                "Supplement C.6, Fig. 22a",
                "u = 8 % in place of 1 %",
                "The log u of the best pruned level by validation accuracy is above that of images in place, to within half a "
                "step of the levels for each.",
                _translated_peak,
            ),
        ),
    ),
)
