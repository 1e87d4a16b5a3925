"""A judgement as a value: tables, plain data, pictures, and a page to send to a colleague."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causalimg.evaluation.album import Album
from causalimg.evaluation.bootstrap import Estimate
from causalimg.evaluation.composition import Composition
from causalimg.evaluation.dose import Dose
from causalimg.evaluation.effect import Effect, Effectiveness
from causalimg.evaluation.miss import Miss
from causalimg.evaluation.publish import publish
from causalimg.evaluation.sections import (
    Section,
    caveats,
    dose,
    effects,
    laws,
    likelihood,
    markdown,
    matrix,
    method,
    truth,
)
from causalimg.evaluation.truth import Truth
from causalimg.graph import Graph
from causalimg.viz.curves import Curve, draw_dose_response


@dataclass(frozen=True, eq=False)
class Report:
    """What `evaluate` found. What a model has no means for, or no truth is known of, is empty.

    Means over the models, where there are several; the pictures in `albums` are the first model's. How to read the numbers:
    `docs/judging.md`.
    """

    graph: Graph
    items: str
    """A digest of the items: the same for the same ones in the same order."""
    effectiveness: Effectiveness
    """By variable that was set: error, floor, drift, slope, change; and the matrix of all that was read."""
    null: Mapping[str, Miss]
    """By variable that is read: how far it moves with nothing asked, the pixels' noise drawn afresh."""
    composition: Mapping[str, Composition]
    """By image."""
    reversal: Mapping[str, Estimate]
    """By variable that was set: the distance to the factual image, there and back again, in grey levels."""
    dose: Mapping[str, Dose]
    """By continuous variable that was set."""
    truth: Mapping[str, Truth]
    """By variable that was set, of a phantom."""
    nll: Mapping[str, Estimate]
    """By image: the negative ELBO, in nats per dimension."""
    albums: Mapping[str, Album]
    """By variable that was set: pictures of the first eight items."""

    def __getitem__(self, name: str) -> Effect:
        """The effect of setting `name`. Raises ValueError for what was not set, with the nearest name."""
        return self.effectiveness[name]

    @property
    def title(self) -> str:
        """The page's heading."""
        return f"{self.graph.title}: counterfactuals, judged"

    def table(self) -> str:
        """All tables, in Markdown."""
        return markdown(self.title, self.sections())

    def sections(self) -> list[Section]:
        """The page, part by part."""
        judged = self.effectiveness
        return [
            method(judged),
            effects(judged),
            matrix(self.graph, judged, self.null),
            *([dose(self.dose, [dose_file(name) for name in self.dose])] if self.dose else []),
            Section("Pictures", PICTURES, figures=[album_file(name) for name in self.albums]),
            laws(judged, self.composition, self.reversal),
            *([truth(self.graph, self.truth)] if self.truth else []),
            *([likelihood(self.nll)] if self.nll else []),
            caveats(judged),
        ]

    def figures(self) -> dict[str, Any]:
        """The matplotlib figures, by file name."""
        doses = {dose_file(name): self._draw(one) for name, one in self.dose.items()}
        return doses | {album_file(name): album.draw() for name, album in self.albums.items()}

    def to_data(self) -> dict[str, Any]:
        """All numbers, no pictures, as plain JSON data; None where there is none."""
        parts = ("null", "composition", "reversal", "dose", "truth", "nll")
        found = {part: {name: one.to_data() for name, one in getattr(self, part).items()} for part in parts}
        misses = {
            name: {other: miss.to_data() for other, miss in row.items()}
            for name, row in self.effectiveness.matrix.items()
        }
        judged = self.effectiveness.to_data()
        return {"graph": self.graph.title, "items": self.items, **judged, "matrix": misses, **found}

    def write(self, folder: str | Path) -> Path:
        """Write ``report.md``, ``report.json``, the figures, and ``report.html``, which needs none of them; returns the last."""
        return publish(folder, "report", self.title, self.sections(), self.figures(), self.to_data())

    def _draw(self, one: Dose) -> Any:
        effect = self.effectiveness[one.name]
        target = effect.target.repeat(len(effect.measured))
        curves = {"the same items at every target": Curve(one.target, *one.band())}
        measured = {"every item, once": effect.measured.flatten()}
        return draw_dose_response(target, measured, curves, label=effect.label)


PICTURES = (
    "Factual, counterfactual, and their difference, of the first eight items. Outlines are the judge's: solid on the factual "
    "image, dashed on the counterfactual one. Red became brighter, blue darker."
)


def dose_file(name: str) -> str:
    """The file of a dose-response figure."""
    return f"dose_response_{name}.png"


def album_file(name: str) -> str:
    """The file of the pictures of a question."""
    return f"pictures_{name}.png"
