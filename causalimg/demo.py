"""The main job, on hearts whose truth is known: declare, compile, fit, fine-tune, ask, judge.

The phantom renders short-axis cardiac images from a structural causal model, so that every answer can be laid beside the
image that would really have been. `demo` asks the model that is shipped; `train` makes one, in minutes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import PIL.Image

from causalimg.cards import CARD, About, card
from causalimg.data.phantoms import Heart, Sample
from causalimg.evaluation import Comparison, evaluate
from causalimg.graph import scale
from causalimg.model import CausalModel, compile
from causalimg.readers import Segmentor
from causalimg.shipped import pretrained
from causalimg.study import SMALL
from causalimg.training.recipe import Recipe
from causalimg.viz import Pictures, draw_graph, draw_grid
from causalimg.viz.curves import draw_history

ENCODERS = ("tu-resnet18", "mobilenet_v2")  # of the guide, and of the judge
QUESTIONS = {
    "smaller": ("lv_area", scale(0.6)),
    "larger": ("lv_area", scale(1.4)),
    "thicker": ("wall_area", scale(1.3)),
}

ABOUT = About(
    title="Phantom hearts",
    data="Short-axis cardiac images of 64 x 64 pixels, rendered by `causalimg.phantoms.Heart(size=64)`: no patients.",
    splits="800 to train on, 96 to choose weights by, 96 to judge on, drawn by three seeds.",
    licence="apache-2.0",
    made_by="`causalimg demo --train`: an autoencoder fitted by likelihood, and a deformation that a segmentor taught.",
    limits="It knows phantoms only, and real hearts look otherwise.",
)


def demo(out: Path) -> str:
    """Ask the shipped model of phantom hearts; figures and the model go into the folder `out`. Returns what was measured."""
    out.mkdir(parents=True, exist_ok=True)
    heart, model = Heart(size=64), pretrained("heart")
    asked = _asked(heart.sample(96, seed=2))
    draw_graph(heart.graph, out / "graph.png")
    _draw(out, heart, asked, {"counterfactual": _answers(model, heart, asked)})
    model.save(out / "model")
    _leave_a_patient(out, heart, asked)
    return "\n".join(_said(model, heart, asked))


def train(out: Path, *, patients: int = 800, held_out: int = 96, steps: int = 600, seed: int = 0) -> CausalModel:
    """Run it all, and write figures, tables and the model into the folder `out`. Returns the model.

    `patients` are trained on; as many as `held_out` says validate, and as many are judged. `steps` are those of the image's fit;
    its fine-tuning takes half of them, a segmentor a third.
    """
    out.mkdir(parents=True, exist_ok=True)
    heart = Heart(size=64)
    train, val, test = (heart.sample(n, seed=seed + i) for i, n in enumerate((patients, held_out, held_out)))
    draw_graph(heart.graph, out / "graph.png")
    asked = _asked(test)

    guide, judge = (
        Segmentor.unet(heart.structures, encoder=encoder, seed=seed + i).fit(
            train.values["x"], train.masks, recipe=Recipe(steps=max(1, steps // 3), lr=4e-3), seed=seed + i
        )
        for i, encoder in enumerate(ENCODERS)
    )
    how: dict[str, Any] = {"phantom": heart, "allow_weak": True}  # of few steps it can't tell, and the page says so
    model = compile(heart.graph, guide, seed=seed, x=SMALL)
    fitted = model.fit(train.values, val.values, seed=seed, x=Recipe(steps=steps, lr=2e-3))
    before, first = evaluate(model, test, [judge], **how), _answers(model, heart, asked)

    recipe = Recipe(steps=max(1, steps // 2), batch=24, lr=2e-3, warmup=20)
    finetuned = model.finetune(train.values, val.values, guidance=[guide], recipe=recipe, seed=seed)
    after, second = evaluate(model, test, [judge], **how), _answers(model, heart, asked)

    draw_history(fitted["x"].rows, title="fit of the image", path=out / "fit.png")
    draw_history(finetuned.rows, title="fine-tuning", path=out / "finetuning.png")
    _draw(out, heart, asked, {"fitted": first, "fine-tuned": second})
    Comparison({"fitted": before, "fine-tuned": after}).write(out)
    model.save(out / "model")
    (out / "model" / CARD).write_text(card(model, after, ABOUT))
    _leave_a_patient(out, heart, asked)
    return model


def _asked(test: Sample) -> Sample:
    """Patients whose larger hearts stay in bounds."""
    small = (test.values["lv_area"] < 1800) & (test.values["wall_area"] < 1600)
    return test.rows(small).rows(slice(5))


def _draw(out: Path, heart: Heart, asked: Sample, answers: Mapping[str, Mapping[str, Pictures]]) -> None:
    """A figure for every question: factual, the answers by who gave them, and the truth."""
    for question, (name, change) in QUESTIONS.items():
        truth = _pictures(heart.counterfactual(asked, {name: change}))
        columns = {who: given[question] for who, given in answers.items()} | {"truth": truth}
        title = f"do({name} × {change.factor:g})"
        draw_grid(_pictures(asked), columns, title=title, path=out / f"{question}.png")


def _said(model: CausalModel, heart: Heart, patients: Sample) -> Iterator[str]:
    """What was asked of each patient, and what the model's own reader measures: a line for every question."""
    for name, change in QUESTIONS.values():
        do: dict[str, Any] = {name: change}
        cf, say = model.do(patients.values, support="allow", **do), heart.graph[name].say  # it was said before
        pairs = zip(cf[name].tolist(), cf.measured[name].tolist(), strict=True)
        said = ", ".join(f"{say(asked)} ({say(read)})" for asked, read in pairs)
        yield f"do({name} × {change.factor:g}), asked for (and measured): {said}"


def _answers(model: CausalModel, heart: Heart, patients: Sample) -> dict[str, Pictures]:
    """What the model answers to every question, with what its reader outlines and measures."""
    factual, found = model.abduct(patients.values), {}
    for question, (name, change) in QUESTIONS.items():
        do: dict[str, Any] = {name: change}
        cf = model.do(factual, **do)
        said = [f"measured {heart.graph[name].say(value)}" for value in cf.measured[name].tolist()]
        found[question] = Pictures(cf["x"], model.readers.outlines(cf["x"], "x"), said)
    return found


def _leave_a_patient(out: Path, heart: Heart, patients: Sample) -> None:
    """A picture, and the command that asks the model about it."""
    pixels = (255 * patients.values["x"][0, 0]).round().byte().numpy()
    PIL.Image.fromarray(pixels).save(out / "patient.png")
    known = [
        f"--given {name}={heart.graph[name].say(patients.values[name][0].item()).split()[0]}" for name in ("age", "sex")
    ]
    command = f"causalimg do {out / 'model'} {out / 'patient.png'} lv_area=600 {' '.join(known)}"
    (out / "ask.txt").write_text(f"{command}\n")


def _pictures(patients: Sample) -> Pictures:
    return Pictures(patients.values["x"], patients.masks)
