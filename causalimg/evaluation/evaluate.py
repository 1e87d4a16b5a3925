"""A whole judgement in one call: what judges read, what no judge is needed for, and the truth where it is known.

The axioms are those of *Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023,
arXiv:2303.01274): effectiveness, composition, reversibility. To them come locality, the dose-response curve, the null
intervention, the likelihood, and the distance to a phantom's true counterfactual. Each is a file beside this one.
"""

from collections.abc import Hashable, Sequence

from torch import Tensor

from causalimg.data.phantoms import Phantom, Sample
from causalimg.evaluation.album import albums, kept
from causalimg.evaluation.asking import Answering, Found, ask, mechanisms_of
from causalimg.evaluation.bootstrap import Estimate, mean, pool
from causalimg.evaluation.composition import compositions, reversal
from causalimg.evaluation.dose import doses
from causalimg.evaluation.effectiveness import judged, summary
from causalimg.evaluation.items import Items, choose
from causalimg.evaluation.jury import seat
from causalimg.evaluation.locality import grey_units
from causalimg.evaluation.null import null_floors
from causalimg.evaluation.reading import read
from causalimg.evaluation.report import Report
from causalimg.evaluation.truth import IMAGE, Truths, nearness, true_worlds, truth_of
from causalimg.fit import mean_loss
from causalimg.mechanisms.mechanism import likelihood_of
from causalimg.readers.reader import Reader
from causalimg.values import Columns


def evaluate(
    model: Answering | Sequence[Answering],
    test: Columns | Sample,
    judges: Sequence[Reader],
    *,
    variables: Sequence[str] | None = None,
    phantom: Phantom | None = None,
    groups: Sequence[Hashable] | Tensor | None = None,
    n: int | None = None,
    seed: int = 0,
    allow_guide: bool = False,
) -> Report:
    """Judge `model`, or several trainings of it, on held-out items, and report.

    Each of `variables` (default: all that the `judges` read) is set in turn: each of `n` items of `test`, drawn with `seed`
    (default: all), gets the value of another. `test` holds every variable; with `phantom`, it is a sample of that phantom,
    and the truth is known. `groups` says which items belong together (the patient of each): intervals are over groups. Of a
    model without `mechanisms` (only `graph`, `guided_by` and `do`) there is no composition, null floor or likelihood.

    Raises ValueError for a judge that guided a model (unless `allow_guide`, which the report then says), for no judge or
    two of one variable, for variables that nobody reads, for missing values, for models of different graphs, and for
    groups that are not one for each item; TypeError for `phantom` with a test that is not a sample.
    """
    models = list(model) if isinstance(model, Sequence) else [model]
    jury = seat(models, judges, allow_guide)
    graph = jury.panel.graph
    if any(one.graph != graph for one in models):
        raise ValueError("the models are of different graphs: only trainings of one model are averaged")
    values = test.values if isinstance(test, Sample) else {name: test[name] for name in test.keys()}  # noqa: SIM118
    items = choose(graph, values, jury.reads(variables), n, groups, seed)
    truths = _truths(phantom, test, items)
    units, before = grey_units(graph, items.values), read(jury.panel, items.values)
    measures = judged(jury.panel, items.values) | {"reversal": reversal(units), "kept": kept}
    if truths:
        measures["truth"] = nearness(truths, units[IMAGE])
    found = [ask(one, items.values, items.targets, measures) for one in models]
    return Report(
        graph=graph,
        items=items.digest(),
        effectiveness=summary(jury, items, before, found),
        null=null_floors(models, jury.panel, items, before),
        composition=compositions(models, items, units),
        reversal={name: _reversal([one[name] for one in found], items) for name in items.targets},
        dose=doses(models, jury.panel, items, seed),
        truth=truth_of(graph, items, truths, found, units[IMAGE]) if truths else {},
        nll=_likelihoods(models, items),
        albums=albums(jury.panel, items, truths, found[0]),
    )


def _truths(phantom: Phantom | None, test: Columns | Sample, items: Items) -> Truths:
    if phantom is None:
        return {}
    if not isinstance(test, Sample):
        raise TypeError(
            "phantom=...: the truth is in the noise of a sample: pass phantom.sample(n) as test, not its values"
        )
    return true_worlds(phantom, test[items.rows], items.targets)


def _reversal(found: Sequence[Found], items: Items) -> Estimate:
    return pool([mean(one["reversal"]["reversal"]) for one in found], items.weights)


def _likelihoods(models: Sequence[Answering], items: Items) -> dict[str, Estimate]:
    """The mean negative ELBO of every image whose mechanism is known, in nats per dimension."""
    by_image = {name: mechanisms_of(models, name) for name in models[0].graph.images}
    return {
        name: pool([mean(mean_loss(one, name, items.values).cpu()) for one in mechanisms], items.weights)
        for name, mechanisms in by_image.items()
        if mechanisms
    }
