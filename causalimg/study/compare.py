"""A study: kinds of guidance compared on the same pre-trained models, with the same budget, seeds and judge.

    none         the fitted model as it is
    regressor    a network that reads the numbers straight off the image guides (Reg-CFT)
    segmentor    a network that outlines the structures guides, through what is measured on them (Seg-CFT)
    classifier   a network that reads the levels of the image's categorical causes guides

Guides and judges are trained once, on the training rows; the seeds are those of fit and fine-tuning. Who judges is another
architecture than who guides, from another seed. What a folder already holds is not trained again, so that seeds can be trained
side by side, and a study that was cut short goes on.
"""

from collections.abc import Sequence
from pathlib import Path

from causalimg.errors import check_known
from causalimg.evaluation import Comparison, evaluate
from causalimg.readers import Reader
from causalimg.study.bench import Bench
from causalimg.study.plan import Plan
from causalimg.study.rows import Study

METHODS = ("none", "regressor", "segmentor")
WITH_CLASSIFIER = (*METHODS, "classifier")
KEPT = "plan.json"


def compare_guidance(
    study: Study,
    out: Path,
    *,
    methods: Sequence[str] = METHODS,
    seeds: Sequence[int] = (0,),
    plan: Plan = Plan(),
) -> Comparison:
    """Train what `out` doesn't hold yet, judge all of it, and write tables, pictures and a page into `out`.

    Raises ValueError for an unknown method, and where `out` holds a study with another plan.
    """
    check_known("method", methods, WITH_CLASSIFIER)
    out.mkdir(parents=True, exist_ok=True)
    _keep(plan, out / KEPT)
    bench = Bench(study, out, plan)
    models = {method: [bench.model(method, seed) for seed in seeds] for method in methods}
    judges: list[Reader] = [bench.segmentor("judge", guides=False)]
    if "classifier" in methods:
        judges.append(bench.classifier("judging_classifier", guides=False))
    reports = {
        method: evaluate(trained, study.test, judges, phantom=study.phantom, groups=study.groups)
        for method, trained in models.items()
    }
    comparison = Comparison(reports)
    comparison.write(out)
    return comparison


def _keep(plan: Plan, path: Path) -> None:
    said = plan.model_dump_json(indent=2, exclude={"finetuning": {"interventions"}})
    if path.exists() and path.read_text() != said:
        raise ValueError(
            f"{path.parent} holds a study with another plan ({path.name}): choose another folder, or remove it"
        )
    path.write_text(said)
