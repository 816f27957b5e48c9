"""What the result of ``measure`` shows of itself in a notebook."""

from __future__ import annotations

import math

from prunescope.analysis.formats import places_of
from prunescope.notebook.markup import card, heading, line, table, text
from prunescope.observables.measure import Observables, Scalar

WIDTH, HEIGHT, REACH = 120, 14, 6  # pixels of a picture, and how many sds it reaches to either side


TITLES = ["", "value", "null ± sd", "z", "shuffles", "sds from the null"]
LEGEND = f"– is not defined; the grey band is the null ± 2 sd, the scale ± {REACH} sd"


def observables_html(observables: Observables) -> str:
    """Return the scalars of a layer as a table: value, null, z, and where the value lies on the null's scale."""
    scalars = {name: value for name, value in vars(observables).items() if isinstance(value, Scalar)}
    return card(
        [
            heading("Observables", f"mean fan-in {observables.fan_in_mean:.3f}"),
            table(TITLES, [scalar_cells(name.replace("_", " "), scalar) for name, scalar in scalars.items()]),
            line(LEGEND, muted=True),
        ]
    )


def scalar_cells(name: str, scalar: Scalar, meaning: str = "") -> list[str]:
    """Return the row of a scalar in a table with TITLES; ``meaning``: what is shown where the pointer rests on its name."""
    places = places_of(scalar.null_sd)
    null = f"{_number(scalar.null_mean, places)} ± {_number(scalar.null_sd, places)}"
    return [
        f'<span title="{text(meaning)}">{text(name)}</span>' if meaning else text(name),
        _number(scalar.value, places),
        null if math.isfinite(scalar.null_mean) else "–",
        _number(scalar.z, 1),
        {None: "–", 0: "exact"}.get(scalar.shuffles, str(scalar.shuffles)),
        _scale(scalar.z),
    ]


def _number(value: float, places: int) -> str:
    return f"{value:z.{places}f}" if math.isfinite(value) else "–"


def _scale(z: float) -> str:
    """Return a line from -REACH to REACH sds, the band of ± 2 sds, and a dot at ``z``, at an end where it is beyond."""
    if not math.isfinite(z):
        return ""

    def at(sds: float) -> float:
        return WIDTH / 2 + sds * (WIDTH / 2 - 5) / REACH

    middle, dot = HEIGHT / 2, at(max(-REACH, min(REACH, z)))
    band = f'<rect x="{at(-2):.1f}" y="3" width="{at(2) - at(-2):.1f}" height="{HEIGHT - 6}" fill="#999" opacity=".4"/>'
    axis = f'<path d="M{at(-REACH):.1f} {middle}H{at(REACH):.1f}" stroke="currentColor" stroke-width=".6"/>'
    mark = f'<circle cx="{dot:.1f}" cy="{middle}" r="3.5" fill="{"#D55E00" if abs(z) > 2 else "#0072B2"}"/>'
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="z {z:.1f}">{band}{axis}{mark}</svg>'
    )
