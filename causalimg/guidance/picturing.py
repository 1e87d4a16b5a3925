"""What fine-tuning has come to, as a picture: a few rows, factual, counterfactual and difference.

The rows, what is set in them, and all draws are the same in every picture, so that pictures of one training compare.
"""

import torch
from numpy import uint8
from numpy.typing import NDArray

from causalimg.guidance.step import BATCH, GuidedStep, Held
from causalimg.training.history import Draw
from causalimg.training.randomness import seeded
from causalimg.values import map_tensors
from causalimg.viz.canvas import as_pixels
from causalimg.viz.pictures import Pictures, draw_grid

ROWS = 4


def picturing(step: GuidedStep, held: Held) -> Draw | None:
    """What draws some rows of `held`; None for images that are neither grey nor coloured."""
    return Picturing(step, held) if held.values[step.image].shape[1] in (1, 3) else None


class Picturing:
    """Draws the counterfactuals of some rows of `held` by the mechanism of `step`, as it is when this is called.

    What is set is drawn once, by the sampler of `step`, for as many rows as are validated at a time. (Whether anybody looks or
    not: a sampler may have a state of its own.)
    """

    def __init__(self, step: GuidedStep, held: Held) -> None:
        first = step.seen_by_all(map_tensors(lambda value: value[:BATCH], held))
        with seeded(0, first.values[step.image].device):
            world, moved = step.intervene(first.values)
        self._said = [name for name in moved if not step.scm.graph[name].value_shape]
        changed = torch.stack([moved[name] & (world[name] != first.values[name]) for name in self._said]).any(0)
        rows = changed.int().argsort(descending=True, stable=True)[:ROWS]  # where something is asked; else any
        self._step = step
        self._held, self._world, self._moved = map_tensors(lambda value: value[rows], (first, world, moved))

    @torch.no_grad()
    def __call__(self) -> NDArray[uint8]:
        """Red, green and blue, (height, width, 3); a row an item."""
        step, device = self._step, next(self._step.parameters()).device
        held, world = map_tensors(lambda value: value.to(device), (self._held, self._world))
        with seeded(0, device):
            image = step.answer(held, step.abduct(held)[0], world)
        factual = Pictures(held.values[step.image], held.outlines, self._captions())
        answer = Pictures(image, step.guides.outlines(image))
        drawn: NDArray[uint8] = as_pixels(draw_grid(factual, {"counterfactual": answer}, bounds=step.guides.bounds))
        return drawn

    def _captions(self) -> list[str]:
        """What moved in each row: ``lv_area 812 mm2 → 1203 mm2``."""
        rows = range(len(self._held.values[self._step.image]))
        return [", ".join(self._say(name, row) for name in self._said if self._moved[name][row]) for row in rows]

    def _say(self, name: str, row: int) -> str:
        was, now = (float(world[name][row]) for world in (self._held.values, self._world))
        variable = self._step.scm.graph[name]
        return f"{name} {variable.say(was)} → {variable.say(now)}"
