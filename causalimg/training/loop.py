"""The one training loop: whatever can say a loss about a batch is trained here.

Nothing is copied to the host but at the steps that are logged. What is validated is what is kept: the average of the
weights, where it was best.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from causalimg.training.checkpoint import Checkpoint, Moved, Randomness
from causalimg.training.history import Destination, Draw, History, Recorder
from causalimg.training.optimiser import Average, Learner, train_mode
from causalimg.training.processes import launched, shared_draws
from causalimg.training.progress import progress, say
from causalimg.training.randomness import batches, check_columns, seeded
from causalimg.training.recipe import Recipe, learning_rate
from causalimg.values import Nest, count_rows

if TYPE_CHECKING:
    from lightning_fabric import Fabric

VALIDATIONS = 10
HOPELESS = 50
"""So many steps skipped in a row, or all of a shorter training, are an error."""


def train(
    step: nn.Module,
    data: Nest,
    recipe: Recipe,
    *,
    label: str,
    seed: int = 0,
    validate: Callable[[], float] | None = None,
    draw: Draw | None = None,
    log: Sequence[Destination] = (),
    checkpoint: Path | None = None,
    about: Mapping[str, Any] | None = None,
) -> History:
    """Train what requires grad in `step` on random batches of the rows of `data`, a nest of tensors (see `values`).

    `step(batch)` is given the same nest with the rows of a batch. It gives a 0-d loss and 0-d metrics, the same names every
    time. Its parts that are wholly frozen stay in eval mode. About ten times `validate` (lower is better) is called, without
    grad, in eval mode, on the device that trains, with the same random draws, on the averaged weights; the best of these
    stay, or without `validate` the last. `step` comes back in eval mode, on the device where it was. `log` gets every row
    as soon as it is made and, as often as is validated, under the same conditions, the picture that `draw` draws.

    `checkpoint`: a folder, in which what training goes on from is written about ten times, and every five minutes; what it holds
    is gone on with. `about`, plain JSON data, says what is being trained.

    Where a launcher started several processes (``torchrun``), each has its share of every batch, and all of them train what one
    would: see `processes`. The first validates, logs, and writes checkpoints.

    After Ctrl-C `step` keeps the best weights so far; after an error it has those that it came with. A log that is there already
    is set aside.

    Raises ValueError where `data` won't do, `recipe` asks for a device that isn't there, nothing requires grad, or `checkpoint`
    is of another training; and RuntimeError where the loss is not finite, 50 steps in a row or more than half of all are
    skipped (see `Recipe`), or no validation is finite.
    """
    if not any(p.requires_grad for p in step.parameters()):
        raise ValueError(f"{label}: nothing to train: no parameter requires grad")
    fabric = _launch(recipe)
    check_columns(data, label, least=fabric.world_size)
    logged, validated = _due(recipe)
    with (
        _borrowed(step),
        seeded(seed, fabric.device),
        progress(label, recipe.steps, show=fabric.is_global_zero) as advance,
    ):
        learner = Learner(fabric, step, recipe)
        average = Average(step, recipe.ema)
        selection = Selection(fabric, step, average, validate)
        recorder = Recorder(fabric, label, log)
        draws = partial(shared_draws, rank=fabric.global_rank, ranks=fabric.world_size)
        stream = partial(batches, data, recipe.batch, fabric.device, seed, fabric.global_rank, fabric.world_size)
        known = {"label": label, "seed": seed, "recipe": recipe.model_dump(mode="json"), **(about or {})}
        saved = Checkpoint(
            checkpoint,
            known,
            moved=Moved(step),
            learner=learner,
            average=average,
            selection=selection,
            recorder=recorder,
            randomness=Randomness(fabric.device),
        )
        with _kept_or_undone(average, selection, label):
            done = _together(fabric, saved.resume())
            recorder.begin()
            for t, batch in enumerate(islice(stream(done), recipe.steps - done), start=done + 1):
                with draws(count_rows(batch)):
                    learnt = learner.learn(t, batch)
                recorder.count(*learnt, samples=count_rows(batch))
                average.update()
                if t in logged:
                    row = recorder.row(t, patience=min(HOPELESS, recipe.steps)) | {"lr": learning_rate(recipe, t)}
                    if t in validated:
                        row |= selection.score(seed)
                        selection.show(draw, recorder, t, seed)
                    recorder.keep(row)
                    if t in validated or saved.due():
                        saved.write(t)
                advance(t, recorder.rows)
            recorder.check_taken(recipe.steps)
            selection.settle(label)
    return History(tuple(recorder.rows))


class Selection:
    """Validates the averaged weights of `step`, lower is better, and remembers the best exactly as they were validated.

    Without `validate` there is nothing to compare, and the last average is best.
    """

    def __init__(
        self, fabric: "Fabric", step: nn.Module, average: Average, validate: Callable[[], float] | None
    ) -> None:
        self._fabric, self._step, self._average, self._validate = fabric, step, average, validate
        self._best, self._kept = math.inf, average.mean

    def score(self, seed: int) -> dict[str, float]:
        """The row entry ``val``, none without `validate`; the random draws of `seed` are the same every time."""
        if self._validate is None:
            return {}
        with self._averaged(seed):
            value = float(self._fabric.broadcast(self._validate() if self._fabric.is_global_zero else 0.0))
        if value < self._best:
            self._best, self._kept = value, [tensor.clone() for tensor in self._average.mean]
        return {"val": value}

    def show(self, draw: Draw | None, recorder: Recorder, step: int, seed: int) -> None:
        """Hand `recorder` the picture of what was validated, where there is one, and somebody looks."""
        if draw is not None and recorder.logs:
            with self._averaged(seed):
                recorder.show(draw, step)

    @contextmanager
    def _averaged(self, seed: int) -> Iterator[None]:
        """For a while the averaged weights, in eval mode, without grad, with the random draws of `seed`."""
        self._step.eval()
        with self._average.in_place(), torch.no_grad(), seeded(seed, self._fabric.device):
            yield
        train_mode(self._step)

    def tensors(self) -> dict[str, Tensor]:
        """The best weights, by number, if any were validated: see `Resumable`."""
        return {str(number): value for number, value in enumerate(self._kept)} if math.isfinite(self._best) else {}

    def numbers(self) -> dict[str, Any]:
        """The best score; None where nothing was validated."""
        return {"best": self._best if math.isfinite(self._best) else None}

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Go on with this as the best so far."""
        if numbers["best"] is not None:
            self._best = numbers["best"]
            self._kept = [tensors[str(number)].to(now.device) for number, now in enumerate(self._average.mean)]

    def settle(self, label: str, whole: bool = True) -> None:
        """Give `step` the best weights. Raises RuntimeError if no validation was finite, after a `whole` training."""
        if whole and self._validate is not None and not math.isfinite(self._best):
            raise RuntimeError(f"{label}: no validation gave a finite value")
        self._average.put(self._kept)


@contextmanager
def _kept_or_undone(average: Average, selection: Selection, label: str) -> Iterator[None]:
    """What was learnt stays where training is interrupted, and goes where it fails."""
    start = [tensor.clone() for tensor in average.mean]
    try:
        yield
    except KeyboardInterrupt:
        selection.settle(label, whole=False)
        say(f"{label}: interrupted; what was learnt so far is kept")
        raise
    except Exception:
        average.put(start)
        raise


def _due(recipe: Recipe) -> tuple[frozenset[int], frozenset[int]]:
    """The steps that are logged, and those of them that are validated too: about `VALIDATIONS`, the last among them."""
    ends = [*range(recipe.log_every, recipe.steps, recipe.log_every), recipe.steps]
    return frozenset(ends), frozenset(ends[:: -math.ceil(len(ends) / VALIDATIONS)])


@contextmanager
def _borrowed(step: nn.Module) -> Iterator[None]:
    """`step` in train mode for a while; in the end without gradients, in eval mode, on the device where it was."""
    home = next(step.parameters()).device
    train_mode(step)
    try:
        yield
    finally:
        step.zero_grad()
        step.to(home).eval()


def _together(fabric: "Fabric", done: int) -> int:
    """`done`, if all processes have done as many steps. Raises RuntimeError where they have not."""
    each = torch.as_tensor(fabric.all_gather(torch.tensor(done))).reshape(-1).tolist()
    if len(set(each)) > 1:
        raise RuntimeError(f"the checkpoint has {each} steps, by process: it must be in a folder that all of them see")
    return done


def _launch(recipe: Recipe) -> "Fabric":
    from lightning_fabric import Fabric  # takes two seconds to import

    many = launched() > 1
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    where: dict[str, Any] = {"devices": recipe.devices, "strategy": recipe.strategy}
    where |= {"devices": local, "num_nodes": launched() // local} if many else {}
    where |= {"strategy": "ddp_find_unused_parameters_true"} if many and recipe.strategy == "auto" else {}
    try:
        fabric = Fabric(accelerator=recipe.accelerator, **where)
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        said = f"accelerator={recipe.accelerator!r}, devices={recipe.devices!r}, strategy={recipe.strategy!r}"
        raise ValueError(f"{said}: {error}") from error
    fabric.launch()
    return fabric
