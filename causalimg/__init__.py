"""Say what causes what. Get the image that would have been."""

from causalimg.data import phantoms as phantoms
from causalimg.data.normalise import Percentile as Percentile
from causalimg.data.table import Table as Table
from causalimg.fitting.finetune import Finetuning as Finetuning
from causalimg.graph import Area as Area
from causalimg.graph import Categorical as Categorical
from causalimg.graph import Continuous as Continuous
from causalimg.graph import Graph as Graph
from causalimg.graph import Image as Image
from causalimg.graph import Quantity as Quantity
from causalimg.graph import Variable as Variable
from causalimg.graph import scale as scale
from causalimg.graph import shift as shift
from causalimg.mechanisms import HVAE as HVAE
from causalimg.mechanisms import Abduction as Abduction
from causalimg.mechanisms import ConditionalFlow as ConditionalFlow
from causalimg.mechanisms import GumbelMax as GumbelMax
from causalimg.mechanisms import LinearGaussian as LinearGaussian
from causalimg.mechanisms import Mechanism as Mechanism
from causalimg.mechanisms.context import Context as Context
from causalimg.model import CausalModel as CausalModel
from causalimg.model import compile as compile
from causalimg.training.recipe import Recipe as Recipe
