"""What is asked: every item, for each variable that is set, with the value that another item was observed to have.

A question is ``do(name=target)`` of all items. It is put to a model batch by batch; what is measured on a batch is kept, its
images are not.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from hashlib import sha256
from inspect import signature
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from causalimg.conformal import Conformal
from causalimg.data.preprocessing import AS_THEY_ARE, Preprocessing
from causalimg.ensemble import Ensemble
from causalimg.errors import as_seed, whole
from causalimg.evaluation.change import grey_units
from causalimg.evaluation.statistics import resample
from causalimg.given import as_columns, named
from causalimg.graph import Graph
from causalimg.guided import Guided
from causalimg.mechanisms import Mechanism
from causalimg.model import CausalModel
from causalimg.scm import Factual
from causalimg.training.counting import Counting
from causalimg.values import Columns, join_rows

BATCH = 64


class Answering(Protocol):
    """All that evaluation needs of a model, so that others than ours can be judged too."""

    @property
    def graph(self) -> Graph:
        """What causes what."""
        ...

    @property
    def guided_by(self) -> Sequence[str]:
        """The fingerprints of the readers that guided it."""
        ...

    def do(self, x: Any, /, **interventions: Any) -> Mapping[str, Tensor]:
        """The counterfactual worlds of the factual ones in `x`."""
        ...


class Items(NamedTuple):
    """`rows` of the user's data, in the order in which they were drawn, and their `values` on the CPU.

    `targets`: by variable that is set, the value that each item gets. `group_of`: by item, which is a group of its own unless it
    is `grouped`. `weights`: see `resample`.
    """

    rows: Tensor
    values: dict[str, Tensor]
    targets: dict[str, Tensor]
    group_of: list[Hashable]
    weights: Tensor
    grouped: bool

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(set(self.group_of))

    def digest(self) -> str:
        """Twelve hex digits of all values: the same for the same items in the same order."""
        digest = sha256()
        for value in self.values.values():
            digest.update(value.contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:12]


def choose(
    graph: Graph,
    test: Columns,
    names: Sequence[str],
    n: int | None,
    groups: Sequence[Hashable] | Tensor | None,
    seed: int,
    preprocessing: Preprocessing = AS_THEY_ARE,
) -> Items:
    """`n` items of `test` (default: all), drawn with `seed`, and targets for `names`. `preprocessing`: how files are read.

    Raises ValueError for missing variables, for no items, for values that won't do (see `columns`), and for groups that are not
    one for each item; TypeError for an argument of another kind.
    """
    given = named(graph, test, "test")
    known = {name: given[name] for name in graph if name in given.keys()}  # noqa: SIM118
    values, _ = as_columns(graph, known, preprocessing=preprocessing)
    seed, most = as_seed(seed), None if n is None else whole("n", n, 1)
    if missing := [name for name in graph if name not in values]:
        raise ValueError(f"effectiveness needs the factual value of every variable; missing: {', '.join(missing)}")
    if isinstance(groups, str):
        raise ValueError(f"groups: expected a group for each item, such as table.extra[{groups!r}], got {groups!r}")
    total = len(values[graph.images[0]])
    of_item = range(total) if groups is None else groups.tolist() if isinstance(groups, Tensor) else list(groups)
    if len(of_item) != total:
        raise ValueError(f"expected a group for each of {total} items, got {len(of_item)}")
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(total, generator=generator)[:most]
    if not len(rows):
        raise ValueError("no items to ask about")
    chosen = {name: values[name][rows] for name in graph}
    targets = {name: chosen[name][torch.randperm(len(rows), generator=generator)] for name in names}
    group_of: list[Hashable] = [of_item[row] for row in rows.tolist()]
    return Items(rows, chosen, targets, group_of, resample(group_of, seed), grouped=groups is not None)


class Question(NamedTuple):
    """A batch of one question, ``do(name=...)``, to a `model`: the worlds `before` and `after` it of the items in `rows`.

    A world is a dict of tensors by variable, see `docs/design.md`; `after` may lie on the model's device. `unit`: how many
    grey levels of 255 a change of the image by 1 is.
    """

    model: Answering
    name: str
    rows: slice
    before: dict[str, Tensor]
    after: Mapping[str, Tensor]
    unit: float

    @property
    def image(self) -> str:
        """The name of the image that shows the variable which was set."""
        return self.model.graph.image_of(self.name)

    def images(self) -> tuple[Tensor, Tensor]:
        """The image before and after, on the CPU: (batch, channels, height, width) each."""
        return self.before[self.image].cpu(), self.after[self.image].cpu()


Measure = Callable[[Question], dict[str, Tensor]]
"""What is kept of a batch, by name: tensors on the CPU whose first dimension counts its items."""

Measured = dict[str, dict[str, Tensor]]
"""By the name of a measure, what it kept of all items."""


@torch.no_grad()
def ask(
    model: Answering,
    values: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    measures: Mapping[str, Measure],
    particles: int = 1,
) -> dict[str, Measured]:
    """What `measures` keep of ``do(name=target)``, for each of `targets`, answered with so many draws (`particles`); an image is
    encoded once for all of them."""
    n, units = len(next(iter(targets.values()))), grey_units(model.graph, values)
    parts: dict[str, list[Measured]] = {name: [] for name in targets}
    with Counting("evaluating", n * len(targets), "questions") as counting:
        for start in range(0, n, BATCH):
            rows = slice(start, start + BATCH)
            before = {name: value[rows] for name, value in values.items()}
            known = encoded(model, before, particles)
            for name, target in targets.items():
                after = answer(model, known, **{name: target[rows]})
                question = Question(model, name, rows, before, after, units[model.graph.image_of(name)])
                parts[name].append({key: measure(question) for key, measure in measures.items()})
                counting.advance(len(target[rows]))
    return {name: {key: join_rows([part[key] for part in each]) for key in measures} for name, each in parts.items()}


def encoded(model: Answering, values: Mapping[str, Tensor], particles: int = 1) -> Any:
    """`values` as `model` answers questions about them fastest: abducted, if it can do that apart from answering.

    Raises ValueError where several `particles` are asked of a model that doesn't take them.
    """
    abduct = getattr(model, "abduct", None)
    if particles == 1:
        return values if abduct is None else abduct(values)
    if abduct is None or "particles" not in signature(abduct).parameters:
        raise ValueError(f"particles={particles}: of a {type(model).__name__} answers have as many draws as it says")
    return abduct(values, particles=particles)


def answer(model: Answering, known: Any, /, **interventions: Any) -> Mapping[str, Tensor]:
    """What `do` answers; for a model of ours without its warnings, which would come with every batch."""
    if isinstance(model, Guided | Ensemble | Conformal):
        return model.do(known, support="allow", **interventions)
    if not (isinstance(model, CausalModel) and type(model).do is CausalModel.do):
        return model.do(known, **interventions)
    factual = known if isinstance(known, Factual) else model.abduct(known)
    return model.predict(factual, model.act(factual, **interventions))


def mechanisms_of(models: Sequence[Answering], name: str) -> list[Mechanism]:
    """The mechanism of a variable in each of `models`; none, unless all have one to show."""
    known: list[Mapping[str, Mechanism]] = [getattr(model, "mechanisms", {}) for model in models]
    return [mechanisms[name] for mechanisms in known] if all(name in mechanisms for mechanisms in known) else []
