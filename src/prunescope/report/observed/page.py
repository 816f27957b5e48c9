"""Make the HTML of the page about the layers of a network."""

from __future__ import annotations

import math
from collections import Counter

from prunescope.analysis.formats import percent
from prunescope.layers import ObservedNetwork
from prunescope.layers.observed_network import lacks_images
from prunescope.report.observed.layer_data import network_data
from prunescope.report.observed.wording import counted, for_reading, ratio, signed, words_of
from prunescope.report.standalone import as_script, render
from prunescope.tensors import shown

SHARED = "prunescope.report:"
SCRIPTS = (f"{SHARED}decode.js", f"{SHARED}charts.js", "pictures.js", "overview.js", "ranking.js", "page.js")
STYLES = (f"{SHARED}page.css", "page.css")
# A layer counts as unlike chance from this |z| on: so far lies less than one in a million normal numbers.
FAR = 5


def layers_html(observed: ObservedNetwork) -> str:
    """Return the whole page of what was measured of a network, which loads nothing from elsewhere."""
    data = network_data(observed)
    values = {
        "title": shown(observed.source),
        "lede": lede(observed),
        "notes": [shown(note) for note in observed.notes],
        "advice": shape_advice(observed),
        "facts": facts(observed, data["erk_distance"]),
        "kinds": sorted({layer.form.kind for layer in observed}),
        "quantities": [[name, data["words"][name]["title"]] for name in data["quantities"]],
        "several": len(observed) > 1,
        "data": as_script(data),
    }
    return render("prunescope.report.observed", values, SCRIPTS, STYLES)


def lede(observed: ObservedNetwork) -> str:
    """Return what the network is, in a sentence."""
    kinds = Counter(layer.form.kind for layer in observed)
    names = ", ".join(f"{count} {for_reading(kind)}" for kind, count in kinds.most_common())
    layers = f"{len(observed)} layers ({names})" if len(observed) > 1 else f"One layer ({next(iter(kinds))})"
    size = sum(math.prod(layer.form.shape) for layer in observed)
    kept = sum(layer.kept for layer in observed)
    return f"{layers} of {counted(size)} weights, of which {counted(kept)} are kept.{_origins(observed)}{_patterns(observed)}"


def _patterns(observed: ObservedNetwork) -> str:
    """Return in how many layers each pattern holds everywhere, as a sentence; "" where none does."""
    counts = Counter(name for layer in observed for name in layer.patterns)
    words = [f"{name} in {count} layer{'s' * (count != 1)}" for name, count in counts.most_common(4)]
    return f" Patterns that hold everywhere: {', '.join(words)}." if words else ""


def _origins(observed: ObservedNetwork) -> str:
    """Return which masks are the weights that are not 0, in a sentence; "" where all were stored as masks."""
    zeros = sum(layer.origin == "zeros" for layer in observed)
    if not zeros:
        return ""
    if zeros == len(observed):
        return " Kept are the weights that are not 0: the source stores no masks."
    return f" In {zeros} layers kept are the weights that are not 0; the other masks were stored."


def facts(observed: ObservedNetwork, erk_distance: float) -> list[dict[str, str]]:
    """Return the headline numbers, each with a sentence."""
    size = sum(math.prod(layer.form.shape) for layer in observed)
    overall = sum(layer.kept for layer in observed) / size
    found = [{"value": percent(overall), "text": "of the weights are kept, over all layers"}]
    ranked = observed.ranked
    first = ranked[0].farthest
    if first is None:
        return [*found, {"value": "—", "text": "no quantity has a null with a spread"}]
    name, scalar = first
    title = words_of(name, ranked[0].form.kind)["title"]
    found.append(
        {
            "value": f"z = {signed(scalar.z, 0)}",
            "text": f"{title} of {shown(ranked[0].name)}, the farthest from chance: {ratio(scalar.value, scalar.null_sd)} "
            f"where its null has {ratio(scalar.null_mean, scalar.null_sd)}",
        }
    )
    if len(observed) > 1:
        far = sum(layer.distance >= FAR for layer in observed)
        found += [
            {
                "value": f"{far} of {len(observed)}",
                "text": f"layers have a quantity that lies {FAR} or more sds from its null",
            },
            {
                "value": _range(observed),
                "text": f"density of the layers; {percent(erk_distance)} of the kept weights would have to move to "
                "another layer for Erdős–Rényi densities",
            },
        ]
    return found


def _range(observed: ObservedNetwork) -> str:
    low, high = (percent(f(layer.density for layer in observed)) for f in (min, max))
    return low if low == high else f"{low.removesuffix(' %')} … {high}"


def shape_advice(observed: ObservedNetwork) -> str:
    """Return what could be seen if the shape of the network's inputs were known; "" where it is, or where they are tokens."""
    if not lacks_images(observed):
        return ""
    first = observed[0]
    guess = likely_shape(math.prod(first.form.shape[1:]))
    fits = (
        f" (its {math.prod(first.form.shape[1:])} inputs would fit {'x'.join(map(str, guess))})"
        if guess
        else ""
    )
    return (
        f"Where the inputs of {shown(first.name)} lie is not known{fits}. If they are the pixels of images, "
        "--shape CxHxW (shape=(C, H, W) in Python) adds how local the masks are, their extent and direction, all against "
        "shuffled masks, the masks of the most connected units as images, and a map of the pairs of pixels that they share."
    )


def likely_shape(inputs: int) -> tuple[int, int, int] | None:
    """Return the shape of square images in colour or grey that have so many inputs; None where none has.

    A power of two is more often a layer's width than the size of grey images.
    """
    for channels in (3, 1):
        side = math.isqrt(inputs // channels)
        if inputs == channels * side * side and side >= 8 and inputs & (inputs - 1):
            return channels, side, side
    return None
