"""Images rendered from a known structural causal model, so that a counterfactual has a truth, pixel by pixel.

A phantom is a graph, an equation v := f(u, pa) for every variable that is a number, and a renderer for the image, whose
nuisance (position, shape, texture, contrast, the grain of the pixels) is exogenous noise like any other. The true
counterfactual keeps the noise, sets what is intervened on, and evaluates the equations of its descendants again.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from causalimg.errors import as_seed, check_known, whole
from causalimg.graph import Categorical, Graph
from causalimg.propagation import propagate

Values = Mapping[str, Tensor]
Equation = Callable[[Tensor, Values], Tensor]
"""A variable's value, shape (batch,), from its noise and its parents."""

CHUNK = 64  # images rendered at once: the maps of more leave the processor's cache


@dataclass(frozen=True, eq=False)
class Sample:
    """Worlds of a phantom: what is the case, where the structures are, and the noise that brought it about.

    `values`: every variable by name; numbers have shape (batch,), the image "x" (batch, 1, height, width).
    `masks`: every structure by name, bool, shape (batch, height, width); a pixel is inside if its centre is.
    `noise`: the exogenous noise of every number by name, and all that makes up the nuisance of the image.
    """

    values: dict[str, Tensor]
    masks: dict[str, Tensor]
    noise: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.values["x"])

    def keys(self) -> Iterable[str]:
        """The names of the variables: wherever values by name are asked for, it serves."""
        return self.values.keys()

    def __getitem__(self, name: str) -> Tensor:
        check_known("variable", [name], self.values)
        return self.values[name]

    def rows(self, index: Any) -> "Sample":
        """The worlds at a position, a slice, or positions (a list or a tensor); always a batch."""
        chosen = torch.arange(len(self))[index].reshape(-1)
        return Sample(*(_take(part, chosen) for part in (self.values, self.masks, self.noise)))


class Phantom(ABC):
    """A known structural causal model of an image "x".

    Subclass it with `structures`, `equations`, `nuisance`, `_graph` and `_render`.

    `size` is the image's height and width in pixels; its width in mm stays the same, and so do the patients of a seed.
    Raises ValueError for a size below 32 or above 192.
    """

    structures: ClassVar[tuple[str, ...]]
    equations: ClassVar[Mapping[str, Equation]]
    """The equation of every number; noise is standard normal, or for a categorical variable a Gumbel per level."""
    nuisance: ClassVar[Mapping[str, tuple[int, ...]]]
    """The shapes, by name, of the standard normal noise that makes the scene."""
    grains: ClassVar[int] = 1
    """How many independent standard normal numbers make the noise of a pixel (`noise["grain"]`)."""

    def __init__(self, size: int = 64) -> None:
        if not 32 <= size <= 192:
            raise ValueError(f"{type(self).__name__}: expected a size from 32 to 192 pixels, got {size}")
        self.size = size
        self.graph = self._graph()

    @abstractmethod
    def _graph(self) -> Graph:
        """The causal graph, with bounds for every continuous variable."""

    @abstractmethod
    def _render(self, parents: Values, noise: Values) -> tuple[Tensor, dict[str, Tensor]]:
        """The image, shape (batch, height, width), and the masks of the structures."""

    def sample(self, n: int, seed: int = 0) -> Sample:
        """`n` worlds. A seed gives the same patients at every size; only the grain of the pixels differs."""
        n, dice = whole("n", n, 0), torch.Generator().manual_seed(as_seed(seed))
        noise = {name: self._noise(name, n, dice) for name in self.equations}
        shapes = {**self.nuisance, "grain": (self.grains, self.size, self.size)}
        noise |= {name: torch.randn(n, *shape, generator=dice) for name, shape in shapes.items()}
        return self._evaluate({}, {}, noise)

    def counterfactual(self, sample: Sample, do: Mapping[str, Any]) -> Sample:
        """What `sample` would have been under `do`: the truth, not an estimate.

        `do` gives by name a number or level for all, one for each, or a callable on the factual value (`causalimg.scale`).
        Raises ValueError for what is no variable with an equation, no level, out of bounds, or not one for each; TypeError
        for what is no number.
        """
        check_known("variable to intervene on", do, self.equations)
        if not do:
            return sample
        action = {name: self._set(name, value, sample.values[name]) for name, value in do.items()}
        return self._evaluate(sample.values, action, sample.noise)

    def _noise(self, name: str, n: int, dice: torch.Generator) -> Tensor:
        variable = self.graph[name]
        if isinstance(variable, Categorical):
            return -torch.empty(n, len(variable.levels)).exponential_(generator=dice).log()  # Gumbel
        return torch.randn(n, generator=dice)

    def _set(self, name: str, value: Any, factual: Tensor) -> Tensor:
        variable = self.graph[name]
        encoded = variable.encode(name, value(factual) if callable(value) else value)
        try:
            given = torch.as_tensor(encoded)
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{name}: expected {variable.allowed}, got {value!r}") from None
        if given.shape not in ((), factual.shape):
            raise ValueError(f"{name}: expected one value or {len(factual)}, got the shape {tuple(given.shape)}")
        wrong = variable.outside(given)
        if variable.discrete:
            wrong = wrong | (given != given.round())
        if wrong.any():
            raise ValueError(f"{name}: {given[wrong].flatten()[0].item():g} is not {variable.allowed}")
        return given.to(factual.dtype).expand(factual.shape).clone()

    def _evaluate(self, known: Values, action: Values, noise: dict[str, Tensor]) -> Sample:
        def predict(name: str, parents: Values) -> Tensor:
            return self.equations[name](noise[name], parents)

        numbers = propagate(self.graph, known, action, predict, names=self.equations)
        image, masks = self._render_all({name: numbers[name] for name in self.graph.parents("x")}, noise)
        values = {name: numbers[name] for name in self.equations}
        return Sample(values | {"x": image[:, None]}, masks, noise)

    def _render_all(self, parents: Values, noise: Values) -> tuple[Tensor, dict[str, Tensor]]:
        image = torch.empty_like(noise["grain"][:, 0])
        masks = {name: torch.empty_like(image, dtype=torch.bool) for name in self.structures}
        for start in range(0, len(image), CHUNK):
            rows = slice(start, start + CHUNK)
            image[rows], drawn = self._render(_take(parents, rows), _take(noise, rows))
            for name, mask in masks.items():
                mask[rows] = drawn[name]
        return image, masks


def within(bounds: tuple[float, float], score: Tensor) -> Tensor:
    """`score` squashed into `bounds`: zero is the middle."""
    low, high = bounds
    return low + (high - low) * score.sigmoid()


def _take(part: Values, rows: Tensor | slice) -> dict[str, Tensor]:
    return {name: column[rows] for name, column in part.items()}
