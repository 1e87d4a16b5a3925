"""Which slices of a volume are rows of a table."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from pydantic import NonNegativeInt, PositiveInt, model_validator

from causalimg.data.arrays import Pixels
from causalimg.data.volumes import ACROSS, At, Axis, Volume
from causalimg.errors import check_known
from causalimg.graph.spec import Spec


class Slices(Spec):
    """Slices along `axis` ("axial", "coronal" or "sagittal"): a row of the table for each, and its number in a column ``slice``.

    `every`: one of so many, from the first on. `holding`: only those on which the masks have this structure. `largest`: the one
    on which this structure is largest. `at`: that of this number. Numbers count from 0, from the patient's foot, back or left.
    """

    axis: Axis = "axial"
    every: PositiveInt = 1
    holding: str | None = None
    largest: str | None = None
    at: NonNegativeInt | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "Slices":
        several = [name for name in ("largest", "at") if getattr(self, name) is not None]
        several += ["every / holding"] * (self.every > 1 or self.holding is not None)
        if len(several) > 1:
            raise ValueError(f"{several[0]} says which slice: leave out {several[1]}")
        return self

    @property
    def structure(self) -> str | None:
        """The structure that is looked for on the masks."""
        return self.largest or self.holding

    def of(self, volume: Volume, labels: Volume | None = None, structures: Sequence[str] = ()) -> list[At]:
        """The slices of `volume`, on whose grid the `labels` are. Raises ValueError where there is none."""
        n = volume.count(self.axis)
        chosen = self._holding(labels, structures) if self.structure else np.arange(n)
        if self.at is not None:
            if self.at >= n:
                raise ValueError(f"it has {n} {self.axis} slices, none of the number {self.at}")
            chosen = chosen[[self.at]]
        return [At(self.axis, int(i)) for i in chosen[:: self.every]]

    def _holding(self, labels: Volume | None, structures: Sequence[str]) -> Pixels:
        if labels is None:
            raise ValueError(f"{self!r} needs masks: masks=..., structures=({self.structure!r},)")
        check_known("structure", [cast(str, self.structure)], structures)
        others = tuple(i for i in range(3) if i != ACROSS[self.axis])
        areas = (labels.voxels == 1 + list(structures).index(cast(str, self.structure))).sum(others)
        if not areas.any():
            raise ValueError(f"its mask holds no {self.structure}")
        return np.array([areas.argmax()]) if self.largest else areas.nonzero()[0]
