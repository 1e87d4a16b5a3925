"""Judging a model: what a reader that did not guide it reads off its counterfactuals, and what no reader is needed for."""

from causalimg.evaluation.comparison import Comparison as Comparison
from causalimg.evaluation.effectiveness import Effect as Effect
from causalimg.evaluation.effectiveness import Effectiveness as Effectiveness
from causalimg.evaluation.effectiveness import effectiveness as effectiveness
from causalimg.evaluation.evaluate import evaluate as evaluate
from causalimg.evaluation.metric import Metric as Metric
from causalimg.evaluation.metric import Reversibility as Reversibility
from causalimg.evaluation.realism import Realism as Realism
from causalimg.evaluation.report import Report as Report
