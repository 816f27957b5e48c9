"""List the sections of claims, each claim with the rule by which the miniature's runs decide it."""

from __future__ import annotations

from prunescope.reproduce.claims import data, methods, network
from prunescope.reproduce.claims.evidence import PageSection

# The sections are in the paper's order.
SECTIONS: tuple[PageSection, ...] = (
    *network.SECTIONS,
    *methods.SECTIONS,
    *data.SECTIONS,
)
