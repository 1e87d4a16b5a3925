"""How something is trained: the few numbers a user may want to change, and where it runs, in Lightning Fabric's words."""

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from causalimg.graph.spec import Spec


class Recipe(Spec):
    """AdamW with linear warm-up over `warmup` steps, an average (EMA) of the weights, and clipped gradients.

    `clip` bounds the gradient's norm. A step whose norm is not finite, or above `skip` times `clip`, is skipped and counted.
    `accelerator`, `devices`, `strategy` and `precision` are Lightning Fabric's.
    """

    steps: PositiveInt = 1000
    batch: PositiveInt = 32
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.01
    warmup: NonNegativeInt = 50
    ema: NonNegativeFloat = 0.995
    clip: PositiveFloat = 10.0
    skip: PositiveFloat = 100.0
    log_every: PositiveInt = 50
    accelerator: str = "auto"
    devices: int | str = 1
    strategy: str = "auto"
    precision: str = "32-true"
