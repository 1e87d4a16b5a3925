"""How images are read: what was done to those that a model was fitted on is done to those that come later."""

from collections.abc import Mapping
from typing import Any, Self

from causalimg.data.arrays import Normalise
from causalimg.data.frame import Fit
from causalimg.data.normalise import alike, normalise_from_data, normalise_to_data
from causalimg.data.slices import Slices
from causalimg.graph.spec import Spec


class Preprocessing(Spec):
    """From files to images: `normalise`, `slices`, `fit` and the column `spacing`, as `read_table` takes them.

    `in_mm`: whether the files, or that column, said of every image how large its pixels are, so that all were resampled to the
    declared spacing. Saved with a model that was fitted on them, and what `model.read_image` does.
    """

    normalise: Normalise | None = None
    slices: Slices | None = None
    fit: Fit | None = None
    spacing: str | None = None
    in_mm: bool = False

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Only what is said."""
        return [(name, value) for name, value in super().__repr_args__() if value]

    def over(self, **others: Any) -> Self:
        """The same, but for those of `others` that are not None."""
        return self.model_copy(update={name: value for name, value in others.items() if value is not None})

    def to_data(self) -> dict[str, Any]:
        """Plain JSON data; of a function to normalise by, its name."""
        said = self.model_dump(mode="json", exclude={"normalise"}, exclude_defaults=True)
        return {"normalise": normalise_to_data(self.normalise), **said}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """What `to_data` described."""
        return cls(**{**data, "normalise": normalise_from_data(data.get("normalise"))})


AS_THEY_ARE = Preprocessing()
"""Integers fill the bounds, and sides have the declared proportions."""


def preprocessing_of(*tables: Any) -> Preprocessing:
    """How the images of `tables` were read, of which the first counts; other columns than a `Table` tell nothing.

    Raises ValueError where they were not normalised alike.
    """
    done = [table.preprocessing for table in tables if hasattr(table, "preprocessing")]
    for one in done:
        if not alike(one.normalise, done[0].normalise):
            said = [normalise_to_data(way.normalise) for way in (done[0], one)]
            raise ValueError(f"images were normalised in different ways: {said[0]}, and {said[1]}")
    return done[0] if done else AS_THEY_ARE
