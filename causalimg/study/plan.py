"""How long everything in a study is trained, and with which settings."""

from typing import Any

from pydantic import Field

from causalimg.guidance import Permuted, Sampler
from causalimg.graph.spec import Spec
from causalimg.readers import Augment
from causalimg.training.recipe import Recipe

SMALL: dict[str, Any] = {"widths": (16, 32, 48, 64), "embedding": 32}
"""Settings of an image mechanism that is large enough for a phantom."""


class Plan(Spec):
    """How long everything is trained, and with which settings. `image` holds settings of the `HVAE`."""

    fit: Recipe = Recipe(steps=1000, lr=2e-3, warmup=100)
    tuning: Recipe = Recipe(steps=400, batch=24, lr=2e-3, warmup=20)
    sampler: Sampler = Permuted()
    readers: Recipe = Recipe(steps=600, lr=4e-3)
    augment: Augment | None = None
    image: dict[str, Any] = Field(default_factory=dict)
    encoder: str = "tu-resnet18"
    judging_encoder: str = "mobilenet_v2"

    @classmethod
    def of_length(cls, steps: int, **others: Any) -> "Plan":
        """A plan that fits the image for so many `steps`, fine-tunes for as many, and trains readers for a fifth more.

        `others` are settings of the plan, as they are said.
        """
        lengths = {
            "fit": Recipe(steps=steps, lr=2e-3, warmup=steps // 10),
            "tuning": Recipe(steps=steps, batch=24, lr=2e-3, warmup=steps // 20),
            "readers": Recipe(steps=6 * steps // 5, lr=4e-3),
        }
        return cls(**(lengths | others))
