"""Models that were fitted apart, as one: where they differ, the data did not say.

*Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles* (Lakshminarayanan et al., NeurIPS 2017,
arXiv:1612.01474), of counterfactuals: each model abducts, acts and predicts by itself, and the draws of all are the answer.

    models = [compile(Heart, segmentor, seed=seed) for seed in range(5)]
    for seed, model in enumerate(models):
        model.fit(train, val, seed=seed)
    Ensemble(models).do(x, lv_area=900.0).interval("lv_area")
"""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as brief
from secrets import token_hex
from typing import Any, cast

from causalimg import storage
from causalimg.completion import Unknown
from causalimg.counterfactual import Counterfactual, joined
from causalimg.data.preprocessing import Preprocessing, preprocessing_of
from causalimg.errors import check_kinds
from causalimg.graph import Graph
from causalimg.guided import Guided
from causalimg.model import CausalModel
from causalimg.readers.reader import Reader
from causalimg.scm import Factual

MEMBER = re.compile(r"[0-9a-f]{8}_\d+")
"""What the folders of models are called."""


class Ensemble:
    """`models` of one graph, alike but for their seeds; each may be `Guided`.

    Raises ValueError for no models, and for models of different graphs; TypeError for what are no models.
    """

    def __init__(self, models: Sequence[CausalModel | Guided]) -> None:
        check_kinds("models", models, CausalModel, Guided)
        if not models:
            raise ValueError("an ensemble of no models: give at least one, better five")
        if any(model.graph != models[0].graph for model in models):
            raise ValueError("an ensemble is of models of one and the same graph")
        self.models = list(models)

    @property
    def graph(self) -> Graph:
        """What causes what."""
        return self.models[0].graph

    @property
    def guided_by(self) -> list[str]:
        """The fingerprints of who guided any of the models."""
        return list(dict.fromkeys(guide for model in self.models for guide in model.guided_by))

    @property
    def preprocessing(self) -> Preprocessing:
        """How the images were read that the models were fitted to. Raises ValueError where their grey levels differed."""
        return preprocessing_of(*self.models)

    def abduct(
        self, x: Any, /, *, seed: int = 0, particles: int = 1, unknown: Unknown = "refuse"
    ) -> tuple[Factual, ...]:
        """What was seen, by every model: see `CausalModel.abduct`."""
        return tuple(model.abduct(x, seed=seed, particles=particles, unknown=unknown) for model in self.models)

    def do(
        self, x: Any, /, *, seed: int = 0, particles: int = 1, unknown: Unknown = "refuse", **asked: Any
    ) -> Counterfactual:
        """The answers of all models as one, with `particles` draws of each: their mean, and their spread.

        `x` may be what `abduct` returned; what may be `asked`, and what is raised, see the `do` of the models.
        """
        given = (x,) if isinstance(x, Factual) else x
        factuals = (
            given if isinstance(given, tuple) else self.abduct(given, seed=seed, particles=particles, unknown=unknown)
        )
        if len(factuals) != len(self.models):
            raise ValueError(
                f"what was seen was abducted by {len(factuals)} models: this ensemble has {len(self.models)}"
            )
        each = zip(self.models, factuals, strict=True)
        return joined([model.do(factual, particles=particles, **asked) for model, factual in each])

    def save(self, folder: str | Path) -> None:
        """Write every model into a folder of its own within `folder`, which names them last: what is there is whole.

        Raises TypeError for models that are `Guided`: save what they guide, and guide it again.
        """
        if not all(isinstance(model, CausalModel) for model in self.models):
            raise TypeError(
                "models that are Guided can't be saved: save an ensemble of what they guide, and guide it again"
            )
        before = _members(folder) if (Path(folder) / storage.SPEC).exists() else []
        each = [f"{token_hex(4)}_{number}" for number in range(len(self.models))]
        for name, model in zip(each, self.models, strict=True):
            cast(CausalModel, model).save(Path(folder) / name)
        storage.write(folder, {"models": each}, {})
        for name in before:
            shutil.rmtree(Path(folder) / name, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path, *readers: Reader) -> "Ensemble":
        """The ensemble that `save` wrote; `readers` and what is raised, see `CausalModel.load`. Raises ValueError for a folder of
        one model."""
        if not (each := _members(folder)):
            raise ValueError(f"{folder} holds no ensemble: CausalModel.load reads one model")
        return cls([CausalModel.load(Path(folder) / name, *readers) for name in each])


def _members(folder: str | Path) -> list[str]:
    """The folders of the models of the ensemble in `folder`. Raises what `storage.read` raises."""
    spec, _ = storage.read(folder)
    named = spec.get("models", [])
    if not isinstance(named, list) or not all(MEMBER.fullmatch(str(name)) for name in named):
        raise ValueError(
            f"{folder}: {storage.SPEC} names no ensemble: models: expected folders within, got {brief(named)}"
        )
    return named
