"""Variables that a table's file lacks are measured on its masks or read off its images, once."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from causalimg.data.table import Table
from causalimg.graph import measure
from causalimg.readers import ReaderSet

MASKS = "masks"


def fillers(names: Collection[str], structures: Collection[str], panel: ReaderSet) -> dict[str, str]:
    """What fills those of `names` that can be: the masks where they have the structures, else a reader, by its kind."""
    quantities = panel.graph.measured
    on_masks = {n: MASKS for n in names if n in quantities and set(quantities[n].structures) <= set(structures)}
    read = {n: type(panel.by_variable[n]).__name__ for n in names if n in panel.by_variable}
    return read | on_masks


def fill(table: Table, filled: Mapping[str, str], panel: ReaderSet) -> Table:
    """The table with the variables of `filled`, all of them in the order of the graph."""
    graph, on_masks = table.graph, [name for name, source in filled.items() if source == MASKS]
    measured = {name: measure(graph, name, table.masks, table[graph.image_of(name)]) for name in on_masks}
    read = panel.read_all(table.values, [name for name in filled if name not in measured])
    values = {**table.values, **measured, **read}
    return replace(table, values={name: values[name] for name in table.graph}, filled=filled)
