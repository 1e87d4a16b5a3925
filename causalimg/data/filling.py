"""Variables that a table's file lacks are measured on its masks or read off its images, once."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import cast

from torch import Tensor

from causalimg.data.table import Table
from causalimg.graph import Continuous, Image
from causalimg.readers import Panel

MASKS = "masks"


def fillers(names: Collection[str], structures: Collection[str], panel: Panel) -> dict[str, str]:
    """What fills those of `names` that can be: the masks where they have the structures, else a reader, by its kind."""
    quantities = panel.graph.measured
    on_masks = {n: MASKS for n in names if n in quantities and set(quantities[n].structures) <= set(structures)}
    read = {n: type(panel.by_variable[n]).__name__ for n in names if n in panel.by_variable}
    return read | on_masks


def fill(table: Table, filled: Mapping[str, str], panel: Panel) -> Table:
    """The table with the variables of `filled`, all of them in the order of the graph."""
    measured = {name: _measure(table, name) for name, source in filled.items() if source == MASKS}
    read = panel.read_all(table.values, [name for name in filled if name not in measured])
    values = {**table.values, **measured, **read}
    return replace(table, values={name: values[name] for name in table.graph}, filled=filled)


def _measure(table: Table, name: str) -> Tensor:
    graph = table.graph
    variable, image = cast(Continuous, graph[name]), cast(Image, graph[graph.image_of(name)])
    masks = {structure: mask.float() for structure, mask in table.masks.items()}
    return graph.measured[name].measure(masks, variable.unit, image.spacing)
