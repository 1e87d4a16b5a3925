"""The sections of a report: what was asked, and each group of numbers with what to know about it."""

from collections.abc import Iterable, Mapping, Sequence

from causalimg.evaluation.composition import Composition
from causalimg.evaluation.dose_response import DoseResponse
from causalimg.evaluation.effectiveness import Effectiveness
from causalimg.evaluation.metric import Metric
from causalimg.evaluation.page import Cell, Finding, Section, Table, labelled, number, numbers, ratio, shaded, unit_of
from causalimg.evaluation.ranking import APART
from causalimg.evaluation.statistics import NONE, Deviation, Estimate, brief
from causalimg.evaluation.sureness import Sureness
from causalimg.evaluation.truth import CHANGED, Truth
from causalimg.evaluation.unobserved import Tipping
from causalimg.evaluation.usual import USUAL, Usualness
from causalimg.evaluation.verdict import FEW, LIMITS
from causalimg.graph import Graph
from causalimg.support import UNUSUAL


def verdict(found: Sequence[Finding]) -> Section:
    """What all that follows comes to, first."""
    return Section("Verdict", LIMITS, findings=found)


def ranking(found: Sequence[Finding]) -> Section:
    """Which method is best by what, first."""
    return Section("Verdict", f"{APART} {LIMITS}", findings=found)


def method(judged: Effectiveness) -> Section:
    """How this was judged."""
    who = "One trained model was" if judged.models == 1 else f"{judged.models} trainings of the model were each"
    text = (
        f"{who} asked about {judged.sample}. One variable at a time was set, in each item to the value that another item was "
        "observed to have. "
        f"The judge, {judged.judge}, {'read' if judged.guided else 'which guided no model here, read'} the answers. "
        f"In brackets: 95 % bootstrap intervals over {judged.over}."
    )
    if judged.models > 1:
        text += " Numbers are means over the trainings, ± the standard deviation between them (lowest to highest)."
    return Section("How this was judged", text, warning=judged.warning)


def effects(judged: Effectiveness) -> Section:
    """Whether what was asked for can be read off the image."""
    heads = ["do", "error %", "judge's own %", "error / own", "median error %", "MAE", "judge's own MAE"]
    heads += ["slope", "change, grey levels", "share outside"]
    rows = []
    for effect in judged.effects.values():
        row = [Cell(effect.label, strong=True), *numbers(effect.error, effect.floor), ratio(effect.error, effect.floor)]
        row += numbers(effect.median_error, effect.mae, effect.floor_mae, effect.slope, effect.change, effect.outside)
        rows.append(row)
    text = (
        "The error of the reading to the target, beside the judge's own error on factual images: less can't be told apart. "
        "The slope of reading on target is 1 where the image does as asked, 0 where it ignores its cause. Of the change, the "
        "share outside lies away from the structures as they were and as they became."
    )
    return Section("Effectiveness and locality", text, [Table(heads, rows)])


def matrix(graph: Graph, judged: Effectiveness, null: Mapping[str, Deviation]) -> Section:
    """What was set against what was read, with the floors below."""
    read = list(judged.floors)
    rows = [
        [Cell(f"do({name})", strong=True), *(shaded(row[j], unit_of(graph, j), strong=j == name) for j in read)]
        for name, row in judged.matrix.items()
    ]
    for label, floors in (("judge's own error", judged.floors), ("null intervention", null)):
        if floors:
            known = [shaded(floors[j], unit_of(graph, j)) if j in floors else Cell("–") for j in read]
            rows.append([Cell(label), *known])
    text = (
        "A row for each variable that was set, a column for each that was read. In bold, the error of what was set; elsewhere "
        "the drift of what should not have moved, beyond what its own value did. Darker is worse."
    )
    if null:
        text += (
            " The null intervention changes nothing and draws the pixels' noise afresh: a drift below it can't be told from "
            "grain. (With the pixels' noise kept it is the identity, and its floor is exactly 0.)"
        )
    return Section("What moved", text, [Table(["", *(labelled(j, unit_of(graph, j)) for j in read)], rows)])


def dose_response(doses: Mapping[str, DoseResponse], figures: Sequence[str]) -> Section:
    """Readings over targets, the same items at each."""
    heads = ["do", "from", "to", "calibration slope", "items"]
    rows = [
        [
            Cell(labelled(name, one.unit), strong=True),
            Cell(brief(one.target[0].item())),
            Cell(brief(one.target[-1].item())),
            number(one.slope),
            Cell(str(one.readings.shape[1])),
        ]
        for name, one in doses.items()
    ]
    text = (
        "The same items are asked for targets from the 5th to the 95th percentile of the observed values. The calibration "
        "slope is taken within each item and averaged. Line and band: mean, and 10th to 90th percentile; grey: agreement."
    )
    return Section("Dose and response", text, [Table(heads, rows)], figures)


def composition(compositions: Mapping[str, Composition]) -> Section:
    """How far an image is from itself after cycles of encoding and decoding."""
    heads = ["image", "cycles", "with the pixels' noise", "without it"]
    rows = [
        [
            Cell(image, strong=True),
            Cell(str(t)),
            number(value),
            number(one.noiseless[t]) if one.noiseless else Cell("–"),
        ]
        for image, one in compositions.items()
        for t, value in one.noisy.items()
    ]
    text = (
        "Distances to the factual image in grey levels of 255, no judge needed: nothing is asked, and the image is encoded and "
        "decoded again and again. With the pixels' noise this is the identity by construction; without it, it says what the "
        "latents hold."
    )
    return Section("Composition", text, [Table(heads, rows)])


def metrics(
    by_label: Mapping[str, Metric], heads: Sequence[str], rows: Iterable[tuple[Sequence[Cell], Mapping[str, Estimate]]]
) -> Section:
    """A column for each metric, after those of `heads`. A row is its first cells, and the estimate of each metric it has."""
    columns = [*heads, *(labelled(label, metric.unit) for label, metric in by_label.items())]
    cells = [[*first, *numbers(*(values.get(label, NONE) for label in by_label))] for first, values in rows]
    text = " ".join(["Means over the items.", *filter(None, (metric.explanation for metric in by_label.values()))])
    return Section("Metrics", text, [Table(columns, cells)])


def truth(graph: Graph, truths: Mapping[str, Truth]) -> Section:
    """Distances to the image that would really have been."""
    heads = ["do", "image", "doing nothing", "changed region", "doing nothing", "SSIM", "doing nothing"]
    rows = [
        [
            Cell(name, strong=True),
            *numbers(one.image, one.idle_image, one.region, one.idle_region, one.ssim, one.idle_ssim),
        ]
        for name, one in truths.items()
    ]
    known = list(next(iter(truths.values())).values)
    values = [
        [Cell(f"do({name})", strong=True), *(shaded(one.values[j], unit_of(graph, j), strong=j == name) for j in known)]
        for name, one in truths.items()
    ]
    text = (
        "The phantom renders the image that would really have been. Mean absolute distance to it in grey levels, over the whole "
        f"image and over the pixels that truly change by more than {CHANGED:g}; and structural similarity, 1 for the same "
        "image. Doing nothing is the factual image, laid beside the truth. Below, the error of each reading to its true value."
    )
    tables = [Table(heads, rows), Table(["", *(labelled(j, unit_of(graph, j)) for j in known)], values)]
    return Section("Against the true counterfactual", text, tables)


def sureness(heads: Sequence[str], rows: Iterable[tuple[Sequence[Cell], Sureness]]) -> Section:
    """By how much draws of an answer differ, after the first cells of each row."""
    columns = [*heads, "spread of the reading", "not sure", "interval holds the target", "half its width"]
    cells = [[*first, *numbers(*one)] for first, one in rows]
    text = (
        "Answers are means of several draws: of what abduction leaves open, or of several models. The spread is the standard "
        "deviation of their readings, in the variable's unit. Not sure: the share of questions in which it exceeds the change "
        "that was asked for. The intervals are to hold 90 % of the targets; draws alone are often surer of themselves than that."
    )
    return Section("How sure", text, [Table([*columns, "spread of a pixel, grey levels"], cells)])


def usualness(heads: Sequence[str], rows: Iterable[tuple[Sequence[Cell], Usualness]]) -> Section:
    """How usual what was asked is, and the error by that, after the first cells of each row."""
    columns = [*heads, "usual", "their error %", "rare", "their error %", "unusual", "their error %"]
    cells = [[*first, *numbers(*one)] for first, one in rows]
    text = (
        "The support of a question is the share of training rows whose causes of the image are as far from those of other rows "
        f"as what it asks the image to show. Usual: {USUAL:.0%} or more; unusual: less than {UNUSUAL:.0%}, where an answer may "
        "show anything. Shares of the questions, and their mean error to the target."
    )
    return Section("How usual what was asked is", text, [Table(columns, cells)])


def unobserved(graph: Graph, asked: Iterable[str], tipping: Tipping) -> list[Section]:
    """What nothing in the data could have said; nothing, where there is no such thing."""
    behind = {name: graph.confounded(name) for name in asked}
    notes = [
        f"What do({name}) brings about in {effect} is not what was learnt of it: {', '.join(causes)}, unobserved, is behind both."
        for name, confounded in behind.items()
        for effect, causes in confounded.items()
    ]
    rows = [
        [Cell(f"do({name})", strong=True), Cell(to), number(one)]
        for name, each in tipping.items()
        for to, one in each.items()
    ]
    if rows:
        notes.append(
            "How strong something unobserved would have to be to explain an effect away: the median of the correlation of "
            "noises at which nothing would follow. Near 0 a weak common cause would do; near 1, none."
        )
    tables = [Table(["", "effect", "correlation that would do"], rows)] if rows else []
    return [Section("What nobody observed", " ".join(notes), tables)] if notes else []


def likelihood(nll: Mapping[str, Estimate]) -> Section:
    """The negative log-likelihood of held-out items."""
    rows = [[Cell(image, strong=True), number(value)] for image, value in nll.items()]
    text = (
        "Mean negative log-likelihood of the held-out images (of an autoencoder the bound on it, −ELBO), in nats per dimension; "
        "less is better."
    )
    return Section("Likelihood", text, [Table(["image", "−log p"], rows)])


def caveats(judged: Effectiveness) -> Section:
    """What these numbers don't say."""
    notes = ["An error near the judge's own means: as good as this judge can tell, not perfect."]
    if judged.groups < FEW:
        notes.append(f"With {judged.groups} {judged.over} the intervals are too narrow.")
    if not judged.grouped:
        notes.append("Every item counts by itself: where patients repeat, the intervals are too narrow.")
    if judged.models == 1:
        notes.append("One training: how much another seed would change is not in these numbers.")
    notes.append("The pictures are the first items as they were drawn, not the best.")
    return Section("Caveats", " ".join(notes), warning=judged.warning)
