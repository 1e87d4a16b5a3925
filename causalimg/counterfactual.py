"""A counterfactual is a value: the whole world that would have been, beside the one that was."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from causalimg.errors import check_known
from causalimg.graph import Graph, Image
from causalimg.scm import Factual, Outline
from causalimg.values import World, limits, widen
from causalimg.viz.pictures import ROWS, Pictures, draw_grid

Readings = Callable[[Mapping[str, Tensor]], World]


class Counterfactual(Mapping[str, Tensor]):
    """The answer to `do`: a mapping from every variable to its counterfactual value.

    `factual` is the world that was, `action` what was set, `measured` what the model's readers read off the new images.
    A question about one item without a batch dimension is answered without one.
    """

    def __init__(
        self, graph: Graph, factual: Factual, action: World, world: World, readings: Readings, outline: Outline
    ) -> None:
        n = max(map(len, world.values()))
        self.graph = graph
        self._world = world
        self._was = {name: widen(value, n) for name, value in factual.values.items()}
        self._single = factual.single and n == 1
        self.action = self._as_asked({name: widen(value, n) for name, value in action.items()}, self._single)
        self.factual = self._as_asked(self._was, self._single)
        self._readings = readings
        self._outline = outline

    @staticmethod
    def _as_asked(world: World, single: bool) -> World:
        return {name: value[0] for name, value in world.items()} if single else dict(world)

    def __getitem__(self, name: str) -> Tensor:
        self.graph[name]  # a name that is no variable is an error that says the nearest one
        value = self._world[name]
        return value[0] if self._single else value

    def __contains__(self, name: object) -> bool:
        return name in self._world

    def __iter__(self) -> Iterator[str]:
        return iter(self._world)

    def __len__(self) -> int:
        return len(self._world)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={_brief(value)}" for name, value in self.action.items())
        return f"Counterfactual(do({settings}), {', '.join(self)})"

    @cached_property
    def measured(self) -> World:
        """What the readers read off the counterfactual images, hard, in declared units."""
        return self._as_asked(self._readings(self._world), self._single)

    @cached_property
    def measured_before(self) -> World:
        """What the readers read off the factual images."""
        return self._as_asked(self._readings(self._was), self._single)

    def plot(self, path: str | Path | None = None, image: str | None = None) -> Any:
        """Factual | counterfactual | difference of the first items, with the structures outlined; written to `path`.

        Returns the matplotlib figure. Raises ValueError where `image` is no image of the graph.
        """
        return draw({"counterfactual": self}, path, image)

    def _before(self, image: str) -> Pictures:
        images = self._was[image][:ROWS]
        return Pictures(images, self._outline(images, image))

    def _after(self, image: str) -> Pictures:
        images = self._world[image][:ROWS]
        return Pictures(images, self._outline(images, image), [self._caption(row) for row in range(len(images))])

    def _caption(self, row: int) -> str:
        return "\n".join(line for name in self.action for line in self._describe(name, row))

    def _describe(self, name: str, row: int) -> Iterator[str]:
        variable = self.graph[name]
        if variable.value_shape:
            return
        was, becomes = self._was[name][row].item(), self._world[name][row].item()
        yield f"do({name} = {variable.say(becomes)}), was {variable.say(was)}"
        if name in self.measured:
            reading = self.measured[name] if self._single else self.measured[name][row]
            yield f"measured {variable.say(reading.item())}"


def draw(answers: Mapping[str, Counterfactual], path: str | Path | None = None, image: str | None = None) -> Any:
    """The factual image, then each of `answers` about the same items, under its heading, and its difference.

    Returns the matplotlib figure. Raises ValueError where `image` is no image of the graph.
    """
    first = next(iter(answers.values()))
    name = first.graph.images[0] if image is None else image
    check_known("image", [name], first.graph.images)
    before, columns = first._before(name), {heading: answer._after(name) for heading, answer in answers.items()}
    bounds = limits(cast(Image, first.graph[name]), before.images)
    return draw_grid(before, columns, bounds=bounds, path=path)


def _brief(value: Tensor) -> str:
    return f"{value.item():g}" if value.numel() == 1 else f"<{tuple(value.shape)}>"
