"""The contract of a metric: one number per item for each question. Pages, tables and JSON follow from it.

A metric of yours is a subclass; pass it to `evaluate(..., metrics=[...])`. Its mean per variable that was set, with the interval
over groups, is in the `Report` and in a `Comparison`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from causalimg.evaluation.change import distance
from causalimg.evaluation.questions import Items, Measured, Question, answer
from causalimg.evaluation.statistics import Estimate, mean, pool


class Metric(ABC):
    """A number for every item of a question; what is reported is its mean over the items, by variable that was set.

    `label` is its heading in tables and its key in JSON, `unit` stands behind it, and `explanation` is a sentence for the page:
    what it measures, and what is best.
    """

    label: str
    unit: str = ""
    explanation: str = ""

    @abstractmethod
    def measure(self, question: Question) -> Tensor:
        """One number per item, shape (n,); NaN for an item that has none. No gradients are kept."""


class Reversibility(Metric):
    """How far the image is from the factual one after the intervention was taken back: do(k = t) of x, then do(k = v_k) of x'.

    *Measuring axiomatic soundness of counterfactual image models* (Monteiro et al., ICLR 2023, arXiv:2303.01274).
    """

    label = "reversibility"
    unit = "grey levels"
    explanation = (
        "Reversibility: the variable is set, and set back on the new image; the distance to the factual image, 0 is best. "
        "Read it beside the change: a model that changes nothing has 0 too."
    )

    def measure(self, question: Question) -> Tensor:
        """Mean |x'' − x| over the pixels, in grey levels of 255."""
        changed = {name: question.after[name] for name in question.model.graph}
        back = answer(question.model, changed, **{question.name: question.before[question.name]})
        return distance(back[question.image].cpu(), question.before[question.image].cpu(), question.unit)


STANDARD: tuple[Metric, ...] = (Reversibility(),)
"""The metrics that `evaluate` measures unless told otherwise."""


def by_label(metrics: Sequence[Metric]) -> dict[str, Metric]:
    """`metrics` by label. Raises TypeError for what is no metric, ValueError for two of one label, or for none."""
    labelled: dict[str, Metric] = {}
    for metric in metrics if isinstance(metrics, Sequence) else [metrics]:
        if not isinstance(metric, Metric) or not isinstance(metrics, Sequence):
            name = getattr(metric, "__name__", type(metric).__name__)
            raise TypeError(f"metrics: expected a list of metrics, such as [{name}()], got {metric!r}")
        label, kind = getattr(metric, "label", ""), type(metric).__name__
        if not label:
            raise ValueError(f'metric {kind} has no label: say label = "..." in its class, its heading in tables')
        if label in labelled:
            raise ValueError(f"two metrics of label {label!r}: {type(labelled[label]).__name__} and {kind}")
        labelled[label] = metric
    return labelled


def numbers_of(metrics: Mapping[str, Metric], question: Question) -> dict[str, Tensor]:
    """What each of `metrics` measures on a batch, by label, on the CPU. Raises what `_checked` raises."""
    return {label: _checked(metric, metric.measure(question), question) for label, metric in metrics.items()}


def averages(
    metrics: Mapping[str, Metric], items: Items, measured: Sequence[Mapping[str, Measured]]
) -> dict[str, dict[str, Estimate]]:
    """By label and variable that was set: the mean over items and models, from what was `measured` of each model."""
    return {
        label: {
            name: pool([mean(each[name]["metrics"][label]) for each in measured], items.weights)
            for name in items.targets
        }
        for label in metrics
    }


def _checked(metric: Metric, values: object, question: Question) -> Tensor:
    """`values` as float32 on the CPU. Raises TypeError for what is no tensor, ValueError for another shape than (n,)."""
    where, n = f"metric {metric.label!r} ({type(metric).__name__}.measure)", len(question.before[question.name])
    if not isinstance(values, Tensor):
        raise TypeError(f"{where}: expected a tensor of one number per item, got {values!r}")
    if values.shape != (n,):
        raise ValueError(f"{where}: expected one number per item, shape {(n,)}, got {tuple(values.shape)}")
    return values.detach().to("cpu", torch.float32)
