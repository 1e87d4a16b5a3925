"""Judging a model: what a reader that did not guide it reads off its counterfactuals."""

from causalimg.evaluation.compare import compare as compare
from causalimg.evaluation.effect import Effect as Effect
from causalimg.evaluation.effect import Effectiveness as Effectiveness
from causalimg.evaluation.effectiveness import effectiveness as effectiveness
from causalimg.evaluation.judgement import write_judgement as write_judgement
