"""How a variable comes about: the contract, and one file per mechanism."""

from causalimg.mechanisms.defaults import default_mechanism as default_mechanism
from causalimg.mechanisms.deform import Deform as Deform
from causalimg.mechanisms.edited import Edit as Edit
from causalimg.mechanisms.edited import Edited as Edited
from causalimg.mechanisms.flow import ConditionalFlow as ConditionalFlow
from causalimg.mechanisms.flow_matching import FlowMatching as FlowMatching
from causalimg.mechanisms.gumbel import GumbelMax as GumbelMax
from causalimg.mechanisms.hvae import HVAE as HVAE
from causalimg.mechanisms.linear_gaussian import LinearGaussian as LinearGaussian
from causalimg.mechanisms.mechanism import Abduction as Abduction
from causalimg.mechanisms.mechanism import Guidable as Guidable
from causalimg.mechanisms.mechanism import ImageNoise as ImageNoise
from causalimg.mechanisms.mechanism import Likelihood as Likelihood
from causalimg.mechanisms.mechanism import MaximumLikelihood as MaximumLikelihood
from causalimg.mechanisms.mechanism import Mechanism as Mechanism
from causalimg.mechanisms.mechanism import Mediated as Mediated
from causalimg.mechanisms.mechanism import Monotone as Monotone
from causalimg.mechanisms.mechanism import Options as Options
from causalimg.mechanisms.mechanism import Seen as Seen
