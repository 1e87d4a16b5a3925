"""The card of a model: what a colleague has to know before they trust an answer. Markdown, headed by a hub's fields.

Its parts follow *Model Cards for Model Reporting* (Mitchell et al., FAT* 2019, arXiv:1810.03993); the fields in front are those
that model hubs read (https://huggingface.co/docs/hub/model-cards).
"""

from collections.abc import Iterator, Sequence

import yaml

from causalimg.data.description import ranged
from causalimg.evaluation import Report
from causalimg.evaluation.page import listed, markdown
from causalimg.evaluation.verdict import LIMITS as GOOD
from causalimg.graph.spec import Spec
from causalimg.guidance.sensitivity import summary
from causalimg.model import CausalModel
from causalimg.support import Support

CARD = "README.md"
UNSAID = "Not said."
UNGUIDED = "Nobody: it is fitted by likelihood alone."
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
    yield "Verdict", f"{listed(report.verdict)}\n\n{GOOD}" if report else "Nobody has judged it yet."
    yield "What causes what", f"```python\n{model.graph!r}\n```"
    yield "Data", about.data
    yield "Splits", about.splits
    yield "Made by", about.made_by
    yield "How images were read", f"`{model.preprocessing}`"
    yield "Who guided", _guides(model.guided_by)
    yield "How far the image follows its causes", _lines(summary(model.sensitivities))
    yield "Support", "\n".join(line for image, one in model.supports.items() for line in _ranges(model, image, one))
    yield "How it was judged", _nested(report) if report else ""
    yield "Limits", f"{about.limits} {LIMITS}".strip()


def _guides(marks: Sequence[str]) -> str:
    """Who guided, as far as a model knows: what it takes to know them again, for they may not judge."""
    known = ", ".join(marks)
    return f"A reader with the fingerprint {known}; who guided may not judge." if marks else UNGUIDED


def _nested(report: Report) -> str:
    """The tables of `report`, a level deeper, without its heading and the verdict."""
    _, body = markdown(report.title, report.sections()[1:]).split("\n", 1)
    return body.replace("\n## ", "\n### ").strip()


def _lines(text: str) -> str:
    return "\n".join(f"- {line}" for line in text.splitlines())


def _ranges(model: CausalModel, image: str, support: Support) -> Iterator[str]:
    """Where the causes of an image were, in the rows that it was fitted on: nine in ten of the numbers, and all levels."""
    for name, value in support.values.items():
        yield f"- {name}, a cause of {image}: {ranged(model.graph[name], value, '5 %', '95 %')}"
