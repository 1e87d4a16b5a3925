"""Fine-tuning an image mechanism under readers: which image, which parameters, and for how long (the loss: see `guided`)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from causalimg.fitting.guided import Finetuning, Guided
from causalimg.readers import Panel
from causalimg.scm import SCM
from causalimg.training.history import History
from causalimg.training.loop import train
from causalimg.values import World


def finetune(
    scm: SCM,
    data: World,
    val: World | None,
    guides: Panel,
    settings: Finetuning,
    seed: int,
    log: Path | None,
) -> History:
    """Fine-tune the image mechanism of `scm` in place, on the columns of `data`; all else stays as it is.

    With `val`, the weights with the least loss there (guidance, locality and excess) stay.
    """
    image = guided_image(scm, guides)
    with only_trainable(scm.mechanisms[image], within=[scm, guides]):
        step = Guided(scm, image, guides, data, settings)
        held_out = None if val is None else val | step.references(val)
        validate = None if held_out is None else lambda: step.validate(held_out)
        return train(
            step, step.columns, settings.recipe, label=f"{image}, guided", seed=seed, validate=validate, log=log
        )


def guided_image(scm: SCM, guides: Panel) -> str:
    """The one image that `guides` read. Raises ValueError where there is none or more than one, or none of its causes is read."""
    images = {scm.graph.image_of(name) for name in guides.by_variable}
    if len(images) != 1:
        raise ValueError(f"guidance reads {', '.join(sorted(images)) or 'nothing'}: fine-tune one image at a time")
    image = images.pop()
    if not any(image in scm.graph.descendants(name) for name in guides.by_variable):
        raise ValueError(f"guidance reads {', '.join(guides.by_variable)}, none of which causes {image}")
    return image


@contextmanager
def only_trainable(module: nn.Module, within: Iterable[nn.Module]) -> Iterator[None]:
    """Of all parameters `within`, only those of `module` require a gradient for a while."""
    before = {p: p.requires_grad for outer in within for p in outer.parameters()}
    try:
        for parameter in before:
            parameter.requires_grad_(False)
        module.requires_grad_(True)
        yield
    finally:
        for parameter, was in before.items():
            parameter.requires_grad_(was)
