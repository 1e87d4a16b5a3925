"""What causes what: variables, quantities, graphs, interventions. Plain data.

The modules of this package import no torch (``tests/test_layers.py`` holds that); ``import causalimg`` itself does.
"""

from causalimg.graph.graph import Graph as Graph
from causalimg.graph.graph import as_graph as as_graph
from causalimg.graph.graph import measure as measure
from causalimg.graph.quantities import Area as Area
from causalimg.graph.quantities import Centroid as Centroid
from causalimg.graph.quantities import Height as Height
from causalimg.graph.quantities import MeanIntensity as MeanIntensity
from causalimg.graph.quantities import Outlined as Outlined
from causalimg.graph.quantities import Quantity as Quantity
from causalimg.graph.quantities import Ratio as Ratio
from causalimg.graph.quantities import Width as Width
from causalimg.graph.quantities import Within as Within
from causalimg.graph.relative import grid as grid
from causalimg.graph.relative import percentile as percentile
from causalimg.graph.relative import scale as scale
from causalimg.graph.relative import shift as shift
from causalimg.graph.variables import Categorical as Categorical
from causalimg.graph.variables import Continuous as Continuous
from causalimg.graph.variables import Image as Image
from causalimg.graph.variables import Unobserved as Unobserved
from causalimg.graph.variables import Variable as Variable
