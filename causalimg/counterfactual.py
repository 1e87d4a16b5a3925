"""A counterfactual is a value: the whole world that would have been, beside the one that was.

Abduction leaves some of it open. Asked for several draws of that, the answer is their mean (of levels, the most frequent), and
knows its spread. So it is with facts that nobody knew, and that were drawn.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from causalimg.answers import Format, Like, save_answers
from causalimg.data import Slices
from causalimg.data.frame import Fit
from causalimg.draws import middle
from causalimg.errors import check_known, imported, located, whole
from causalimg.graph import Graph, Image
from causalimg.intervals import AllScores, reach_of
from causalimg.scm import Outline
from causalimg.support import UNUSUAL, Support, Unusual, raise_or_warn
from causalimg.values import World, in_words, limits, widen
from causalimg.viz.pictures import ROWS, Pictures, draw_grid
from causalimg.viz.sweeps import lines

Readings = Callable[[Mapping[str, Tensor]], World]
"""From images by name to what is read off them."""

Reads = Callable[[str], str]
"""From a variable's name to who reads it, in a few words."""


def nobody(name: str) -> str:
    """Who reads a variable, where that isn't known."""
    return ""


class Counterfactual(Mapping[str, Tensor]):
    """The answer to `do`: a mapping from every variable to its counterfactual value.

    `factual` is the world that was, `action` what was set, `measured` what the model's readers read off the new images.
    A question about one item without a batch dimension is answered without one (`single`). `world`: all draws of every answer,
    (n * draws, ...), answer by answer. `supports`: of the images that follow from what was set, where it is known. `unknown`: all
    draws of the facts that nobody knew, (items * draws,), item by item; `factual` has their mean (of levels, the most frequent).
    """

    def __init__(
        self,
        graph: Graph,
        factual: World,
        action: World,
        world: World,
        readings: Readings,
        outline: Outline,
        *,
        draws: int = 1,
        single: bool = False,
        supports: Mapping[str, Support] | None = None,
        reads: Reads = nobody,
        unknown: World | None = None,
    ) -> None:
        n = max(map(len, world.values())) // draws
        self.graph = graph
        self._draws, self._set = draws, action
        self._supports = dict(supports or {})
        self._scores: AllScores | None = None
        self._drawn = {name: value.unflatten(0, (n, draws)) for name, value in world.items()}
        self._world = {name: middle(value) for name, value in self._drawn.items()}
        self._unknown = {name: widen(v.unflatten(0, (-1, draws)), n) for name, v in (unknown or {}).items()}
        middles = {name: middle(value) for name, value in self._unknown.items()}
        self._was = {name: widen(value, n) for name, value in (factual | middles).items()}
        self._single = single and n == 1
        self.action = self._as_asked({name: widen(value, n) for name, value in action.items()}, self._single)
        self.factual = self._as_asked(self._was, self._single)
        self._readings, self._reads = readings, reads
        self._outline = outline

    @staticmethod
    def _as_asked(world: World, single: bool) -> World:
        return {name: value[0] for name, value in world.items()} if single else dict(world)

    def __getitem__(self, name: str) -> Tensor:
        self.graph[name]  # a name that is no variable is an error that says the nearest one
        value = self._world[name]
        return value[0] if self._single else value

    def __contains__(self, name: object) -> bool:
        return name in self._world

    def __iter__(self) -> Iterator[str]:
        return iter(self._world)

    def __len__(self) -> int:
        return len(self._world)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={_brief(value)}" for name, value in self.action.items())
        return f"Counterfactual(do({settings}), {', '.join(self)})"

    @property
    def draws(self) -> World:
        """Every draw of the answer: (n, draws, ...) by variable."""
        return self._as_asked(self._drawn, self._single)

    @property
    def factual_draws(self) -> World:
        """Every draw of the facts that nobody knew: (n, draws) by variable, as `draws`; empty where all was known."""
        return self._as_asked(self._unknown, self._single)

    @property
    def spread(self) -> World:
        """By how much draws differ, in declared units: their standard deviation, of the shape of the answer. Of levels, the
        share of draws that are another than the answer. 0 where there is one draw only, too: then it isn't known."""
        return self._as_asked({name: _spread(value) for name, value in self._drawn.items()}, self._single)

    @cached_property
    def _read(self) -> World:
        """What is read off the images of every draw, (n, draws, ...)."""
        read = self._readings({name: value.flatten(0, 1) for name, value in self._drawn.items()})
        return {name: value.unflatten(0, (-1, self._draws)) for name, value in read.items()}

    @cached_property
    def measured(self) -> World:
        """What the readers read off the counterfactual images, hard, in declared units; of several draws, the mean."""
        return self._as_asked({name: middle(value) for name, value in self._read.items()}, self._single)

    @property
    def has_intervals(self) -> bool:
        """Whether `interval` can say anything: of several draws, and of an answer by `Conformal`."""
        return self._draws > 1 or self.is_scored

    @property
    def is_scored(self) -> bool:
        """Whether intervals are those of `Conformal`."""
        return self._scores is not None

    def reading_spread(self, name: str) -> Tensor:
        """By how much what is read of `name` differs between draws: their standard deviation, (n,)."""
        check_known("variable that a reader reads", [name], self._read)
        return self._as_asked({name: _spread(self._read[name])}, self._single)[name]

    def interval(self, name: str, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """Between which values `level` of the draws lie, (n,) each: of what is read off the images, or where no reader reads
        `name`, of the variable itself. Of an answer by `Conformal`, what holds the value at that level.

        Raises ValueError for an unknown variable, one that is no number, a level outside of (0, 1), an answer of fewer than two
        draws, and a question by `Conformal` that was not scored.
        """
        check_known("variable", [name], self.graph)
        if not (isinstance(level, Real) and 0 < level < 1):
            raise ValueError(f"level: expected a share between 0 and 1, such as 0.9, got {level!r}")
        if self.graph[name].discrete or self.graph[name].value_shape:
            raise ValueError(f"{name} is no number: see `spread`")
        if not self.has_intervals:
            raise ValueError("one draw has no interval: ask with particles=16, or an Ensemble")
        low, high = self._quantiles(name, level) if self._scores is None else self._around(name, level, self._scores)
        return (low[0], high[0]) if self._single else (low, high)

    def _quantiles(self, name: str, level: float) -> tuple[Tensor, Tensor]:
        drawn = (self._read if name in self._read else self._drawn)[name].double()
        if not len(drawn):
            return drawn[:, 0].float(), drawn[:, 0].float()
        low, high = (drawn.quantile(share, dim=1).float() for share in ((1 - level) / 2, (1 + level) / 2))
        return low, high

    def _around(self, name: str, level: float, scores: AllScores) -> tuple[Tensor, Tensor]:
        check_known("variable that the reader reads", [name], self._read)
        reach = reach_of(scores, self._set, name, _spread(self._read[name]), level)
        return middle(self._read[name]) - reach, middle(self._read[name]) + reach

    def read_by(self, readings: Readings, scores: AllScores | None = None, reads: Reads = nobody) -> "Counterfactual":
        """The same answer, measured by others; with intervals as their `scores` have it, if any are given."""
        made = self._like(self._drawn, self._draws, readings, self._unknown)
        made._scores, made._reads = scores, reads
        return made

    def _like(self, drawn: World, draws: int, readings: Readings, unknown: World) -> "Counterfactual":
        """An answer to the same question: other draws (n, draws, ...), of facts too, or measured by others."""
        of = self.graph, self._was, self._set, {name: value.flatten(0, 1) for name, value in drawn.items()}, readings
        how: dict[str, Any] = {"single": self._single, "supports": self._supports, "reads": self._reads}
        facts = {name: value.flatten(0, 1) for name, value in unknown.items()}
        return Counterfactual(*of, self._outline, draws=draws, unknown=facts, **how)

    @cached_property
    def _support(self) -> Tensor | None:
        """The least over the images, (n,)."""
        each = [support.of_causes(self._world) for support in self._supports.values()]
        return torch.stack(each).amin(0) if each else None

    @property
    def support(self) -> Tensor | None:
        """How usual the causes of the images are together, (n,) in (0, 1]: the share of training rows that are as far from the
        others (see `causalimg.support`); of several draws, of their mean. None where no image follows from what was set, or no
        model of it was fitted."""
        return self._support[0] if self._support is not None and self._single else self._support

    def nearest(self, k: int = 3) -> Tensor:
        """The numbers of the `k` training rows whose causes of the image are nearest, nearest first: (n, k).

        Raises ValueError where that is not known of one image (see `support`), TypeError for a `k` that is no whole number.
        """
        if len(self._supports) != 1:
            raise ValueError(f"nearest training rows are known of {len(self._supports)} images here, and not of one")
        (support,) = self._supports.values()
        rows = support.nearest(self._world, whole("k", k, 1))
        return rows[0] if self._single else rows

    def check_support(self, unusual: Unusual = "warn") -> None:
        """Warn of answers whose causes hardly occurred together in training; with "refuse", raise ValueError instead."""
        named = self._supports.items()
        raise_or_warn((one.complaint(image, self._world, self.action) for image, one in named), unusual)

    def to_frame(self) -> Any:
        """A pandas DataFrame of all that is no image, a row for each item or, of several draws, for each of its draws.

        Its columns are pairs: ``frame["factual"]``, ``frame["asked"]`` (what was set), ``frame["counterfactual"]`` and
        ``frame["measured"]`` have the variables, levels by name; ``frame["support"]`` says how usual the answer is, and
        ``frame["drawn"]`` which facts nobody knew. Raises ImportError without pandas.
        """
        pandas = imported("pandas", "pandas")
        n, repeated = len(next(iter(self._was.values()))), self._draws
        was, asked = (
            {name: widen(one, n).unsqueeze(1).expand(n, repeated, *one.shape[1:]) for name, one in world.items()}
            for world in (self._was, self._set)
        )
        parts = {
            "factual": was | self._unknown,
            "asked": asked,
            "counterfactual": self._drawn,
            "measured": self._read,
        }
        said = {
            (part, name): in_words(self.graph[name], value.flatten(0, 1))
            for part, world in parts.items()
            for name, value in world.items()
            if not self.graph[name].value_shape
        }
        if self._support is not None:
            said["support", ""] = self._support.repeat_interleave(repeated).tolist()
        if self._unknown:
            said["drawn", ""] = [", ".join(self._unknown)] * (n * repeated)
        index = pandas.MultiIndex.from_product([range(n), range(repeated)], names=["item", "draw"])
        frame = pandas.DataFrame(said, index=index)
        return frame if repeated > 1 else frame.droplevel("draw")

    def save(
        self,
        folder: str | Path,
        kind: Format = "png",
        *,
        like: Like | None = None,
        slices: Slices | Sequence[Slices] | None = None,
        fit: Fit | None = None,
        fields: Sequence[str] = (),
    ) -> None:
        """Write the images into `folder`, and ``answers.csv`` with a row for each item.

        Its columns: ``file``, then by variable the counterfactual value, ``factual ...``, ``asked ...`` (what was set),
        ``measured ...``, and ``support``; `read_table` reads it. Of several draws, it is their mean.

        `kind`: "png", 8 bits within the bounds; "npz", all images as they are in one file; "nifti", values as they are; "dicom",
        16 bits, marked as derived and synthetic, with new UIDs. NIfTI and DICOM lie where `like` does, the file from which the
        image was read, or one for each item: with `slices`, such as ``Slices(at=12)``, and `fit` as it was read. Of a DICOM
        header, `fields` are copied, and nothing else.

        Raises FileExistsError where a file in `folder` is not as an earlier answer left it, and ValueError for an unknown kind,
        images that it doesn't hold, and what of `like` can't be right.
        """
        save_answers([(self, {})], folder, kind, like=like, slices=slices, fit=fit, fields=fields)

    def plot(
        self,
        path: str | Path | None = None,
        image: str | None = None,
        *,
        rows: int = ROWS,
        items: Sequence[int] | None = None,
        across: str | None = None,
    ) -> Any:
        """Factual | counterfactual | difference, with the structures outlined, of `items` by their positions, or of the first
        `rows` items; written to `path`.

        Measured is what the model's readers read; it is said which, and whether it guided. `across`: a variable of which one item
        was asked several values: they stand side by side, a row for each combination of the others (see `grid`).

        Returns the matplotlib figure. Raises ValueError where `image` is no image of the graph, for positions of no item, and for
        `across` what was not set, or was set for several items.
        """
        name, chosen = self._image(image), self._positions(items)
        if across is None:
            return _draw({"counterfactual": self}, name, chosen[:rows], path)
        check_known("variable that was set", [across], self._set)
        others = [other for other in self._set if other != across and not self.graph[other].value_shape]
        with located(f"across={across!r}"):
            found = lines(self._world[across][chosen], [self._world[other][chosen] for other in others])
            if not (self._was[name][chosen] == self._was[name][chosen[0]]).all():
                raise ValueError("expected answers about one item; items=[...] says which")
        at = [[chosen[place] for place in line] for line in found[:rows]]
        columns = {
            f"{across} = {self.graph[across].say(self._world[across][column[0]].item())}": self._after(name, column)
            for column in map(list, zip(*at, strict=True))
        }
        before = self._before(name, [line[0] for line in at])
        bounds = limits(cast(Image, self.graph[name]), before.images)
        return draw_grid(before, columns, bounds=bounds, path=path, rows=rows, differences=False)

    def _positions(self, items: Sequence[int] | None) -> list[int]:
        """`items`, checked; by default all. Raises ValueError for positions of no item, and for none."""
        n = len(next(iter(self._was.values())))
        if items is None:
            return list(range(n))
        if isinstance(items, int) or not len(items):
            raise ValueError(f"items: expected a list of positions, such as [0, {n - 1}], got {items!r}")
        return [whole("items", item, 0, n - 1) for item in items]

    def _image(self, image: str | None) -> str:
        """The name of the image that is meant. Raises ValueError where there is none."""
        if not self.graph.images:
            raise ValueError(f"nothing to plot: {self.graph.title} has no image")
        name = self.graph.images[0] if image is None else image
        check_known("image", [name], self.graph.images)
        return name

    def _before(self, image: str, items: Sequence[int]) -> Pictures:
        images = self._was[image][items]
        return Pictures(images, self._outline(images, image))

    def _after(self, image: str, items: Sequence[int]) -> Pictures:
        images = self._world[image][items]
        captions = [self._caption(row) for row in items]
        spread = _spread(self._drawn[image][items]) if self._draws > 1 else None
        return Pictures(images, self._outline(images, image), captions, spread)

    def _caption(self, row: int) -> str:
        lines = [line for name in self.action for line in self._describe(name, row)]
        drawn = [f"not known, drawn: {', '.join(self._unknown)}"] * bool(self._unknown)
        unusual = self._support is not None and self._support[row] < UNUSUAL
        return "\n".join([*lines, *drawn, *["unusual: hardly seen in training"] * bool(unusual)])

    def _describe(self, name: str, row: int) -> Iterator[str]:
        variable = self.graph[name]
        if variable.value_shape:
            return
        was, becomes = self._was[name][row].item(), self._world[name][row].item()
        yield f"do({name} = {variable.say(becomes)}), was {variable.say(was)}"
        if name in self._read:
            drawn = self._read[name][row]
            unsure = self._draws > 1 and not variable.discrete and drawn.std().item() > abs(becomes - was)
            reads = f" by {self._reads(name)}".removesuffix(" by ")
            read = variable.say(middle(drawn[None]).item())
            yield f"measured {read}{self._between(name, row)}{reads}{', not sure' * unsure}"

    def _between(self, name: str, row: int) -> str:
        """The interval of what is measured, in words; nothing where there is none."""
        if not self.has_intervals or self.graph[name].discrete:
            return ""
        low, high = (end.reshape(-1)[row].item() for end in self.interval(name))
        return f" [{low:.4g}, {high:.4g}]"


def joined(answers: Sequence[Counterfactual]) -> Counterfactual:
    """The draws of several answers to one question, of which there is at least one, as one answer."""
    first = answers[0]
    drawn = {name: torch.cat([one._drawn[name] for one in answers], dim=1) for name in first}
    unknown = {name: torch.cat([one._unknown[name] for one in answers], dim=1) for name in first._unknown}
    return first._like(drawn, sum(one._draws for one in answers), first._readings, unknown)


def draw(answers: Mapping[str, Counterfactual], path: str | Path | None = None, image: str | None = None) -> Any:
    """The factual image, then each of `answers` about the same items, under its heading, and its difference.

    Returns the matplotlib figure. Raises ValueError where `image` is no image of the graph.
    """
    first = next(iter(answers.values()))
    return _draw(answers, first._image(image), first._positions(None)[:ROWS], path)


def _draw(answers: Mapping[str, Counterfactual], image: str, items: Sequence[int], path: str | Path | None) -> Any:
    first = next(iter(answers.values()))
    before = first._before(image, items)
    columns = {heading: answer._after(image, items) for heading, answer in answers.items()}
    bounds = limits(cast(Image, first.graph[image]), before.images)
    return draw_grid(before, columns, bounds=bounds, path=path, rows=len(items))


def _spread(drawn: Tensor) -> Tensor:
    if not drawn.is_floating_point():
        return (drawn != middle(drawn)[:, None]).float().mean(dim=1)
    return (drawn - drawn[:, :1]).std(dim=1, correction=int(drawn.shape[1] > 1))


def _brief(value: Tensor) -> str:
    return f"{value.item():g}" if value.numel() == 1 else f"<{tuple(value.shape)}>"
