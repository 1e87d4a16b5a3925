"""A study: kinds of guidance compared on the same pre-trained models, with the same budget, seeds and judge.

    none         the fitted model as it is
    regressor    a network that reads the numbers straight off the image guides (Reg-CFT)
    segmentor    a network that outlines the structures guides, through what is measured on them (Seg-CFT)
    classifier   a network that reads the levels of the image's categorical causes guides
    regressor-per-question, segmentor-per-question
                 nothing is fine-tuned; the guide pulls every answer while it comes about (`Guided`; for a `Guidable` mechanism)
    regressor-both, segmentor-both
                 the guide fine-tunes, and then pulls every answer

Guides and judges are trained once, on the training rows; the seeds are those of fit and fine-tuning. Who judges is another
architecture than who guides, from another seed. What it can't tell (`Judges.weak`) is judged all the same, and the page says so
loudest. What a folder already holds is not trained again, so that seeds can be trained side by side, and a study that was cut
short goes on, in the middle of a fit, too. The folder must be of the same data and plan (`record`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from causalimg.errors import check_known
from causalimg.evaluation import Comparison, Realism, Report, evaluate
from causalimg.evaluation.metric import STANDARD
from causalimg.readers import Reader
from causalimg.study.plan import Plan, Study
from causalimg.study.record import check_folder
from causalimg.study.trainer import BOTH, PER_QUESTION, Trainer

METHODS = ("none", "regressor", "segmentor")
EVERY = (*METHODS, "classifier", *(guide + ending for ending in (PER_QUESTION, BOTH) for guide in METHODS[1:]))
METRICS = (*STANDARD, Realism())


def compare_guidance(
    study: Study,
    out: Path,
    *,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0,),
    plan: Plan = Plan(),
) -> Comparison:
    """Train what `out` doesn't hold yet, judge all of it, and write tables, pictures and a page into `out`.

    Raises ValueError for an unknown method, for no method or seed or one twice, and where `out` holds a study of other data, of
    another graph or with another plan, or one with a sampler of interventions that is code of yours: it may have changed, so
    that it is not gone on with.
    """
    check_chosen(methods, seeds)
    return compared(trainer_of(study, out, plan), methods, seeds)


def compared(trainer: Trainer, methods: Sequence[str], seeds: Sequence[int]) -> Comparison:
    """All of `methods` judged side by side, and written into the trainer's folder."""
    comparison = Comparison(judged(trainer, methods, seeds))
    comparison.write(trainer.out)
    return comparison


def check_chosen(methods: Sequence[str], seeds: Sequence[int]) -> None:
    """Raise ValueError for an unknown method, for no method or seed or one twice."""
    check_known("method", methods, EVERY)
    for what, given in (("methods", methods), ("seeds", seeds)):
        if not given or len(set(given)) < len(given):
            raise ValueError(f"{what}: expected one or more, each once, got {', '.join(map(str, given)) or 'none'}")


def trainer_of(study: Study, out: Path, plan: Plan, log: Sequence[str] = ()) -> Trainer:
    """Who trains what `out` doesn't hold yet. Raises ValueError where `out` holds another study (see `record`), and for
    mechanisms that `study` can't have."""
    trainer = Trainer(study, out, plan, log)
    out.mkdir(parents=True, exist_ok=True)
    check_folder(out, study, plan)
    return trainer


def judged(trainer: Trainer, methods: Sequence[str], seeds: Sequence[int]) -> dict[str, Report]:
    """The report on each of `methods`, trained if it is not yet, by judges that didn't guide."""
    study = trainer.study
    models = {method: [trainer.answering(method, seed) for seed in seeds] for method in methods}
    judges: list[Reader] = [trainer.segmentor("judge", guides=False)]
    if "classifier" in methods:
        judges.append(trainer.classifier("judging_classifier", guides=False))
    how: dict[str, Any] = {"metrics": METRICS, "phantom": study.phantom, "groups": study.groups, "allow_weak": True}
    return {method: evaluate(trained, study.test, judges, **how) for method, trained in models.items()}
