"""Every file of arrays and every evaluation of a run says whose it is, so that it is not taken for another's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prunescope.errors import InputError

KEYS = ("identity", "seed", "level")


@dataclass(frozen=True)
class Owner:
    """Whose a file is: the identity of the experiment, the seed, and the level; None for the files of no level."""

    identity: str
    seed: int
    level: int | None = None

    def at(self, level: int | None) -> Owner:
        """Return the owner of the same run's files of a level."""
        return replace(self, level=level)

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the owner's file of arrays."""
        return {key: str(value) for key in KEYS if (value := getattr(self, key)) is not None}

    def owns(self, path: Path, metadata: Mapping[str, str]) -> bool:
        """Return whether a file with this metadata says that it is the owner's; False where it says nothing.

        Raises InputError where it says that it is another's.
        """
        if "identity" not in metadata and "seed" not in metadata:  # Versions before 0.2 wrote neither.
            return False
        found = {key: metadata[key] for key in KEYS if key in metadata}
        if found != self.metadata:
            raise InputError(
                f"{path}: belongs to {_words(found)}, and not here, to {_words(self.metadata)}: put back the file that was here"
            )
        return True


def _words(metadata: Mapping[str, str]) -> str:
    """Return whose a file is, in words; what it says may have been written by anyone."""
    known = ", ".join(f"{key} {value[:20]!a}".replace("'", "") for key, value in metadata.items())
    return known if "level" in metadata else f"{known}, no level"
