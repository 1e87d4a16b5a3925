"""How bright a structure is: the mean grey of the image, over all channels, weighted by the structure's probabilities.

It is differentiable in the image twice: in its greys and, through the segmentor, in the outline.
"""

from typing import TYPE_CHECKING, ClassVar

from causalimg.graph.quantities.quantity import Outlined
from causalimg.graph.quantities.structure import OfStructure, mean_within

if TYPE_CHECKING:
    from torch import Tensor


class MeanIntensity(OfStructure):
    """Mean of the image within a structure, in ``"grey"``: in whatever the image's own values (and `bounds`) are.

    That of nothing is the mean of the whole image.
    """

    units: ClassVar[tuple[str, ...]] = ("grey",)
    steady: ClassVar[bool] = False

    __init__ = OfStructure.__init__

    def measure(self, seen: Outlined, unit: str) -> "Tensor":
        self.check_unit(unit)
        return mean_within(seen.masks[self.structure], seen.image.mean(1))
