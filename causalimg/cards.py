"""The card of a model: what a colleague has to know before they trust an answer. Markdown, headed by a hub's fields.

Its parts follow *Model Cards for Model Reporting* (Mitchell et al., FAT* 2019, arXiv:1810.03993); the fields in front are those
that model hubs read (https://huggingface.co/docs/hub/model-cards).
"""

from collections.abc import Iterator

import yaml

from causalimg.evaluation import Report
from causalimg.evaluation.page import markdown
from causalimg.graph.spec import Spec
from causalimg.guidance.sensitivity import summary
from causalimg.model import CausalModel
from causalimg.support import Support

CARD = "README.md"
UNSAID = "Not said."
TAGS = ["causalimg", "counterfactual", "structural-causal-model", "medical-imaging"]

LIMITS = (
    "An answer is as good as the graph: no data tell whether its edges are right. What is asked far from the causes that "
    "occurred together in training (a low support) may show anything. Not a medical device."
)


class About(Spec):
    """What nobody but who trained it can say: in sentences, but for `licence`, a name such as "cc0-1.0"."""

    title: str = ""
    data: str = ""
    splits: str = ""
    licence: str = ""
    made_by: str = ""
    limits: str = ""


def card(model: CausalModel, report: Report | None = None, about: About = About()) -> str:
    """The card of `model`, in Markdown, with what a `report` on it found."""
    front = {"library_name": "causalimg", "pipeline_tag": "image-to-image", "tags": TAGS}
    front |= {"license": about.licence} if about.licence else {}
    head = f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n# {about.title or model.graph.title}\n"
    parts = [f"## {title}\n\n{text or UNSAID}\n" for title, text in _parts(model, report, about)]
    return "\n".join([head, *parts])


def _parts(model: CausalModel, report: Report | None, about: About) -> Iterator[tuple[str, str]]:
    yield "What causes what", f"```python\n{model.graph!r}\n```"
    yield "Data", about.data
    yield "Splits", about.splits
    yield "Made by", about.made_by
    yield "Grey levels", f"As they were read: {model.normalise or 'not normalised'}."
    yield "Who guided", ", ".join(model.guided_by) or "Nobody: it is fitted by likelihood alone."
    yield "How far the image follows its causes", _lines(summary(model.sensitivities))
    yield "Support", "\n".join(line for image, one in model.supports.items() for line in _ranges(model, image, one))
    yield "How it was judged", _nested(report) if report else ""
    yield "Limits", f"{about.limits} {LIMITS}".strip()


def _nested(report: Report) -> str:
    """The tables of `report`, a level deeper, without its heading."""
    _, body = markdown(report.title, report.sections()).split("\n", 1)
    return body.replace("\n## ", "\n### ").strip()


def _lines(text: str) -> str:
    return "\n".join(f"- {line}" for line in text.splitlines())


def _ranges(model: CausalModel, image: str, support: Support) -> Iterator[str]:
    """Where the causes of an image were, in the rows that it was fitted on: nine in ten of the numbers, and all levels."""
    for name, value in support.values.items():
        say = model.graph[name].say
        if model.graph[name].discrete:
            said = ", ".join(f"{say(level)} {int((value == level).sum())}" for level in value.unique().tolist())
        else:
            said = f"{say(value.quantile(0.05).item())} to {say(value.quantile(0.95).item())}"
        yield f"- {name}, a cause of {image}: {said}"
