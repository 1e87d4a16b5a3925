"""Measuring a variable on the outlines of an image: what its quantity needs to know is said by the graph."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from causalimg.errors import check_known
from causalimg.graph.graph import Graph
from causalimg.graph.quantities import Outlined
from causalimg.graph.variables import Continuous, Image

if TYPE_CHECKING:
    from torch import Tensor


def measure(graph: Graph, name: str, masks: "Mapping[str, Tensor]", image: "Tensor") -> "Tensor":
    """The variable `name` in its unit, shape (batch,), on `masks` of `image`, (batch, channels, height, width).

    `masks`, by structure, are (batch, height, width), in [0, 1] or bool; soft ones give a differentiable answer. Raises
    ValueError where the variable is not measured, or a structure that it needs has no mask.
    """
    check_known("measured variable", [name], graph.measured)
    quantity, variable = graph.measured[name], cast(Continuous, graph[name])
    check_known("mask", quantity.structures, masks)
    outlines = {structure: masks[structure].float() for structure in quantity.structures}
    spacing = cast(Image, graph[graph.image_of(name)]).spacing
    return quantity.measure(Outlined(outlines, image, spacing), variable.unit)
