"""What a page of counterfactuals shows: a model's answers about some items, as plain JSON data.

Each item is asked about one variable at a time: numbers between the 5th and the 95th percentile of the rows on which the image
was fitted, and every level. What is known of an item is abducted once, and all values of a variable are one question.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, cast

import torch
from torch import Tensor

from causalimg.counterfactual import Counterfactual
from causalimg.ensemble import Ensemble
from causalimg.errors import check_kind, check_kinds, check_known, warn, whole, wrong_kind
from causalimg.evaluation.page import unit_of
from causalimg.exploring.pixels import outline, png
from causalimg.given import only_image
from causalimg.graph import Categorical, Image
from causalimg.guided import Guided
from causalimg.model import CausalModel
from causalimg.support import UNUSUAL, training_values
from causalimg.values import World, count_rows, limits
from causalimg.viz.pictures import COLORS

Explorable = CausalModel | Guided | Ensemble
ENDS = (0.05, 0.95)
"""Between which shares of the training rows numbers are asked for."""


class Exploration:
    """`model`, asked about the first `items` of `rows`: each variable in `over`, numbers at so many `targets`.

    See `explore` for the arguments, and for what is raised and warned of.
    """

    def __init__(
        self, model: Explorable, rows: Any, over: Sequence[str] | None, targets: int, items: int, particles: int
    ) -> None:
        check_kind("model", model, CausalModel, Guided, Ensemble)
        self.model, self.causal, self.particles = model, _causal(model), whole("particles", particles, 1)
        self.graph, self.image = model.graph, only_image(model.graph)
        every = self.causal.complete(rows)
        self.values = {name: value[: whole("items", items, 1)] for name, value in every.items()}
        self.items = whole("rows: rows", count_rows(self.values), 1)
        self.bounds = limits(cast(Image, self.graph[self.image]), every[self.image])
        self.over = _checked(self, over)
        self.targets = {name: self._targets(name, every, whole("targets", targets, 2)) for name in self.over}
        self.notes = {name: self._notes(name) for name in self.over}
        for note in dict.fromkeys(note for notes in self.notes.values() for note in notes):
            warn(note)

    def _notes(self, name: str) -> list[str]:
        """What `do` warns of where the variable is set."""
        models = self.model.models if isinstance(self.model, Ensemble) else [self.model]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for model in models:
                if not (isinstance(model, Guided) and name in model.names):
                    _causal(model).warn([name])
        return list(dict.fromkeys(str(warning.message) for warning in caught))

    def _targets(self, name: str, every: World, targets: int) -> Tensor:
        variable, known = self.graph[name], training_values(self.causal.supports, name)
        if isinstance(variable, Categorical):
            return torch.arange(len(variable.levels))
        known = every[name] if known is None else known
        low, high = known.double().quantile(known.new_tensor(ENDS).double()).tolist()
        if not low < high:
            raise ValueError(
                f"{name} is {variable.say(low)} in all rows that are known: give more rows, or leave it out of over"
            )
        return torch.linspace(low, high, targets)

    def to_data(self) -> dict[str, Any]:
        """All of it, answers included."""
        return {**self.about(), "items": [self.item(row) for row in range(self.items)]}

    def about(self) -> dict[str, Any]:
        """What holds for all items: the image, its structures, and the variables."""
        shape = cast(Image, self.graph[self.image]).shape
        structures = self.causal.readers.outlines(self.values[self.image][:1], self.image)
        variables = {name: self._variable(name) for name in self.graph if not self.graph[name].value_shape}
        return {
            "height": shape[1],
            "width": shape[2],
            "structures": dict(zip(structures, cycle(COLORS), strict=False)),
            "variables": variables,
            "over": list(self.over),
            "notes": self.notes,
            "particles": self.particles,
        }

    def _variable(self, name: str) -> dict[str, Any]:
        follows = [other for other in self.graph if other in self.graph.descendants(name) and other != name]
        return {"unit": unit_of(self.graph, name), "discrete": self.graph[name].discrete, "follows": follows}

    def item(self, row: int) -> dict[str, Any]:
        """What was seen of an item, and the answers to all that is asked of it."""
        known = self.known({name: value[row : row + 1] for name, value in self.values.items()})
        positions = self.positions({name: self.values[name][row] for name in self.over})
        for name, asked in positions.items():
            values = [value for at, value in enumerate(asked["values"]) if at != asked["seen"]]
            asked["answers"] = self.ask(known, {name: values}) if values else []
            asked["answers"].insert(asked["seen"], None)
        return {"seen": self.ask(known, {})[0], "asked": positions}

    def known(self, values: Mapping[str, Any]) -> Any:
        """One item, abducted."""
        return self.model.abduct(values, particles=self.particles)

    def positions(self, was: World) -> dict[str, dict[str, Any]]:
        """By variable, the `values` to ask of an item that `was` so, `texts` of them, and the place of what was `seen`."""
        return {name: self._positions(name, was[name].cpu()) for name in self.over}

    def _positions(self, name: str, was: Tensor) -> dict[str, Any]:
        values = torch.cat([self.targets[name], was[None]]).unique().tolist()
        texts = [self.graph[name].say(value) for value in values]
        return {"values": values, "texts": texts, "seen": values.index(was.item())}

    def ask(self, known: Any, do: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The answers about one item, one for each value."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it was said before: `notes`
            answer = self.model.do(known, support="allow", **do)
        return self._told(answer)

    def _told(self, cf: Counterfactual) -> list[dict[str, Any]]:
        images, scalars = cf[self.image], [name for name in self.graph if not self.graph[name].value_shape]
        masks, support = self.causal.readers.outlines(images, self.image), cf.support
        return [
            {
                "image": png(image, self.bounds),
                "outlines": {name: outline(mask[row]) for name, mask in masks.items()},
                "readings": {name: self._reading(cf, name, row) for name in scalars},
                "support": None if support is None else f"{support[row].item():.1%}",
                "unusual": support is not None and support[row].item() < UNUSUAL,
            }
            for row, image in enumerate(images)
        ]

    def _reading(self, cf: Counterfactual, name: str, row: int) -> dict[str, Any]:
        """What a variable is in an answer, and what is measured of it, in words."""
        variable, value = self.graph[name], cf[name][row].item()
        if name not in cf.measured:
            return {"is": variable.say(value)}
        said = {"is": variable.say(value), "measured": variable.say(cf.measured[name][row].item())}
        if variable.discrete or not (cf.has_intervals and cf.action):
            return said
        low, high = (end[row].item() for end in cf.interval(name))
        spread, moved = cf.reading_spread(name)[row].item(), abs(value - cf.factual[name][row].item())
        told = f"spread {variable.say(spread)}; 90 % in {low:.4g} to {variable.say(high)}"
        return {**said, "spread": told, "unsure": name in cf.action and spread > moved}


def _causal(model: Explorable) -> CausalModel:
    """The model that is asked in the end; of an ensemble, the first."""
    if isinstance(model, Ensemble):
        return _causal(model.models[0])
    return model if isinstance(model, CausalModel) else _causal(model.model)


def _checked(one: Exploration, over: Sequence[str] | None) -> list[str]:
    """The variables to move. Raises ValueError for what is no scalar cause of the image."""
    graph, image = one.graph, one.image
    if over is None:
        return [name for name in graph.parents(image) if not graph[name].value_shape]
    if isinstance(over, str):
        raise wrong_kind("over", "a list of variables", over)
    check_kinds("over", list(over), str)
    causes = [name for name in graph if image in graph.descendants(name) and not graph[name].value_shape]
    check_known(f"scalar cause of {image}", over, causes)
    return list(dict.fromkeys(over))
