"""Numbers measured on the structures of an image."""

from causalimg.graph.quantities.of_structure import Area as Area
from causalimg.graph.quantities.of_structure import Centroid as Centroid
from causalimg.graph.quantities.of_structure import Height as Height
from causalimg.graph.quantities.of_structure import MeanIntensity as MeanIntensity
from causalimg.graph.quantities.of_structure import Width as Width
from causalimg.graph.quantities.quantity import FRACTION as FRACTION
from causalimg.graph.quantities.quantity import MM as MM
from causalimg.graph.quantities.quantity import MM2 as MM2
from causalimg.graph.quantities.quantity import PIXELS as PIXELS
from causalimg.graph.quantities.quantity import Outlined as Outlined
from causalimg.graph.quantities.quantity import Quantity as Quantity
from causalimg.graph.quantities.ratio import Ratio as Ratio
from causalimg.graph.quantities.within import Within as Within
