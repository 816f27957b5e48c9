"""The names of devices that ``run.device`` takes, read without torch: cpu, cuda, cuda:1, …"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prunescope.errors import InputError
from prunescope.experiment.wording import shown

NAME_OF_DEVICE = re.compile(r"([a-z]+)(?::(0|[1-9][0-9]{0,3}))?")
KNOWN = ("cpu", "cuda", "mps", "xpu")
SYNONYMS = {"gpu": "cuda", "nvidia": "cuda", "metal": "mps", "intel": "xpu", "auto": "cuda"}
NO_VALUES = ("meta", "lazy")  # the tensors of these hold no numbers


@dataclass(frozen=True)
class DeviceName:
    """A device by name: its ``kind`` (cpu, cuda, …) and its ``index`` among those of that kind, None for torch's choice."""

    kind: str
    index: int | None = None


def read_device(name: str) -> DeviceName:
    """Return what a value of ``run.device`` names; raise InputError for one that can name no device.

    Whether the device is there is not asked: that takes torch.
    """
    found = NAME_OF_DEVICE.fullmatch(name)
    if found is None:
        raise InputError(f"run.device is {shown(name)}: {_hint(name)}")
    kind, index = found[1], int(found[2]) if found[2] else None
    if kind in SYNONYMS:
        raise InputError(f"run.device is {shown(name)}: {_hint(name)}")
    if kind in NO_VALUES:
        raise InputError(f"run.device is {shown(name)}: nothing can be computed there; use cpu or cuda")
    if kind == "cpu" and index:
        raise InputError(
            f"run.device is {shown(name)}: all cores are one device; use cpu, and run.threads for their number"
        )
    return DeviceName(kind, index)


def _hint(name: str) -> str:
    """Return what a name that names no device may have been meant to be."""
    if "," in name:
        return (
            "a run has one device; several cards take several runs, by prunescope sweep with run.device=cuda"
        )
    plain = name.strip().lower()
    kind, _, index = plain.partition(":")
    if not index and (numbered := re.fullmatch(r"([a-z]*)[ _-]?([0-9]{1,4})", plain)):
        kind, index = numbered[1] or "cuda", numbered[2]
    kind = SYNONYMS.get(kind, kind)
    if kind in KNOWN and (not index or re.fullmatch(r"[0-9]{1,4}", index)):
        meant = f"{kind}:{int(index)}" if index and kind != "cpu" else kind
        return f"did you mean {meant!r}?"
    if kind in KNOWN:
        return f"a card is numbered from 0, as in {kind}:0"
    return "use cpu, cuda, or cuda:0, cuda:1, … for one of several cards"
