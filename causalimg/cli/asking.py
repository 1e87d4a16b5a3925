"""A question about an image, from words to a picture."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from causalimg.cli.words import settings, slices_of
from causalimg.completion import Unknown
from causalimg.counterfactual import Counterfactual
from causalimg.data import Slices
from causalimg.data.dicom import series_in
from causalimg.data.frame import Fit
from causalimg.model import CausalModel
from causalimg.support import Unusual


@dataclass(frozen=True)
class Asking:
    """A `model` of one image, what is known of whoever it is asked about, and how files are read: None, as for its fit.

    `spacing`: the side of a pixel of the file, in mm. `unknown`, `particles`: see `CausalModel.do`.
    """

    model: CausalModel
    given: dict[str, Any]
    fit: Fit | None = None
    slices: Slices | None = None
    spacing: float | None = None
    unknown: Unknown = "refuse"
    particles: int = 1

    @classmethod
    def of(cls, folder: Path, given: Iterable[str] = (), slices: str | None = None, **how: Any) -> "Asking":
        """The model in `folder`; `slices` in words, along the axis of those it was fitted on unless they say which.

        Raises ValueError where it is not of one image, or that is given besides.
        """
        model = CausalModel.load(folder)
        if len(model.graph.images) != 1:
            raise ValueError(
                f"{folder}: expected a model of one image, not of {', '.join(model.graph.images) or 'none'}"
            )
        known = settings(given, model.graph)
        if model.graph.images[0] in known:
            raise ValueError(f"--given {model.graph.images[0]}=...: it is the image, which a file holds")
        own = model.preprocessing.slices or Slices()
        return cls(model, known, slices=None if slices is None else slices_of(slices, own.axis), **how)

    @property
    def image(self) -> str:
        """The name of the image."""
        return self.model.graph.images[0]

    def read(self, file: Path, spacing: float | None = None) -> Tensor:
        """The image in `file`; `spacing`: of its pixels, unless one is said for all."""
        return self.model.read_image(file, slices=self.slices, fit=self.fit, spacing=self.spacing or spacing)

    def do(self, seen: dict[str, Any], support: Unusual = "warn", **interventions: Any) -> Counterfactual:
        """The answer of the model about what was `seen`."""
        how: dict[str, Any] = {"support": support, "unknown": self.unknown, "particles": self.particles}
        return self.model.do(seen, **how, **interventions)

    def seen(self, file: Path) -> dict[str, Any]:
        """All that is known of whoever is in `file`. Raises ValueError for a folder of several images."""
        if file.is_dir() and not series_in(file):
            raise ValueError(f"{file} is a folder: expected one image")
        return {**self.given, self.image: self.read(file)}


def ask(asking: Asking, image: Path, do: dict[str, Any], out: Path, as_json: bool = False) -> str:
    """Draw the answers about one image to `out`, a PNG unless it says another kind; returns them in words, or as JSON."""
    cf = asking.do(asking.seen(image), **do)
    out, answers = out if out.suffix else out.with_suffix(".png"), count(cf)
    cf.plot(out, rows=answers)
    if not as_json:
        return "\n\n".join("\n".join(in_lines(cf, row)) for row in range(answers)) + f"\nsee {out}"
    each = [numbers_of(cf, row) for row in range(answers)]
    return json.dumps({**(each[0] if answers == 1 else {"answers": each}), "picture": str(out)}, indent=2)


def count(cf: Counterfactual) -> int:
    """How many answers there are."""
    images = cf[cf.graph.images[0]]
    return len(images) if images.ndim == 4 else 1


def in_lines(cf: Counterfactual, row: int) -> list[str]:
    """An answer about one item: a line for each variable, and how usual it is."""
    lines = []
    for name, numbers in _numbers(cf, row).items():
        say = cf.graph[name].say
        read = f", measured {say(numbers['measured'])}" if "measured" in numbers else ""
        lines.append(f"{name}: {say(numbers['was'])} -> {say(numbers['became'])}{read}")
    if cf.support is not None:
        share = cf.support.reshape(-1)[row]
        lines.append(f"support: {share:.1%} of the training rows are as far from the others as what is asked")
    return lines


def numbers_of(cf: Counterfactual, row: int) -> dict[str, Any]:
    """The same as plain JSON data: by variable, what it was, became, and what was measured; numbers, and levels by name."""

    def plain(name: str, value: float) -> Any:
        return cf.graph[name].say(value) if cf.graph[name].discrete else value

    said = {
        name: {what: plain(name, number) for what, number in numbers.items()}
        for name, numbers in _numbers(cf, row).items()
    }
    return {"variables": said, "support": None if cf.support is None else cf.support.reshape(-1)[row].item()}


def _numbers(cf: Counterfactual, row: int) -> dict[str, dict[str, float]]:
    """By variable that is no image: what it was, became, and what was measured."""
    parts = {"was": cf.factual, "became": cf, "measured": cf.measured}
    return {
        name: {what: world[name].reshape(-1)[row].item() for what, world in parts.items() if name in world}
        for name in cf
        if not cf.graph[name].value_shape
    }
