"""This module defines the experiment and its identity."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import Field, model_validator

from prunescope.experiment.fields import NAME, Data, Network, Place, Prune, Section, Train
from prunescope.experiment.mask_place import MaskPlace
from prunescope.experiment.paths import decoded
from prunescope.experiment.toml import toml_value


class Experiment(Section):
    """An experiment: every choice but the seed that changes a result, and in ``run`` those that change only speed."""

    name: str = Field(pattern=NAME)
    data: Data = Data()
    network: Network = Network()
    train: Train = Train()
    prune: Prune = Prune()
    run: Place = Place()

    @model_validator(mode="after")
    def _fields_fit(self) -> Experiment:
        if self.prune.rewind and self.prune.rewind_step > self.train.steps:
            raise ValueError(
                f"prune.rewind_step is {self.prune.rewind_step}; it must be at most "
                f"train.steps = {self.train.steps}"
            )
        if self.prune.retrain == "remaining" and self.prune.rewind_step >= self.train.steps:
            raise ValueError("prune.retrain=remaining leaves no step: lower prune.rewind_step")
        if ".." in self.name.split("/") or self.name.endswith("/"):
            raise ValueError(f"name {self.name!r} must not climb out of the output folder")
        return self

    @property
    def identity(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the fields that change the result, as canonical JSON.

        Fields at their defaults are left out, so that a new field does not change old identities. ``name``, ``run``,
        ``data.root`` and ``data.name`` are left out too, since they change only label, speed and place. Of the paths
        ``prune.like`` and ``prune.masks`` the last parts count.
        """
        fields = self.model_dump(mode="json", exclude_defaults=True, exclude={"name", "run"})
        for label in ("root", "name"):
            fields.get("data", {}).pop(label, None)
        if like := fields.get("prune", {}).get("like"):
            # The last two parts of the path name that run; where it is stored does not count.
            fields["prune"]["like"] = Path(decoded(like)).parts[-2:]
        if masks := fields.get("prune", {}).get("masks"):
            # What the masks are is checked against what the run was begun with, as the images are.
            fields["prune"]["masks"] = MaskPlace.of(masks).label
        fields = {key: value for key, value in fields.items() if value != {}}
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def earlier_name(self) -> str | None:
        """The name that versions before 0.2 gave the same experiment: without that of its data set; None if it is the same."""
        ending = f"-{self.data.set_name}"
        return self.name.removesuffix(ending) if self.data.set_name and self.name.endswith(ending) else None

    def named_after_data(self) -> Experiment:
        """Return the experiment with the name of its data set at the end of its own, unless it is there already."""
        found = self.data.set_name
        if not found:
            return self
        data = self.data.model_copy(update={"name": found})
        ends_so = self.name == found or self.name.endswith((f"-{found}", f"/{found}"))
        return self.model_copy(
            update={"data": data, "name": self.name if ends_so else f"{self.name}-{found}"}
        )

    def to_toml(self) -> str:
        """Return every field, defaults included, as TOML that ``load`` reads back."""
        fields = self.model_dump(mode="json")
        lines = [f"name = {toml_value(fields.pop('name'))}"]
        for section, values in fields.items():
            lines += ["", f"[{section}]"]
            lines += [f"{k} = {toml_value(v)}" for k, v in values.items() if v is not None]
        return "\n".join(lines) + "\n"
