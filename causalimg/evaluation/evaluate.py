"""A whole judgement in one call: what judges read, what no judge is needed for, and the truth where it is known.

The axioms are those of *Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023,
arXiv:2303.01274): effectiveness, composition, reversibility. To them come locality, the dose-response curve, the null
intervention, the likelihood, the distance to a phantom's true counterfactual, and any `Metric`.
"""

from collections.abc import Hashable, Sequence
from functools import partial

from torch import Tensor

from causalimg.data.phantoms import Phantom, Sample
from causalimg.data.preprocessing import preprocessing_of
from causalimg.evaluation.composition import compositions, null_floors
from causalimg.evaluation.dose_response import dose_responses
from causalimg.evaluation.effectiveness import measures_of, summary
from causalimg.evaluation.judges import judges_of
from causalimg.evaluation.metric import STANDARD, Metric, averages, by_label, numbers_of
from causalimg.evaluation.questions import Answering, Items, Measure, ask, choose, mechanisms_of
from causalimg.evaluation.report import Report, examples_of, first_images
from causalimg.evaluation.statistics import Estimate, mean, pool
from causalimg.evaluation.sureness import sureness, sureness_of
from causalimg.evaluation.truth import Truths, nearness, true_worlds, truth_of
from causalimg.evaluation.unobserved import tippings
from causalimg.evaluation.usual import support_of, usualness
from causalimg.fit import row_nlls
from causalimg.mechanisms.mechanism import likelihood_of
from causalimg.readers.reader import Reader
from causalimg.values import Columns


def evaluate(
    model: Answering | Sequence[Answering],
    test: Columns | Sample,
    judges: Reader | Sequence[Reader],
    *,
    variables: Sequence[str] | None = None,
    metrics: Sequence[Metric] = STANDARD,
    phantom: Phantom | None = None,
    groups: Sequence[Hashable] | Tensor | None = None,
    n: int | None = None,
    particles: int = 1,
    seed: int = 0,
    allow_guide: bool = False,
    allow_weak: bool = False,
) -> Report:
    """Judge `model`, or several trainings of it, on held-out items, and report.

    Each of `variables` (default: all that the `judges` read) is set in turn: each of `n` items of `test`, drawn with `seed`
    (default: all), gets the value of another. `test` holds every variable; with `phantom`, it is a sample of that phantom,
    and the truth is known. `groups` says which items belong together (the patient of each): intervals are over groups.
    `metrics` are measured besides; a list of yours replaces the default. `particles`: so many draws of every answer, whose
    mean is judged, and whose spread is reported (doses are asked with one); an `Ensemble` and `Conformal` have several by
    themselves. Of a model without `mechanisms` (only `graph`, `guided_by` and `do`) there is no composition, null floor or
    likelihood.

    Raises ValueError for a judge that guided a model (unless `allow_guide`, which the report then says), for one that reads one
    of `variables` no better than by always saying the mean (unless `allow_weak`, likewise), for no judge or two of one variable,
    for variables that nobody reads, for values that are missing, NaN, out of bounds or of another shape, for models of different
    graphs, for groups that are not one for each item, for two metrics of one label, and for a metric whose numbers are not one
    for each item; TypeError for `phantom` with a test that is not a sample, and for an argument of another kind.
    """
    models = list(model) if isinstance(model, Sequence) else [model]
    judging = judges_of(models, judges, allow_guide)
    graph, labelled = judging.graph, by_label(metrics)
    if any(one.graph != graph for one in models):
        raise ValueError("the models are of different graphs: only trainings of one model are averaged")
    values = test.values if isinstance(test, Sample) else test
    items = choose(graph, values, judging.targets(variables), n, groups, seed, preprocessing_of(models[0]))
    truths, before = _truths(phantom, test, items), judging.read_factual(items.values, items.targets, allow_weak)
    measures: dict[str, Measure] = {
        **measures_of(judging),
        "truth": nearness(truths),
        "metrics": partial(numbers_of, labelled),
        "sureness": sureness_of(judging),
        "support": support_of,
        "examples": first_images,
    }
    measured = [ask(one, items.values, items.targets, measures, particles) for one in models]
    return Report(
        graph=graph,
        items=items.digest(),
        effectiveness=summary(judging, items, before, measured),
        null=null_floors(models, judging, items, before),
        composition=compositions(models, items),
        metrics=averages(labelled, items, measured),
        measured_with=labelled,
        dose=dose_responses(models, judging, items, seed),
        truth=truth_of(graph, items, truths, measured),
        sureness=sureness(items, measured),
        usualness=usualness(graph, items, measured),
        tipping=tippings(models, items),
        nll=_likelihoods(models, items),
        examples=examples_of(judging, items, truths, measured[0]),
    )


def _truths(phantom: Phantom | None, test: Columns | Sample, items: Items) -> Truths:
    if phantom is None:
        return {}
    if not isinstance(test, Sample):
        raise TypeError(
            "phantom=...: the truth is in the noise of a sample: pass phantom.sample(n) as test, not its values"
        )
    return true_worlds(phantom, test.rows(items.rows), items.targets)


def _likelihoods(models: Sequence[Answering], items: Items) -> dict[str, Estimate]:
    """The mean negative log-likelihood (bound) of every image whose mechanism has one, in nats per dimension."""
    by_image = {name: map(likelihood_of, mechanisms_of(models, name)) for name in models[0].graph.images}
    known = {name: [one for one in likelihoods if one is not None] for name, likelihoods in by_image.items()}
    return {
        name: pool([mean(row_nlls(one, name, items.values).cpu()) for one in likelihoods], items.weights)
        for name, likelihoods in known.items()
        if likelihoods
    }
