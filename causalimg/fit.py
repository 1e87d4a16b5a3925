"""Fitting: each mechanism on its own, since log p(v) = Σ_k log p(v_k | pa_k)."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from causalimg.errors import check_kind, unknown, warn
from causalimg.graph import Graph
from causalimg.mechanisms.mechanism import Abduction, Likelihood, MaximumLikelihood, Mechanism, Values
from causalimg.readers.augment import Pose
from causalimg.stored import Stored
from causalimg.training.history import Destination, History
from causalimg.training.loop import train
from causalimg.training.randomness import seeded
from causalimg.training.recipe import Recipe
from causalimg.values import World, count_rows, digests, in_batches


class FitStep(nn.Module):
    """A batch's mean loss per dimension of a value (nats, for a likelihood), in a new `pose`; what `train` minimises."""

    def __init__(self, mechanism: Mechanism, name: str, pose: Pose | None = None) -> None:
        super().__init__()
        self.mechanism, self.name, self.pose = mechanism, name, pose

    def forward(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        seen = batch if self.pose is None else {**batch, self.name: self.pose.move(batch[self.name])[0]}
        return loss_per_dimension(self.mechanism, self.name, seen).mean(), {}


def loss_per_dimension(mechanism: Mechanism, name: str, values: Mapping[str, Tensor]) -> Tensor:
    """The loss of `values[name]` over the number of its dimensions (for an HVAE the negative ELBO): shape (batch,)."""
    parents = {parent: values[parent] for parent in mechanism.parents}
    return mechanism.loss(values[name], parents) / max(1, values[name][0].numel())


def row_losses(mechanism: Mechanism, name: str, values: Mapping[str, Tensor], batch: int = 256) -> Tensor:
    """`loss_per_dimension` of every row, batch by batch, with the same draws at every call: shape (rows,)."""
    return _rowwise(lambda part: loss_per_dimension(mechanism, name, part), mechanism, name, values, batch)


def row_nlls(likelihood: Likelihood, name: str, values: Mapping[str, Tensor], batch: int = 256) -> Tensor:
    """The negative log-likelihood (bound) of every row, in nats per dimension, with the same draws at every call: (rows,)."""

    def nll(part: World) -> Tensor:
        parents = {parent: part[parent] for parent in likelihood.parents}
        prior = likelihood.noise(len(part[name]))
        return likelihood.explain(part[name], parents, prior).nll / max(1, part[name][0].numel())

    return _rowwise(nll, likelihood, name, values, batch)


@torch.no_grad()
def _rowwise(
    measure: Callable[[World], Tensor], mechanism: Mechanism, name: str, values: Mapping[str, Tensor], batch: int
) -> Tensor:
    device = next(iter(mechanism.parameters()), values[name]).device
    family = {key: values[key] for key in (name, *mechanism.parents)}
    with seeded(0, device):
        return in_batches(measure, family, batch, device)


def explained(mechanism: Mechanism, value: Tensor, parents: Values) -> Abduction:
    """The noise that explains `value`, and the loss of `fit`; in one pass where that is the likelihood."""
    prior = mechanism.noise(len(value))
    if isinstance(mechanism, MaximumLikelihood):
        return mechanism.explain(value, parents, prior)
    return Abduction(mechanism.abduct(value, parents, prior), mechanism.loss(value, parents))


def check_recipes(graph: Graph, recipes: Mapping[str, Any]) -> None:
    """Raise ValueError for a recipe of no variable of `graph`, and TypeError for what is no recipe."""
    for name, recipe in recipes.items():
        if name not in graph:
            setting = f"Recipe({name}={recipe!r})" if name in Recipe.model_fields else "Recipe(steps=...)"
            says = f" How to train is said by variable: {(*graph.images, *graph)[0]}=ci.{setting}."
            raise ValueError(
                f"{unknown('variable', name, graph)}{says * (name == 'recipe' or not isinstance(recipe, Recipe))}"
            )
        check_kind(name, recipe, Recipe)


def fit_settings(
    graph: Graph, mechanisms: Mapping[str, Mechanism], recipes: Mapping[str, Recipe], seed: int, pose: Pose | None
) -> dict[str, Any]:
    """All that a fit is by, as plain data, for loggers."""
    recipes = {name: recipe_of(one, recipes.get(name)) for name, one in mechanisms.items()}
    settings = {
        "graph": graph.to_data(),
        "mechanisms": {name: one.to_data() for name, one in mechanisms.items()},
        "recipes": {name: one.model_dump(mode="json") for name, one in recipes.items()},
        "seed": seed,
        "pose": pose and pose.model_dump(mode="json"),
    }
    return {"fit": settings}


def recipe_of(mechanism: Mechanism, recipe: Recipe | None) -> Recipe:
    """How `mechanism` is fitted: its own recipe, with what `recipe` says."""
    return (recipe or Recipe()).over(mechanism.unwrapped.recipe)


def fit_all(
    mechanisms: Mapping[str, Mechanism],
    data: World,
    val: World | None,
    recipes: Mapping[str, Recipe],
    seed: int,
    logs: Mapping[str, Sequence[Destination]],
    pose: Pose | None,
    checkpoint: str | Path | None,
) -> dict[str, History]:
    """Train all `mechanisms`, one after the other: see `fit_mechanism`. `pose` is that of images; each has its own folder in
    `checkpoint`."""
    saved = {name: None if checkpoint is None else Path(checkpoint) / name for name in mechanisms}
    poses = {name: pose if one.variable.value_shape else None for name, one in mechanisms.items()}
    return {
        name: fit_mechanism(one, name, data, val, recipes.get(name), seed, logs[name], poses[name], saved[name])
        for name, one in mechanisms.items()
    }


def fit_mechanism(
    mechanism: Mechanism,
    name: str,
    data: Mapping[str, Tensor],
    val: Mapping[str, Tensor] | None,
    recipe: Recipe | None,
    seed: int,
    log: Sequence[Destination] = (),
    pose: Pose | None = None,
    checkpoint: Path | None = None,
) -> History:
    """Train one mechanism on the columns of `data`; with `val`, the weights that are best there stay. `checkpoint`: see `train`.
    `recipe` overrides what it says of the mechanism's own.

    One without parameters has learnt all it can when it is prepared: its history is empty.
    """
    family = [name, *mechanism.parents]
    columns = {k: data[k] for k in family}
    weights = {} if mechanism.fitted else began(mechanism)  # what was fitted before begins where that ended
    _mark(mechanism, "fitted", 0)  # until it is over
    some = prepared_on(columns)
    mechanism.prepare(some[name], {k: some[k] for k in mechanism.parents})
    history, trained = History(), mechanism.unwrapped
    if next(trained.parameters(), None) is not None:
        held_out = None if val is None else {k: val[k] for k in family}
        validate = None if held_out is None else lambda: float(row_losses(trained, name, held_out).mean())
        about = weights | {
            "mechanism": mechanism.to_data(),
            "pose": pose and pose.model_dump(mode="json"),
            "data": digests(columns),
            "val": held_out and digests(held_out),
        }
        step = FitStep(trained, name, pose)
        with interruptible(mechanism, "fit"):
            history = train(
                step,
                columns,
                recipe_of(mechanism, recipe),
                label=name,
                seed=seed,
                validate=validate,
                log=log,
                checkpoint=checkpoint,
                about=about,
            )
    _mark(mechanism, "fitted", 1)
    return history


PREPARED = 4096
"""On so many rows a mechanism is prepared where columns are on disk."""


def prepared_on(columns: World) -> World:
    """All rows; where some are on disk, at most `PREPARED`, spread over all, in memory."""
    if not any(isinstance(column, Stored) for column in columns.values()):
        return columns
    n = count_rows(columns)
    rows = torch.linspace(0, n - 1, min(n, PREPARED), dtype=torch.float64).long()
    return {name: column[rows] for name, column in columns.items()}


def began(mechanism: Mechanism) -> dict[str, Any]:
    """The weights that a training begins with; nothing, where it goes on with what an interruption left."""
    state = {name: value for name, value in mechanism.state_dict().items() if name.split(".")[-1] not in MARKS}
    return {} if mechanism.interrupted else {"weights": digests(state)}


MARKS = ("fitted", "interrupted")

TRAININGS = ("", "fit", "fine-tuning")
"""What `Mechanism.interrupted` counts: nothing was cut short, or which training was."""


@contextmanager
def interruptible(mechanism: Mechanism, training: str) -> Iterator[None]:
    """Mark `mechanism` where this `training` is cut short by Ctrl-C, with what was learnt in it; and unmark it where it is not,
    but for a `fit` before."""
    try:
        yield
    except KeyboardInterrupt:
        if TRAININGS[int(mechanism.interrupted)] != "fit":  # which fine-tuning does not make good
            _mark(mechanism, "interrupted", TRAININGS.index(training))
        _mark(mechanism, "fitted", 1)
        raise
    if training == "fit" or TRAININGS[int(mechanism.interrupted)] == training:
        _mark(mechanism, "interrupted", 0)


def _mark(mechanism: Mechanism, mark: str, value: int) -> None:
    """On `mechanism`, and on the one that it wraps."""
    for part in mechanism.modules():
        if isinstance(part, Mechanism):
            getattr(part, mark).fill_(value)


def check_unfitted(mechanisms: Mapping[str, Mechanism]) -> None:
    """Raise ValueError where all are fitted to the end: to go on from there must be asked for."""
    if all(one.fitted and not one.interrupted for one in mechanisms.values()):
        raise ValueError(
            "this model is fitted: fit(..., warm_start=True) goes on from its weights; else compile one anew"
        )


def check_fitted(mechanisms: Mapping[str, Mechanism], needed: Container[str]) -> None:
    """Raise ValueError that names those of `needed` whose mechanism is not fitted; warn of what was cut short."""
    for name, one in mechanisms.items():
        if name in needed and one.interrupted:
            training = TRAININGS[int(one.interrupted)]
            warn(
                f"{name}: its {training} was interrupted, and answers are what it had learnt by then: train it to the end"
            )
    if untrained := [name for name, one in mechanisms.items() if name in needed and not one.fitted]:
        raise ValueError(
            f"{', '.join(untrained)} {'is' if len(untrained) == 1 else 'are'} not trained: call model.fit(train, val) first, "
            "or CausalModel.load(folder)"
        )
