"""Fine-tuning an image mechanism under guidance: which image, which parameters, and for how long (the loss: see `guided`)."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from causalimg.fitting.guidance import Guidance, Guide
from causalimg.fitting.guided import Finetuning, Guided
from causalimg.fitting.heed import advice, heed
from causalimg.graph import Graph
from causalimg.readers import Reader
from causalimg.scm import SCM
from causalimg.training.history import History
from causalimg.training.loop import train
from causalimg.training.progress import say
from causalimg.values import World

LOOK = 64
"""At so many training rows finetuning looks to see whether the image heeds its causes."""


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
    warn_if_broken(image, history, step.slack)
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


def warn_if_broken(image: str, history: History, slack: float) -> None:
    """Say so where, over the last quarter of the training, F was above its bound on average."""
    rows = [row for row in history.rows if "excess" in row]
    late = rows[-max(1, len(rows) // 4) :]
    excess = sum(row["excess"] for row in late) / max(1, len(late))
    if excess > 0:
        share = sum(row["violated"] for row in late) / len(late)
        warnings.warn(
            f"{image}: the bound on the likelihood was not held: F was {excess:.3g} nats per dimension above it on average at "
            f"the end (violated in {share:.0%} of the steps; the tolerance was {slack:.3g}). More steps, a lower rate, a larger "
            "rho, or a larger tolerance.",
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
