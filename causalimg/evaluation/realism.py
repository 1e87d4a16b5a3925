"""Realism: how much less likely an answer is than the image it was made from."""

import torch
from torch import Tensor

from causalimg.evaluation.metric import Metric
from causalimg.evaluation.questions import Question, mechanisms_of
from causalimg.fit import row_nlls
from causalimg.mechanisms.mechanism import likelihood_of


class Realism(Metric):
    """(log p(x | pa) - log p(x' | pa')) per dimension, by the mechanism as it was fitted: for trainings that share a fit.

    No reader is needed. NaN where the mechanism of the image has no likelihood. A flow's costs some twenty evaluations with a
    gradient, so it isn't measured by default.
    """

    label = "realism"
    unit = "nats per dimension"
    explanation = (
        "Realism: by how much less likely the answer is than the factual image, each under its own causes, by the mechanism "
        "as it was fitted; 0 is best. Below 0 it is likelier, which flat images are, too: look at the pictures."
    )

    def measure(self, question: Question) -> Tensor:
        """Nats per dimension, shape (n,)."""
        found = [likelihood_of(one) for one in mechanisms_of([question.model], question.image)]
        if not found or found[0] is None:
            return torch.full((len(question.before[question.image]),), torch.nan)
        before, after = (row_nlls(found[0], question.image, world) for world in (question.before, question.after))
        return after - before
