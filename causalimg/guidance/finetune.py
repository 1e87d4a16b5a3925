"""Fine-tuning an image mechanism under guidance: which image, which terms, which parameters, and for how long.

A reader in the list of guidance stands for terms, whose weights were chosen on validation rows (docs/deformation.md)::

    [segmentor]   means   [Target(segmentor), Hold(segmentor), Minimality(weight=5), Locality(weight=20)]
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from causalimg.errors import check_kind, located, warn, wrong_kind
from causalimg.fit import began, check_fitted, interruptible, row_losses
from causalimg.graph import Graph, Image
from causalimg.graph.spec import Spec
from causalimg.guidance.bound import Bound
from causalimg.guidance.locality import Locality
from causalimg.guidance.minimality import Minimality
from causalimg.guidance.picturing import picturing
from causalimg.guidance.samplers import Sampler
from causalimg.guidance.sensitivity import advice, between, rows_to_ask, sensitivity
from causalimg.guidance.step import LOSS, GuidedStep, causes_read
from causalimg.guidance.target import Hold, Target
from causalimg.guidance.term import Term
from causalimg.guidance.view import View
from causalimg.mechanisms import Mechanism
from causalimg.mechanisms.mechanism import noisy_by_pixel
from causalimg.readers import Reader
from causalimg.readers.reader import check_readers, fingerprint
from causalimg.readers.scores import worth
from causalimg.scm import SCM
from causalimg.training.history import History
from causalimg.training.loop import train
from causalimg.training.progress import say
from causalimg.training.randomness import seeded
from causalimg.training.recipe import Recipe
from causalimg.training.tracking import Log, log_of
from causalimg.values import World, check_allowed, digests

RESERVED = {"step", "loss", "val", "lr", "grad_norm", "skipped", "seconds", "samples_per_second"}
RESERVED |= {"F", "excess", "λ", "violated"}
"""Columns of the history that are no terms."""

MEASURED = 256
"""At so many training rows F is measured when it is over: a batch of `row_losses`."""


def preset(*readers: Reader) -> list[Term]:
    """What `readers` in a list of guidance stand for."""
    guides: list[Term] = [term for reader in readers for term in (Target(reader), Hold(reader))]
    return [*guides, Minimality(weight=5.0), Locality(weight=20.0)]


def expand(graph: Graph, guidance: Reader | Term | Sequence[Reader | Term]) -> list[Term]:
    """The terms that `guidance`, one or several, stands for: those of the readers in it, then the others.

    Where two readers read one variable, the second's terms are called ``"lv_area (2)"``. Raises ValueError for no guidance and
    for two terms of one label; TypeError for what is neither reader nor term.
    """
    guidance = [guidance] if isinstance(guidance, Reader | Term) else guidance
    check_readers("guidance", guidance, Term)
    readers = [guide for guide in guidance if isinstance(guide, Reader)]
    terms: dict[str, Term] = {}
    for term in (one for brought in (preset(*readers) if readers else []) for one in brought.expanded(graph)):
        label, count = term.label, 2
        while label in terms:
            label, count = f"{term.label} ({count})", count + 1
        terms[label] = term.labelled(label)
    brought = list(terms)
    for term in (one for given in guidance if isinstance(given, Term) for one in given.expanded(graph)):
        if term.label in terms:
            hint = f"; a reader in the list brings {', '.join(brought)}: write out what you want instead"
            what = f"two terms are called {term.label!r}: give one of them another label=..."
            raise ValueError(what + hint * (term.label in brought))
        terms[term.label] = term
    if taken := sorted(RESERVED & terms.keys()):
        raise ValueError(
            f"a term is called {taken[0]!r}, which the history has another column for: give it another label=..."
        )
    return list(terms.values())


def finetune(
    scm: SCM,
    data: World,
    val: World | None,
    terms: Sequence[Term],
    *,
    outlining: Sequence[Reader],
    sampler: Sampler,
    view: View,
    bound: Bound | None,
    recipe: Recipe | None,
    seed: int,
    log: Log | None,
    checkpoint: Path | None = None,
) -> History:
    """Fine-tune the image mechanism of `scm` in place under `terms` (see `expand`), on the columns of `data`.

    `outlining`: readers that say where answers may change. With `val`, the weights with the least loss there (terms
    and excess over the bound) are kept. `log` gets pictures of rows of it, or else of `data`. The history begins with the
    sensitivity of the image to its causes before. `bound`: see there; by default there is one where it can do something. Warns of
    a guide that can't tell what it reads.

    Raises ValueError where nothing is guided, for what is not fitted, for an image without bounds, for a bound or a temperature
    that can do nothing, for a guide without a gradient, and for values out of bounds that `sampler` draws.
    """
    if not callable(sampler):
        raise wrong_kind("sampler", "Permuted(), Uniform(...) or a function", sampler)
    check_kind("view", view, View)
    check_kind("bound", bound, Bound, type(None))
    image = guided_image(scm.graph, terms)
    mechanism = scm.mechanisms[image]
    check(scm.graph, image, mechanism, terms, view)
    read = {name for term in terms for _, name in term.reads}
    check_fitted(scm.mechanisms, between(scm.graph, causes_read(scm.graph, image, terms), {image, *read}))
    bound = allowed_bound(image, mechanism, mechanism.prepare_finetuning([]), bound)
    step = GuidedStep(  # moves the readers to the data
        scm, image, terms, data, outlining=outlining, sampler=sampler, view=view, bound=bound
    )
    check_drawn(step)
    check_gradients(step)
    warn_of_weak(step, rows_to_ask(data if val is None else val))
    before = sensitivity(scm, rows_to_ask(data), guiding_readers(terms), step.guides.changeable, seed=seed)
    say(advice(before))
    about = began(mechanism) | {
        "terms": {term.label: f"{type(term).__qualname__} {term.weight:g}" for term in terms},
        "guides": [fingerprint(reader) for reader in guiding_readers(terms)],
        "how": [repr(one) if isinstance(one, Spec) else type(one).__qualname__ for one in (sampler, view, bound)],
        "data": digests(data),
        "val": val and digests(val),
    }
    recipe = (recipe or Recipe()).over(mechanism.tuning)
    with undone_on_error(mechanism):
        trained = mechanism.prepare_finetuning(moved_parents(scm.graph, image, terms))
        with only_trainable(trained, within=step):
            held_out = None if val is None else step.held(val)
            validate = None if held_out is None else lambda: step.validate(held_out)
            with interruptible(mechanism, "fine-tuning"):
                history = train(
                    step,
                    step.data,
                    recipe,
                    label=f"{image}, guided",
                    seed=seed,
                    validate=validate,
                    draw=picturing(step, step.data if held_out is None else held_out),
                    log=log_of(log, "finetune", partial(finetune_settings, step, bound, recipe, seed)),
                    checkpoint=checkpoint,
                    about=about,
                )
    if bound is not None:
        warn_if_broken(image, excess_of(step), history, step.slack)
    slopes = {f"sensitivity {name}": one.slope for name, one in before.items() if one.slope is not None}
    return History(({"step": 0, **slopes}, *history.rows))


def finetune_settings(step: GuidedStep, bound: Bound | None, recipe: Recipe, seed: int) -> dict[str, Any]:
    """All that a fine-tuning is by, as plain data, for loggers."""
    settings = {
        "graph": step.scm.graph.to_data(),
        "mechanism": step.mechanism.to_data(),
        "terms": {term.label: term.weight for term in step.terms},
        "guides": [reader.describe() for reader in guiding_readers(step.terms)],
        "sampler": repr(step.sampler),
        "view": repr(step.view),
        "bound": repr(bound),
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
    }
    return {"finetune": settings}


@contextmanager
def undone_on_error(mechanism: Mechanism) -> Iterator[None]:
    """After an error `mechanism` is as it was, what it was to learn included."""
    before = {name: value.clone() for name, value in mechanism.state_dict().items()}
    try:
        yield
    except Exception:
        mechanism.load_state_dict(before)
        raise


def check(graph: Graph, image: str, mechanism: Mechanism, terms: Sequence[Term], view: View) -> None:
    """Raise ValueError or TypeError for what can't work, before anything is trained."""
    if None in cast(Image, graph[image]).bounds:
        raise ValueError(f"{image}: fine-tuning needs an image with bounds on both sides, such as (0, 1)")
    if view.temperature != 1 and not noisy_by_pixel(mechanism):
        raise ValueError(
            f"{image}: a temperature can do nothing: {type(mechanism).__name__} adds no noise pixel by pixel"
        )
    for term in terms:
        term.check(graph, image, mechanism)


def check_drawn(step: GuidedStep) -> None:
    """Raise ValueError for values out of bounds that the sampler sets in some rows."""
    rows = {name: value[:MEASURED] for name, value in step.data.values.items()}
    with seeded(0, rows[step.image].device), located("sampler"):
        world, _ = step.intervene(rows)
        for name in step.intervened:
            check_allowed(name, step.scm.graph[name], world[name])


def check_gradients(step: GuidedStep) -> None:
    """Raise ValueError for a guide whose soft readings have no gradient: nothing can be learnt from it."""
    images = step.data.values[step.image][:2].clone().requires_grad_()
    for reader, names in step.guides.reads.items():
        for name, value in reader.read(images, step.scm.graph, names, soft=True).items():
            if not value.requires_grad:
                raise ValueError(f"{reader.describe()} can't guide: its soft reading of {name} has no gradient")


@torch.no_grad()
def warn_of_weak(step: GuidedStep, rows: World) -> None:
    """Warn of what a guide reads off `rows` no better than by always saying the mean: it can't teach what it can't tell."""
    for reader, names in step.guides.reads.items():
        read = reader.read(rows[step.image], step.scm.graph, names)
        errors = {name: worth(read[name], rows[name], step.scm.graph[name].discrete) for name in names}
        if weak := [name for name, one in errors.items() if one is not None and one.weak]:
            warn(
                f"the guide {reader.describe()} reads {', '.join(weak)} no better than by always saying the mean or the most "
                "frequent level, and can't teach what it can't tell: train it longer, or guide by another one"
            )


def guiding_readers(terms: Iterable[Term]) -> list[Reader]:
    """The readers that `terms` use, each once."""
    named = [reader for term in terms for reader, _ in term.reads]
    return list(dict.fromkeys([*named, *(m for term in terms for m in term.modules if isinstance(m, Reader))]))


def guided_image(graph: Graph, terms: Sequence[Term]) -> str:
    """The one image that `terms` read.

    Raises ValueError where there is none or more than one, or none of its causes is read.
    """
    names = dict.fromkeys(name for term in terms for _, name in term.reads)
    images = {graph.image_of(name) for name in names}
    if len(images) != 1:
        raise ValueError(f"guidance reads {', '.join(sorted(images)) or 'nothing'}: fine-tune one image at a time")
    image = images.pop()
    if not causes_read(graph, image, terms):
        raise ValueError(f"guidance reads {', '.join(names)}, none of which causes {image}")
    return image


def moved_parents(graph: Graph, image: str, terms: Sequence[Term]) -> list[str]:
    """The parents of `image` that training changes: what is set, and what follows from it."""
    intervened = causes_read(graph, image, terms)
    moved = {*intervened, *graph.descendants(*intervened)}
    return [name for name in graph.parents(image) if name in moved]


def allowed_bound(image: str, mechanism: Mechanism, trained: nn.Module, bound: Bound | None) -> Bound | None:
    """The bound to hold: `bound`, or the default one where fitted weights are trained.

    Raises ValueError for a bound where none are: what is `trained` can't change F.
    """
    fitted = {parameter for parameter in mechanism.unwrapped.parameters() if parameter.requires_grad}
    if any(parameter in fitted for parameter in trained.parameters()):
        return bound or Bound()
    if bound is not None:
        raise ValueError(
            f"{image}: a bound can do nothing here. Fine-tuning trains the {type(trained).__name__} of "
            f"{type(mechanism).__name__} alone, which leaves what was seen as it is, and so the likelihood of it. Leave bound "
            f"out, or compile the model with {image}={type(mechanism.unwrapped).__name__}(...) to train all weights"
        )
    return None


def excess_of(step: GuidedStep) -> float:
    """How far F is above its bound at some training rows, with the draws of the fitted model's own F: no noise between them."""
    rows = {name: step.data.values[name][:MEASURED] for name in step.scm.graph}
    now = row_losses(step.mechanism, step.image, rows, MEASURED)
    return float((now - step.data.fitted[LOSS][:MEASURED]).mean()) - step.slack


def warn_if_broken(image: str, excess: float, history: History, slack: float) -> None:
    """Warn where the weights that are kept have an F above its bound: an `excess` above 0, in nats per dimension."""
    if excess > 0:
        violated = history.last("violated")
        warnings.warn(
            f"{image}: the bound on the likelihood was not held: F is {excess:.3g} nats per dimension above it (violated in "
            f"{violated:.0%} of the last steps; the tolerance was {slack:.3g}). More steps, a lower rate, a larger rho, or a "
            "larger tolerance.",
            stacklevel=3,
        )


@contextmanager
def only_trainable(trained: nn.Module, within: nn.Module) -> Iterator[None]:
    """Of all parameters `within`, only those of `trained` require a gradient for a while."""
    before = {p: p.requires_grad for p in within.parameters()}
    try:
        within.requires_grad_(False)
        trained.requires_grad_(True)
        yield
    finally:
        for parameter, was in before.items():
            parameter.requires_grad_(was)
