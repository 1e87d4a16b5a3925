"""The contract: a mechanism turns noise into a value and back; going back also says how likely the value was.

    noise(n)               -> u          draw exogenous noise for n samples
    predict(u, parents)    -> value      v := f(pa, u)
    abduct(value, parents) -> u, nll     the noise that explains the value, and (a bound on) its negative log-likelihood

Training minimises ``abduct(...).nll``; a counterfactual is ``predict(abduct(v, pa).u, pa')``. Nothing is computed twice: an
image is encoded once, however many questions are asked of it.

Values travel in natural units: a continuous variable as float32 of shape (batch,), a categorical one as int64 level
indices of shape (batch,), an image as float32 of shape (batch, channels, height, width). Parents arrive by name.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from torch import Tensor, nn

from causalimg.configured import Configured
from causalimg.graph import Graph, Variable
from causalimg.mechanisms.context import Context
from causalimg.training.recipe import Recipe

Values = Mapping[str, Tensor]
Noise = Tensor | dict[str, Tensor]
"""Exogenous noise: a tensor, or several by name; the first dimension counts samples."""

PIXEL_NOISE = "eps"
"""By this name an image mechanism calls the part of its noise that it adds pixel by pixel."""


def temper(u: Noise, tau: float) -> Noise:
    """`u` with its pixels' noise, if it has any, multiplied by the temperature `tau`.

    For training and judging only: with `tau` other than 1 the null intervention does not return the image, so `do` has none.
    """
    if isinstance(u, Tensor) or PIXEL_NOISE not in u:
        return u
    return {**u, PIXEL_NOISE: tau * u[PIXEL_NOISE]}


class Abduction(NamedTuple):
    """What `abduct` found: noise `u`, and `nll` in nats per sample, shape (batch,)."""

    u: Noise
    nll: Tensor


class Mechanism(Configured, ABC):
    """How a variable comes about from its parents and noise. Subclass it, and write four methods.

    Annotated class attributes are settings (see `Configured`). `build` makes the layers once `variable` and `parents` are
    known; the other three are the contract above. `abduct` must be differentiable in the mechanism's parameters, `predict`
    in the noise and the parents too. `predict(abduct(v, pa).u, pa)` returns `v`, to 1e-5 of its scale, whatever randomness
    `abduct` draws. Hold yours to it with `causalimg.testing.check_mechanism`.
    """

    handles: ClassVar[tuple[type[Variable], ...]]
    """The kinds of variable that this mechanism can produce."""

    recipe: ClassVar[Recipe] = Recipe()
    """How `fit` trains it, where the user doesn't say otherwise."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.variable: Variable
        self.parents: dict[str, Variable]

    @abstractmethod
    def build(self) -> None:
        """Make the layers. `self.variable` and `self.parents` (by name) are known; raise ValueError for what won't fit."""

    @abstractmethod
    def noise(self, n: int) -> Noise:
        """Exogenous noise of `n` samples, on the mechanism's device."""

    @abstractmethod
    def predict(self, u: Noise, parents: Values) -> Tensor:
        """The value, shape (batch, *variable.value_shape), that noise `u` and `parents` bring about."""

    @abstractmethod
    def abduct(self, value: Tensor, parents: Values) -> Abduction:
        """The noise that explains `value` under `parents`, and how unlikely it was."""

    def prepare(self, value: Tensor, parents: Values) -> None:
        """See the training data once, before training: the place to fit standardisation. Extend it with ``super()``."""
        for module in self.modules():
            if isinstance(module, Context):
                module.standardise(parents)

    def prepare_finetuning(self, parents: Iterable[str]) -> list[nn.Module]:
        """Hear which `parents` will be intervened on, before fine-tuning; returns what it should train: all, if not replaced."""
        return [self]

    def bind(self, graph: Graph, name: str) -> Self:
        """A new mechanism with these settings, built for the variable `name` of `graph`.

        Raises TypeError where this kind of mechanism can't produce that kind of variable.
        """
        bound = type(self)(**dict(self.spec))
        bound.variable = graph[name]
        bound.parents = {parent: graph[parent] for parent in graph.parents(name)}
        if not isinstance(bound.variable, bound.handles):
            handled = " or ".join(kind.__name__ for kind in bound.handles)
            raise TypeError(f"{name}: {type(self).__name__} produces {handled}, not {type(bound.variable).__name__}")
        try:
            bound.build()
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        return bound
