"""Fine-tuning an image mechanism under guidance: which image, which parameters, and for how long (the loss: see `guided`)."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from causalimg.fitting.guidance import Guidance, Guide
from causalimg.fitting.guided import Finetuning, Guided
from causalimg.fitting.heed import advice, heed
from causalimg.fitting.likelihood import mean_nll
from causalimg.graph import Graph
from causalimg.readers import Reader
from causalimg.scm import SCM
from causalimg.training.history import History
from causalimg.training.loop import train
from causalimg.training.progress import say
from causalimg.values import World

LOOK = 64
"""At so many training rows finetuning looks to see whether the image heeds its causes."""

MEASURED = 256
"""At so many training rows F is measured when it is over: a batch of `mean_nll`."""


def finetune(
    scm: SCM,
    data: World,
    val: World | None,
    guides: Sequence[Guide],
    settings: Finetuning,
    seed: int,
    log: Path | None,
) -> History:
    """Fine-tune the image mechanism of `scm` in place, on the columns of `data`; all else stays as it is.

    With `val`, the weights with the least loss there (guidance, what should stay, and excess) are kept. The history begins
    with how far the image heeded its causes before (see `heed`).
    """
    readers = guiding_readers(guides)
    image = guided_image(scm.graph, readers)
    slopes = heed(scm, {name: column[:LOOK] for name, column in data.items()}, readers)
    say(advice(slopes))
    step = Guided(scm, image, guides, data, settings)
    causes = scm.graph.parents(image)
    moved = {*step.intervened, *scm.graph.descendants(*step.intervened)}
    trained = scm.mechanisms[image].prepare_finetuning([name for name in causes if name in moved])
    with only_trainable(trained, within=[step]):
        held_out = None if val is None else val | step.references(val)
        validate = None if held_out is None else lambda: step.validate(held_out)
        history = train(
            step, step.columns, settings.recipe, label=f"{image}, guided", seed=seed, validate=validate, log=log
        )
    warn_if_broken(image, excess_of(step), history, step.slack)
    return History(({"step": 0, **{f"heed {name}": slope for name, slope in slopes.items()}}, *history.rows))


def guiding_readers(guides: Sequence[Guide]) -> list[Reader]:
    """The readers among `guides`."""
    found = [guide.reader if isinstance(guide, Guidance) else guide for guide in guides]
    return [guide for guide in found if isinstance(guide, Reader)]


def guided_image(graph: Graph, readers: Sequence[Reader]) -> str:
    """The one image that `readers` read.

    Raises ValueError where there is none or more than one, or none of its causes is read.
    """
    names = dict.fromkeys(name for reader in readers for name in reader.can_read(graph))
    images = {graph.image_of(name) for name in names}
    if len(images) != 1:
        raise ValueError(f"guidance reads {', '.join(sorted(images)) or 'nothing'}: fine-tune one image at a time")
    image = images.pop()
    if not any(image in graph.descendants(name) for name in names):
        raise ValueError(f"guidance reads {', '.join(names)}, none of which causes {image}")
    return image


def excess_of(step: Guided) -> float:
    """How far F is above its bound at some training rows, with the draws of the fitted model's own F: no noise between them."""
    rows = {name: step.columns[name][:MEASURED] for name in step.scm.graph}
    now = mean_nll(step.scm.mechanisms[step.image], step.image, rows, MEASURED)
    return float((now - step.columns["_nll"][:MEASURED]).mean()) - step.slack


def warn_if_broken(image: str, excess: float, history: History, slack: float) -> None:
    """Say so where the weights that are kept have an F above its bound: an `excess` above 0, in nats per dimension."""
    if excess > 0:
        violated = history.last("violated")
        warnings.warn(
            f"{image}: the bound on the likelihood was not held: F is {excess:.3g} nats per dimension above it (violated in "
            f"{violated:.0%} of the last steps; the tolerance was {slack:.3g}). More steps, a lower rate, a larger rho, or a "
            "larger tolerance.",
            stacklevel=3,
        )


@contextmanager
def only_trainable(modules: Iterable[nn.Module], within: Iterable[nn.Module]) -> Iterator[None]:
    """Of all parameters `within`, only those of `modules` require a gradient for a while."""
    before = {p: p.requires_grad for outer in within for p in outer.parameters()}
    try:
        for parameter in before:
            parameter.requires_grad_(False)
        for module in modules:
            module.requires_grad_(True)
        yield
    finally:
        for parameter, was in before.items():
            parameter.requires_grad_(was)
