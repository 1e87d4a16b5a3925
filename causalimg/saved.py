"""What ``spec.json`` of a saved model says, checked entry by entry: it may come from others."""

from pathlib import Path
from typing import Any

from causalimg import storage
from causalimg.data.frame import Fit
from causalimg.data.preprocessing import Preprocessing
from causalimg.data.slices import Slices
from causalimg.errors import located
from causalimg.graph.spec import Spec
from causalimg.guidance.sensitivity import Sensitivity
from causalimg.values import World

Data = dict[str, Any]


class Saved(Spec):
    """Graph, mechanisms by variable, readers in their order, and what training left beside weights; see `CausalModel`."""

    graph: Data
    mechanisms: dict[str, Data]
    readers: tuple[Data, ...]
    guided_by: tuple[str, ...]
    sensitivities: dict[str, Sensitivity]
    normalise: Data | None
    slices: Slices | None = None
    fit: Fit | None = None
    spacing: str | None = None
    in_mm: bool = False

    @classmethod
    def read(cls, folder: str | Path) -> "tuple[Saved, World]":
        """What a model's folder says, and its tensors.

        Raises FileNotFoundError for a folder that is none, and ValueError, with the folder, for one of something else.
        """
        spec, tensors = storage.read(folder)
        if "graph" not in spec:
            loader = "Ensemble" if "models" in spec else spec.get("kind", "")
            raise ValueError(f"{folder} holds no model{f': {loader}.load reads it' if loader else ''}")
        with located(f"{folder}/{storage.SPEC}"):
            return cls(**spec), tensors

    @property
    def reading(self) -> Data:
        """How images were read: what `Preprocessing.to_data` said."""
        return {name: getattr(self, name) for name in Preprocessing.model_fields}

    @property
    def code(self) -> list[str]:
        """The readers that no file holds, by their names."""
        return [str(reader["code"]) for reader in self.readers if "code" in reader]
