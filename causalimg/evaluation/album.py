"""The pictures of a report: the first items as they were drawn, never the best ones."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from torch import Tensor

from causalimg.evaluation.asking import Asked, Found
from causalimg.evaluation.items import Items
from causalimg.evaluation.locality import limits
from causalimg.evaluation.reading import outlines
from causalimg.evaluation.truth import IMAGE, Truths
from causalimg.graph import Image
from causalimg.readers.reader_set import ReaderSet
from causalimg.viz.pictures import ROWS, Pictures, draw_grid


class Album(NamedTuple):
    """The `factual` images of one question, the `answer`, and the `truth` if it is known; black and white are `bounds`."""

    name: str
    factual: Pictures
    answer: Pictures
    truth: Pictures | None
    bounds: tuple[float, float]

    def draw(self, answers: Mapping[str, Pictures] | None = None) -> Any:
        """The matplotlib figure: factual, then `answers` (default: the one of this album) and the truth, with differences."""
        columns = dict(answers or {"counterfactual": self.answer})
        if self.truth is not None:
            columns["truth"] = self.truth
        return draw_grid(self.factual, columns, bounds=self.bounds, title=f"do({self.name})")


def kept(asked: Asked) -> dict[str, Tensor]:
    """Measures the counterfactual images of the first items."""
    return {"x": asked.after[asked.image][: max(0, ROWS - asked.rows.start)].cpu()}


def albums(panel: ReaderSet, items: Items, truths: Truths, found: Mapping[str, Found]) -> dict[str, Album]:
    """The album of every question, as one model answered it."""
    return {name: _album(panel, items, name, truths, one) for name, one in found.items()}


def _album(panel: ReaderSet, items: Items, name: str, truths: Truths, found: Found) -> Album:
    variable, image = panel.graph[name], panel.graph.image_of(name)
    was, target, read = (one[:ROWS].tolist() for one in (items.values[name], items.targets[name], found["read"][name]))
    asked = [f"do({name} = {variable.say(to)})\nwas {variable.say(v)}" for v, to in zip(was, target, strict=True)]
    x, after = items.values[image][:ROWS], found["kept"]["x"]
    factual = Pictures(x, outlines(panel, x), asked)
    answer = Pictures(after, outlines(panel, after), [f"read {variable.say(value)}" for value in read])
    bounds = limits(cast(Image, panel.graph[image]), items.values[image])
    return Album(name, factual, answer, _truth(truths, name, factual), bounds)


def _truth(truths: Truths, name: str, factual: Pictures) -> Pictures | None:
    if name not in truths:
        return None
    world = truths[name]
    masks = {structure: world.masks[structure][:ROWS] for structure in factual.outlines if structure in world.masks}
    return Pictures(world.values[IMAGE][:ROWS], masks)
