"""How something is trained: the few numbers a user may want to change, and where it runs, in Lightning Fabric's words.

The rate rises linearly over `warmup` steps, then falls along a cosine to a twentieth, so that short runs end well untuned.
What is trained has a recipe of its own; a user's overrides what it says, and nothing else.
"""

import math
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from causalimg.graph.spec import Spec

FLOOR = 0.05
"""Where the learning rate ends, as a share of its highest value."""

RISING = 1 / 4
"""The largest share of the steps in which the rate rises: a short training must not end before it has begun."""


class Recipe(Spec):
    """AdamW with linear warm-up over `warmup` steps, then a cosine; an average (EMA) of the weights; clipped gradients.

    Handed to what has a recipe of its own (a mechanism, a reader), it overrides the settings that were given, and keeps the rest:
    see `over`. The warm-up takes a quarter of the steps at most.
    `batch` counts the rows of a step, which several devices share out. `clip` bounds the gradient's norm; a step whose norm is
    not finite, or above `skip` times `clip`, is skipped and counted. Means are logged every `log_every` steps.
    `accelerator`, `devices`, `strategy` and `precision` are Lightning Fabric's. `compile` has torch compile the step first, which
    takes minutes and pays in long runs; where that fails, a message says so and the step runs as it is.
    """

    steps: PositiveInt = 1000
    batch: PositiveInt = 32
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    warmup: NonNegativeInt = 50
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    clip: PositiveFloat = 10.0
    skip: PositiveFloat = 1e4
    log_every: PositiveInt = 50
    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False

    def over(self, own: Self) -> Self:
        """`own`, with the settings that were given here: ``Recipe(steps=800).over(own)`` has all but the steps of `own`."""
        return own.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


def learning_rate(recipe: Recipe, step: int) -> float:
    """The learning rate at `step`, counted from 1."""
    warmup = min(recipe.warmup, int(RISING * recipe.steps))
    rise = min(1.0, step / max(1, warmup))
    fall = max(0.0, (step - warmup) / max(1, recipe.steps - warmup))
    return recipe.lr * rise * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * fall)) / 2)


def accelerator() -> torch.device:
    """The accelerator of this machine, where there is one, else its CPU.

    Training finds it by itself (see `Recipe`); a model answers where it is: ``model.to(accelerator())``.
    """
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
