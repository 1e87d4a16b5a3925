"""Counterfactual fine-tuning: a list of terms, a sampler of interventions, the guide's view, a bound on what was fitted."""

from causalimg.guidance.bound import Bound as Bound
from causalimg.guidance.finetune import finetune as finetune
from causalimg.guidance.finetune import preset as preset
from causalimg.guidance.grey import Grey as Grey
from causalimg.guidance.imagined import Imagined as Imagined
from causalimg.guidance.locality import Locality as Locality
from causalimg.guidance.minimality import Minimality as Minimality
from causalimg.guidance.plausibility import Plausibility as Plausibility
from causalimg.guidance.samplers import Drawn as Drawn
from causalimg.guidance.samplers import Permuted as Permuted
from causalimg.guidance.samplers import Sampler as Sampler
from causalimg.guidance.samplers import Uniform as Uniform
from causalimg.guidance.sensitivity import Sensitivity as Sensitivity
from causalimg.guidance.sensitivity import sensitivity as sensitivity
from causalimg.guidance.target import Hold as Hold
from causalimg.guidance.target import Target as Target
from causalimg.guidance.term import Term as Term
from causalimg.guidance.view import View as View
