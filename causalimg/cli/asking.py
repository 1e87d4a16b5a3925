"""A question about an image, from words to a picture."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from causalimg.counterfactual import Counterfactual
from causalimg.model import CausalModel


def ask(folder: Path, image: Path, do: dict[str, Any], given: dict[str, Any], out: Path, as_json: bool = False) -> str:
    """Draw the answer of the model in `folder` to `out`, a PNG unless it says another kind; returns it in words, or as JSON."""
    if image.is_dir():
        raise ValueError(f"{image} is a folder: expected one image, PNG, JPEG or NPZ")
    model = CausalModel.load(folder)
    if len(model.graph.images) != 1:
        raise ValueError(f"{folder}: expected a model of one image, not of {', '.join(model.graph.images) or 'none'}")
    name = model.graph.images[0]
    if name in given:
        raise ValueError(f"--given {name}=...: {name} is the image, {image}")
    cf = model.do({**given, name: model.read_image(image)}, **do)
    out = out if out.suffix else out.with_suffix(".png")
    cf.plot(out)
    return json.dumps({**numbers_of(cf), "picture": str(out)}, indent=2) if as_json else in_words(cf, out)


def scalars(cf: Counterfactual) -> list[str]:
    """The variables of an answer about one item that are no image."""
    return [name for name, was in cf.factual.items() if not was.ndim]


def in_words(cf: Counterfactual, out: Path) -> str:
    """An answer about one item: a line for each variable, and how usual it is."""
    lines = []
    for name in scalars(cf):
        said = [cf.graph[name].say(world[name].item()) for world in (cf.factual, cf)]
        read = f", measured {cf.graph[name].say(cf.measured[name].item())}" if name in cf.measured else ""
        lines.append(f"{name}: {' -> '.join(said)}{read}")
    if cf.support is not None:
        lines.append(f"support: {cf.support:.1%} of the training rows are as far from the others as what is asked")
    return "\n".join([*lines, f"see {out}"])


def numbers_of(cf: Counterfactual) -> dict[str, Any]:
    """The same as plain JSON data: by variable, what it was, became, and what was measured; numbers, and levels by name."""

    def plain(name: str, value: float) -> Any:
        return cf.graph[name].say(value) if cf.graph[name].discrete else value

    said = {
        name: {"was": plain(name, cf.factual[name].item()), "became": plain(name, cf[name].item())}
        for name in scalars(cf)
    }
    for name in cf.measured.keys() & said.keys():
        said[name]["measured"] = plain(name, cf.measured[name].item())
    return {"variables": said, "support": None if cf.support is None else float(cf.support)}


def pairs(texts: Iterable[str]) -> dict[str, Any]:
    """``["lv_area=900", "sex=male"]`` as a mapping. Raises ValueError for what is not name=value, and for one name twice."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"expected name=value, got {text!r}")
        if name in found:
            raise ValueError(f"two values of {name}: {found[name]} and {value}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found
