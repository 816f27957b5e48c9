"""What the paper claims, each with the rule by which the miniature's runs decide it."""

from __future__ import annotations

from prunescope.reproduce import claims_data, claims_methods, claims_network
from prunescope.reproduce.evidence import Section

# In the paper's order.
SECTIONS: tuple[Section, ...] = (
    *claims_network.SECTIONS,
    *claims_methods.SECTIONS,
    *claims_data.SECTIONS,
)
