"""The models and readers of a study, each trained once: what the study's folder already holds is read from there."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from causalimg.graph import Categorical, Continuous
from causalimg.guidance import Plausibility, Term
from causalimg.guided import Guided
from causalimg.model import CausalModel
from causalimg.readers import Augment, Classifier, Reader, Regressor, Segmentor
from causalimg.readers.neural import NeuralReader
from causalimg.storage import SPEC
from causalimg.study.loggers import check_loggers, loggers
from causalimg.study.plan import Plan, Rows, Study
from causalimg.training.processes import is_first, wait_for_others
from causalimg.training.recipe import accelerator

R = TypeVar("R", bound=NeuralReader)

PER_QUESTION, BOTH = "-per-question", "-both"
"""So ends a method in which a guide pulls every answer: of the fitted model, or of one that it fine-tuned."""


class Trainer:
    """Trains the models and readers of `study` into the folder `out`, or reads them from there (`check_folder` says when).

    They are given on the accelerator, where there is one. `log`: loggers by which each training is logged (see `loggers`).
    Raises what `Plan.compiled` raises.
    """

    def __init__(self, study: Study, out: Path, plan: Plan, log: Sequence[str] = ()) -> None:
        check_loggers(log)
        plan.compiled(study.graph)  # what can't be built is said before readers are trained
        self.study, self.out, self.plan, self.log = study, out, plan, log
        self.device = accelerator()
        graph = study.graph
        self.image = graph.images[0]
        causes = graph.parents(self.image)
        self.measured = [name for name in graph.measured if isinstance(graph[name], Continuous)]
        self.levels = {name: v.levels for name in causes if isinstance(v := graph[name], Categorical)}

    def answering(self, method: str, seed: int) -> CausalModel | Guided:
        """Who answers by `method`: a model, or one with a guide at every question."""
        guide = method.removesuffix(PER_QUESTION).removesuffix(BOTH)
        if guide == method:
            return self.model(method, seed)
        return Guided(self.model(guide if method.endswith(BOTH) else "none", seed), self.guide(guide))

    def folder(self, method: str, seed: int) -> Path:
        """Where the model of `seed` is, fine-tuned under `method`."""
        return self.out / f"{method}_{seed}"

    def model(self, method: str, seed: int) -> CausalModel:
        """The model of `seed`: fitted, and fine-tuned under the guidance of `method`."""
        folder = self.folder(method, seed)
        checkpoint = folder / "checkpoint"
        if not (folder / SPEC).exists():
            made = self._fitted(seed, checkpoint) if method == "none" else self._finetuned(method, seed, checkpoint)
            _keep(made, folder)
        return CausalModel.load(folder).to(self.device)

    def _fitted(self, seed: int, checkpoint: Path) -> CausalModel:
        guide = self.segmentor("guide", guides=True)
        model = self.plan.compiled(self.study.graph, guide, seed=seed).to(self.device)
        recipes: dict[str, Any] = {self.image: self.plan.recipes["fit"]}
        train, val = self.study.train, self.study.val
        with loggers(self.log, self.out, f"none_{seed}") as log:
            model.fit(train, val, seed=seed, pose=self.plan.pose, log=log, checkpoint=checkpoint, **recipes)
        return model

    def _finetuned(self, method: str, seed: int, checkpoint: Path) -> CausalModel:
        model, name = self.model("none", seed), f"{method}_{seed}"
        guidance: list[Reader | Term] = [self.guide(method)]
        if self.plan.plausibility:
            guidance.append(Plausibility(weight=self.plan.plausibility))
        train, val = self.study.train, self.study.val
        how: dict[str, Any] = {"sampler": self.plan.sampler, "recipe": self.plan.recipes["tuning"], "seed": seed}
        with loggers(self.log, self.out, name) as log:
            how["log"] = [self.out / f"{name}.jsonl", *log]
            model.finetune(train, val, guidance=guidance, checkpoint=checkpoint, **how)
        return model

    def guide(self, method: str) -> Reader:
        """Who guides under `method`."""
        if method == "regressor":
            return self.regressor()
        return self.classifier("classifier", True) if method == "classifier" else self.segmentor("guide", True)

    def segmentor(self, name: str, guides: bool) -> Segmentor:
        """A segmentor of the study's structures."""
        made = Segmentor.unet(tuple(self.study.train.masks), **self._architecture(guides))
        return self._trained(name, made, lambda rows: rows.masks, guides, self.plan.augment)

    def regressor(self) -> Regressor:
        """A regressor of what is measured on the image."""
        made = Regressor.cnn(self.measured, **self._architecture(True))
        still = self.plan.augment and self.plan.augment.model_copy(update={"scale": 0.0})  # sizes are what it reads
        return self._trained("regressor", made, lambda rows: _columns(rows, self.measured), True, still)

    def classifier(self, name: str, guides: bool) -> Classifier:
        """A classifier of the image's categorical causes. Raises ValueError where there is none."""
        if not self.levels:
            raise ValueError(f"classifier guidance: {self.image} has no categorical cause")
        made = Classifier.cnn(self.levels, **self._architecture(guides))
        return self._trained(name, made, lambda rows: _columns(rows, self.levels), guides, self.plan.augment)

    def _architecture(self, guides: bool) -> dict[str, Any]:
        return (
            {"encoder": self.plan.encoder, "seed": 0} if guides else {"encoder": self.plan.judging_encoder, "seed": 1}
        )

    def _trained(self, name: str, made: R, labels: Callable[[Rows], Any], guides: bool, augment: Augment | None) -> R:
        """`made`, trained on the study's rows, or as its folder holds it."""
        folder, train, val = self.out / name, self.study.train, self.study.val
        if (folder / SPEC).exists():
            return type(made).load(folder).to(self.device)
        of = (train.values[self.image], labels(train), (val.values[self.image], labels(val)))
        how: dict[str, Any] = {"recipe": self.plan.recipes["readers"], "augment": augment, "seed": 0 if guides else 1}
        with loggers(self.log, self.out, name) as log:
            made.fit(*of, **how, log=log, checkpoint=folder / "checkpoint")
        _keep(made, folder)
        return made.to(self.device)


def _keep(made: CausalModel | Reader, folder: Path) -> None:
    """Save what several processes may have trained together, once, and forget its checkpoint."""
    if is_first():
        made.save(folder)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    wait_for_others()


def _columns(rows: Rows, names: Iterable[str]) -> dict[str, Tensor]:
    return {name: rows.values[name] for name in names}
