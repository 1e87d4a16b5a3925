"""Models that are compiled, fitted and fine-tuned on what won't do, or in a way that won't."""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import causalimg as ci
from benchmarks.reliability import world
from benchmarks.reliability.case import Case, Right, answers, either, refuses, warns
from benchmarks.reliability.cases.options import Hard
from benchmarks.reliability.world import Disc, Lightness, Threshold, autoencoder, compiled, rows

NAN, INF = float("nan"), float("inf")
N = 12
QUICK = {name: ci.Recipe(steps=2, batch=8) for name in world.NAMES}


def compile_with(*readers: Any, graph: Any = Disc, **mechanisms: Any) -> Any:
    """A model of the disc."""
    return ci.compile(graph, *readers, **mechanisms)


def unwritten() -> type[ci.Mechanism]:
    """A mechanism that lacks a method."""
    return type("Unwritten", (ci.Mechanism,), {"handles": (ci.Continuous,)})


COMPILED: dict[str, tuple[Callable[[], Any], Right]] = {
    "a mechanism for a name with a typo": (
        partial(compile_with, aera=ci.ConditionalFlow()),
        refuses("Did you mean 'area'"),
    ),
    "an image's mechanism for a number": (
        partial(compile_with, area=autoencoder()),
        refuses("area", "HVAE", "Continuous"),
    ),
    "a number's mechanism for an image": (partial(compile_with, x=ci.ConditionalFlow()), refuses("x", "Image")),
    "a number's mechanism for levels": (partial(compile_with, sex=ci.LinearGaussian()), refuses("sex", "Categorical")),
    "levels' mechanism for a number": (partial(compile_with, age=ci.GumbelMax()), refuses("age", "Continuous")),
    "the class of a mechanism": (partial(compile_with, area=ci.ConditionalFlow), refuses("area", "ConditionalFlow")),
    "a text for a mechanism": (partial(compile_with, area="flow"), refuses("area", "mechanism")),
    "a number for a mechanism": (partial(compile_with, area=3), refuses("area", "mechanism")),
    "a mechanism that is built already": (
        lambda: compile_with(x=world.model().mechanisms["x"]),
        refuses("x", "built already"),
    ),
    "a reader of nothing here": (
        lambda: compile_with(ci.Segmentor.unet(("liver",), width=4)),
        refuses("liver", "reads no variable"),
    ),
    "two readers of one variable": (partial(compile_with, Threshold(), Lightness()), refuses("two readers of area")),
    "the class of a reader": (partial(compile_with, Threshold), refuses("Threshold")),
    "a text for a reader": (partial(compile_with, "segmentor"), refuses("reader", "segmentor")),
    "a list of readers": (partial(compile_with, [Threshold()]), refuses("reader", "list")),
    "a network for a reader": (lambda: compile_with(torch.nn.Conv2d(1, 1, 3)), refuses("reader", "Conv2d")),
    "a variable for a graph": (partial(compile_with, graph=ci.Continuous()), refuses("Graph")),
    "a mapping for a graph": (partial(compile_with, graph={"age": ci.Continuous()}), refuses("Graph")),
    "a seed that is a text": (partial(compile_with, seed="one"), refuses("seed")),
    "an image that can't be halved so often": (
        lambda: ci.compile(ci.Graph.of(x=ci.Image(shape=(1, 10, 10))), x=autoencoder()),
        refuses("x", "10", "4"),
    ),
    "an image of a pixel": (lambda: ci.compile(ci.Graph.of(x=ci.Image(shape=(1, 1, 1)))), refuses("x", "1")),
    "an image without bounds": (
        lambda: ci.compile(ci.Graph.of(x=ci.Image(shape=(1, 8, 8), bounds=(None, None))), x=autoencoder()),
        refuses("x", "bounds"),
    ),
    "an image of a hundred channels": (
        lambda: ci.compile(ci.Graph.of(x=ci.Image(shape=(100, 8, 8))), x=autoencoder()),
        either(lambda m: m.mechanisms["x"].variable.shape[0] == 100, "x", "channels"),
    ),
    "an image of a terapixel": (
        lambda: ci.compile(ci.Graph.of(x=ci.Image(shape=(1, 2**20, 2**20))), x=autoencoder()),
        either(lambda m: True, "x"),
    ),
    "a linear mechanism of what has bounds": (partial(compile_with, age=ci.LinearGaussian()), refuses("age", "bound")),
    "widths=()": (lambda: ci.HVAE(widths=()), refuses("widths")),
    "widths=(0,)": (lambda: ci.HVAE(widths=(0,)), refuses("widths", "0")),
    "widths=(-4,)": (lambda: ci.HVAE(widths=(-4,)), refuses("widths", "-4")),
    "widths=4": (lambda: ci.HVAE(widths=4), refuses("widths", "4")),
    "widths=[1e9]": (
        lambda: compile_with(x=ci.HVAE(widths=(1_000_000_000, 4), latents=(0, 2))),
        refuses("widths"),
    ),
    "latents of another number than widths": (
        lambda: compile_with(x=ci.HVAE(widths=(4, 4), latents=(2,))),
        refuses("latents", "widths"),
    ),
    "latents that are all 0": (lambda: compile_with(x=ci.HVAE(widths=(4, 4), latents=(0, 0))), refuses("latents")),
    "a setting of a mechanism with a typo": (lambda: ci.HVAE(widht=(4,)), refuses("widht", "Did you mean 'widths'")),
    "an unknown likelihood": (lambda: ci.HVAE(likelihood="poisson"), refuses("likelihood", "poisson")),
    "a scale that is NaN": (lambda: ci.HVAE(scale_floor=NAN), refuses("scale_floor", "nan")),
    "bins=-1": (lambda: ci.ConditionalFlow(bins=-1), refuses("bins", "-1")),
    "a mechanism that lacks a method": (lambda: unwritten()(), refuses("abstract")),
    "the same seed twice": (
        lambda: [ci.compile(Disc, seed=3, x=autoencoder()).state_dict() for _ in range(2)],
        answers(lambda two: all(torch.equal(v, two[1][k]) for k, v in two[0].items())),
    ),
    "the global random state": (lambda: untouched(lambda: compile_with(x=autoencoder())), answers(bool)),
    "a flow's begin of 0": (lambda: ci.FlowMatching(begin=0), refuses("begin", "0")),
    "a flow's steps of 0": (lambda: ci.FlowMatching(steps=0), refuses("steps", "0")),
    "an edit without a mechanism": (lambda: ci.Edited(edit=ci.Deform()), refuses("base")),
    "an edit of a number's mechanism": (
        lambda: compile_with(area=ci.Edited(base=ci.ConditionalFlow(), edit=ci.Deform())),
        refuses("area"),
    ),
}


def untouched(run: Callable[[], Any]) -> bool:
    """Whether the global random state is after `run` as it was before."""
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run()
    return torch.equal(before, torch.get_rng_state())


def fitted(data: Any = None, val: Any = None, /, **asked: Any) -> Any:
    """A model after two steps of each fit."""
    made = compiled()
    made.fit(rows(N) if data is None else data, val, **{**QUICK, **asked})
    return made


def fit_on(make: Callable[[], Any]) -> Any:
    """A model, fitted on what `make` makes."""
    made = compiled()
    made.fit(make(), **QUICK)
    return made


def with_(**changed: Any) -> dict[str, Any]:
    """Rows with these columns changed, or left out where they are None."""
    return {name: value for name, value in (rows(N) | changed).items() if value is not None}


def is_finite(made: Any) -> bool:
    """Whether all that was learnt is finite."""
    return all(value.isfinite().all() for value in made.state_dict().values())


def pixel(value: float) -> Tensor:
    """Images, one with a pixel of this value."""
    images = rows(N)["x"].clone()
    images[3, 0, 2, 5] = value
    return images


FITTED_ON: dict[str, tuple[Callable[[], Any], Right]] = {
    "None": (lambda: None, refuses("train")),
    "a text": (lambda: "data.csv", refuses("train")),
    "images alone": (lambda: rows(N)["x"], refuses("train")),
    "an empty mapping": (dict, refuses("missing", "age")),
    "no rows": (lambda: {name: value[:0] for name, value in rows(N).items()}, refuses("row")),
    "one row": (lambda: {name: value[:1] for name, value in rows(N).items()}, either(is_finite, "row")),
    "an item without a batch": (world.item, either(is_finite, "row")),
    "no ages": (lambda: with_(age=None), refuses("missing", "age")),
    "no areas, which are read": (lambda: with_(area=None), answers(is_finite)),
    "a column with a typo": (lambda: {**rows(N), "aeg": rows(N)["age"]}, refuses("aeg", "Did you mean 'age'")),
    "NaN in a column": (lambda: with_(age=[50.0] * 11 + [NAN]), refuses("age", "row 11", "nan")),
    "infinity in a column": (lambda: with_(dose=[1.0] * 11 + [INF]), refuses("dose", "row 11", "inf")),
    "out of bounds": (lambda: with_(age=[50.0] * 11 + [-3.0]), refuses("age", "row 11", "-3")),
    "beyond float32": (lambda: with_(dose=np.full(N, 1e300)), refuses("dose", "1e+300")),
    "a column near the end of float32": (
        lambda: with_(dose=torch.linspace(-1e38, 1e38, N)),
        either(is_finite, "dose"),
    ),
    "a column too short": (lambda: with_(age=[50.0] * 11), refuses("age", "11", "12")),
    "an unknown level": (lambda: with_(sex=["female"] * 11 + ["mael"]), refuses("sex", "Did you mean 'male'")),
    "levels by name": (lambda: with_(sex=["female", "male"] * 6), answers(is_finite)),
    "one level only": (lambda: with_(sex=["female"] * N), answers(is_finite)),
    "a constant column": (lambda: with_(age=[50.0] * N), answers(is_finite)),
    "a constant column at its bound": (lambda: with_(age=[0.0] * N), answers(is_finite)),
    "areas of 0": (lambda: with_(area=[0.0] * N), answers(is_finite)),
    "one number for all": (lambda: with_(age=50.0), answers(is_finite)),
    "a column of bool": (lambda: with_(age=torch.ones(N, dtype=torch.bool)), refuses("age", "bool")),
    "a complex column": (lambda: with_(age=torch.full((N,), 50 + 0j)), refuses("age", "complex")),
    "a sparse column": (lambda: with_(age=torch.full((N,), 50.0).to_sparse()), either(is_finite, "age", "sparse")),
    "a float64 column": (lambda: with_(age=rows(N)["age"].double()), answers(is_finite)),
    "a column that requires a gradient": (lambda: with_(age=rows(N)["age"].requires_grad_()), answers(is_finite)),
    "columns of numpy": (lambda: {k: v.numpy() for k, v in rows(N).items()}, answers(is_finite)),
    "a table": (lambda: ci.Table(Disc, rows(N)), answers(is_finite)),
    "images of 0 to 255": (lambda: with_(x=255 * rows(N)["x"]), refuses("x", "row 0", "[0, 1]")),
    "images of another size": (lambda: with_(x=torch.rand(N, 1, 8, 8)), refuses("x", "(1, 16, 16)")),
    "a pixel that is NaN": (lambda: with_(x=pixel(NAN)), refuses("x", "row 3", "nan")),
    "black images": (lambda: with_(x=torch.zeros(N, 1, 16, 16)), answers(is_finite)),
    "images of noise": (lambda: with_(x=torch.rand(N, 1, 16, 16)), answers(is_finite)),
}


def diverges() -> Any:
    """A fit whose rate is absurd."""
    return fitted(x=ci.Recipe(steps=60, batch=8, lr=1e30, warmup=0, skip=1e30, clip=1e30))


def wrecked_weights_are_gone() -> bool:
    """Whether after such a fit of a fitted model nothing that it holds is infinite, and it says so or answers."""
    made = fitted()
    try:
        absurd = ci.Recipe(steps=60, batch=8, lr=1e30, warmup=0, skip=1e30, clip=1e30)
        again = {"warm_start": True} if "warm_start" in made.fit.__kwdefaults__ else {}
        made.fit(rows(N), x=absurd, **again)
    except (ValueError, RuntimeError):
        return is_finite(made)
    return is_finite(made)


def interrupted(during: str, then: Callable[[Any], Any]) -> Any:
    """A model whose fit or fine-tuning is interrupted by Ctrl-C after a second, and `then` used."""
    made = fitted() if during == "finetune" else compiled()
    long, over = ci.Recipe(steps=100_000, batch=8), threading.Event()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells switch off for what runs in the background
    threading.Thread(target=_press_ctrl_c, args=(over,), daemon=True).start()
    try:
        if during == "finetune":
            tuned(made, long)
        else:
            made.fit(rows(N), **{**QUICK, "x": long})
    except KeyboardInterrupt:
        over.set()
        return then(made)
    raise RuntimeError("nothing was interrupted")


def _press_ctrl_c(over: threading.Event) -> None:
    """Every two seconds, until it is over."""
    time.sleep(1)
    while not over.is_set():
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(2)


def tuned(made: Any, recipe: ci.Recipe | None = None, **asked: Any) -> Any:
    """A fitted model after two steps of fine-tuning, in the words of this version of the library or of an earlier one."""
    recipe = recipe or ci.Recipe(steps=2, batch=8)
    asked = {"guidance": [Threshold()], **asked}
    how = {"recipe": recipe} if "recipe" in made.finetune.__kwdefaults__ else {"settings": ci.Finetuning(recipe=recipe)}
    made.finetune(rows(N), **how, **asked)
    return made


def judged_by_guide(made: Any) -> Any:
    """A model, judged by who guided it."""
    return ci.evaluate(made, rows(N), [Threshold()])


def resumed() -> bool:
    """Whether a fit that was killed goes on to the same weights."""
    recipe = ci.Recipe(steps=300, batch=8, log_every=5)
    whole = compiled()
    whole.fit(rows(N), seed=1, **{**QUICK, "x": recipe})
    child = os.fork()
    if not child:
        compiled().fit(rows(N), seed=1, checkpoint=Path("c"), **{**QUICK, "x": recipe})
        os._exit(0)
    while not (Path("c") / "x" / "spec.json").exists():
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    again = compiled()
    again.fit(rows(N), seed=1, checkpoint=Path("c"), **{**QUICK, "x": recipe})
    return all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())


def with_checkpoint(change: Callable[[], Any], **asked: Any) -> Any:
    """A fit that goes on with a checkpoint after a `change`."""
    fitted(checkpoint=Path("c"))
    change()
    return fitted(**{"checkpoint": Path("c"), **asked})


def cut_tensors() -> None:
    """Half of the tensors of every checkpoint."""
    for path in Path("c").rglob("*.safetensors"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


FITS: dict[str, tuple[Callable[[], Any], Right, str]] = {
    "a recipe for a name with a typo": (
        lambda: fitted(aera=ci.Recipe(steps=2)),
        refuses("aera", "Did you mean 'area'"),
        "",
    ),
    "a number for a recipe": (lambda: fitted(x=800), refuses("x", "Recipe"), ""),
    "a mapping for a recipe": (lambda: fitted(x={"steps": 2}), refuses("x", "Recipe"), ""),
    "steps=0": (lambda: ci.Recipe(steps=0), refuses("steps", "0"), ""),
    "steps=-5": (lambda: ci.Recipe(steps=-5), refuses("steps", "-5"), ""),
    "steps=2.5": (lambda: ci.Recipe(steps=2.5), refuses("steps", "2.5"), ""),
    "lr=0": (lambda: ci.Recipe(lr=0), refuses("lr", "0"), ""),
    "lr=NaN": (lambda: ci.Recipe(lr=NAN), refuses("lr", "nan"), ""),
    "lr=infinity": (lambda: ci.Recipe(lr=INF), refuses("lr", "inf"), ""),
    "batch=0": (lambda: ci.Recipe(batch=0), refuses("batch", "0"), ""),
    "ema=1": (lambda: ci.Recipe(ema=1), refuses("ema", "1"), ""),
    "clip=NaN": (lambda: ci.Recipe(clip=NAN), refuses("clip", "nan"), ""),
    "a precision that is unknown": (lambda: ci.Recipe(precision="16"), refuses("precision", "16"), ""),
    "a setting of a recipe with a typo": (lambda: ci.Recipe(stesp=3), refuses("stesp", "Did you mean 'steps'"), ""),
    "an accelerator that is unknown": (
        lambda: fitted(x=ci.Recipe(steps=2, accelerator="abacus")),
        refuses("accelerator", "abacus"),
        "",
    ),
    "an accelerator that isn't there": (lambda: fitted(x=ci.Recipe(steps=2, accelerator="cuda")), refuses("cuda"), ""),
    "a batch larger than the table": (lambda: fitted(x=ci.Recipe(steps=2, batch=1000)), answers(is_finite), ""),
    "a rate that diverges": (diverges, refuses("x", "not finite", also=(RuntimeError,)), ""),
    "a rate that diverges, of a fitted model": (wrecked_weights_are_gone, answers(bool), ""),
    "validation on a text": (lambda: fitted(None, "val.csv"), refuses("val"), ""),
    "validation on no rows": (lambda: fitted(None, {n: v[:0] for n, v in rows().items()}), refuses("row"), ""),
    "validation on a column with NaN": (lambda: fitted(None, rows() | {"age": [NAN] * 8}), refuses("age", "nan"), ""),
    "validation without ages": (
        lambda: fitted(None, {n: v for n, v in rows().items() if n != "age"}),
        refuses("missing", "age"),
        "",
    ),
    "a log folder as text": (lambda: fitted(log="logs"), either(lambda m: Path("logs/x.jsonl").exists(), "log"), ""),
    "a log folder that is a file": (
        lambda: (Path("logs").write_text("mine"), fitted(log=Path("logs"))),
        refuses("logs"),
        "",
    ),
    "an earlier log": (
        lambda: (Path("l").mkdir(), Path("l/x.jsonl").write_text("mine\n"), fitted(log=Path("l"))),
        either(lambda m: Path("l/x.1.jsonl").read_text() == "mine\n", "x.jsonl"),
        "",
    ),
    "a seed that is a text": (lambda: fitted(seed="one"), refuses("seed"), ""),
    "a seed below 0": (lambda: fitted(seed=-1), either(is_finite, "seed"), ""),
    "a seed beyond 64 bits": (lambda: fitted(seed=2**80), refuses("seed"), ""),
    "the same seed twice": (
        lambda: [fitted(seed=4).state_dict() for _ in range(2)],
        answers(lambda two: all(torch.equal(v, two[1][k]) for k, v in two[0].items())),
        "",
    ),
    "the global random state": (lambda: untouched(fitted), answers(bool), ""),
    "a pose of images whose area it changes": (
        lambda: fitted(pose=ci.Pose(scale=0.2)),
        either(is_finite, "pose"),
        "CausalModel.fit.pose",
    ),
    "a text for a pose": (lambda: fitted(pose="mirror"), refuses("pose"), "CausalModel.fit.pose"),
    "a second fit, without a word of whether it goes on": (
        lambda: fitted().fit(rows(N), **QUICK),
        refuses("fitted"),
        "",
    ),
    "a second fit that goes on": (
        lambda: fitted().fit(rows(N), warm_start=True, **QUICK),
        answers(bool),
        "CausalModel.fit.warm_start",
    ),
    "Ctrl-C, then a question": (
        lambda: interrupted("fit", lambda made: made.do(rows(), area=60.0)),
        warns("x", "interrupted"),
        "",
    ),
    "Ctrl-C, then a sample": (lambda: interrupted("fit", lambda made: made.sample(3)), warns("x", "interrupted"), ""),
    "Ctrl-C, then saved and loaded": (
        lambda: interrupted(
            "fit", lambda made: (made.save("m"), ci.CausalModel.load("m", Threshold()).do(rows(), area=60.0))
        ),
        warns("x", "interrupted"),
        "",
    ),
    "killed, and called again with the same checkpoint": (resumed, answers(bool), "CausalModel.fit.checkpoint"),
    "a checkpoint as text": (
        lambda: fitted(checkpoint="c"),
        either(lambda m: Path("c").exists(), "checkpoint"),
        "CausalModel.fit.checkpoint",
    ),
    "a checkpoint of other data": (
        lambda: with_checkpoint(lambda: None, age=ci.Recipe(steps=3, batch=8)),
        refuses("checkpoint of another training"),
        "CausalModel.fit.checkpoint",
    ),
    "a checkpoint that was cut": (
        lambda: with_checkpoint(cut_tensors),
        refuses("changed or cut short"),
        "CausalModel.fit.checkpoint",
    ),
    "a checkpoint whose spec is no JSON": (
        lambda: with_checkpoint(lambda: [path.write_text("{") for path in Path("c").rglob("spec.json")]),
        refuses("spec.json", "JSON"),
        "CausalModel.fit.checkpoint",
    ),
    "a checkpoint in a folder of somebody else": (
        lambda: (Path("c/x").mkdir(parents=True), Path("c/x/spec.json").write_text("{}"), fitted(checkpoint=Path("c"))),
        refuses("spec.json"),
        "CausalModel.fit.checkpoint",
    ),
}


def tune(**asked: Any) -> Any:
    """A fitted model, fine-tuned so."""
    return tuned(fitted(), **asked)


def tune_on(make: Callable[[], Any]) -> Any:
    """A fitted model, fine-tuned on what `make` makes."""
    made = fitted()
    made.finetune(make(), guidance=[Threshold()])
    return made


def of_terms(make: Callable[[], list[Any]]) -> Any:
    """A fitted model, fine-tuned under the terms that `make` makes."""
    return tune(guidance=make())


class Nothing(ci.Term if hasattr(ci, "Term") else object):  # type: ignore[misc]
    """A term that is NaN."""

    def __call__(self, imagined: Any) -> Tensor:
        """NaN for every item."""
        return imagined.image.mean((1, 2, 3)) * NAN


class Few(ci.Term if hasattr(ci, "Term") else object):  # type: ignore[misc]
    """A term of another number of items."""

    def __call__(self, imagined: Any) -> Tensor:
        """One number for all."""
        return imagined.image.mean((1, 2, 3))[:1]


TUNED: dict[str, tuple[Callable[[], Any], Right, str]] = {
    "no guidance": (lambda: tune(guidance=[]), refuses("guidance"), ""),
    "guidance=None": (lambda: tune(guidance=None), refuses("guidance"), ""),
    "a reader that is no list": (
        lambda: tune(guidance=Threshold()),
        either(lambda made: made.guided_by, "guidance"),
        "",
    ),
    "a text in the guidance": (lambda: tune(guidance=["segmentor"]), refuses("guidance", "str"), ""),
    "the class of a reader in the guidance": (lambda: tune(guidance=[Threshold]), refuses("guidance"), ""),
    "a reader of nothing here": (
        lambda: tune(guidance=[ci.Segmentor.unet(("liver",), width=4)]),
        refuses("reads no variable"),
        "",
    ),
    "a guide whose readings have no gradient": (
        lambda: tune(guidance=[Hard()]),
        refuses("gradient"),
        "",
    ),
    "a model that was never fitted": (lambda: tuned(compiled()), refuses("x", "fit"), ""),
    "a target of a name with a typo": (
        lambda: of_terms(lambda: [ci.Target(Threshold(), ["aera"])]),
        refuses("aera", "area"),
        "Target",
    ),
    "two terms of one name": (
        lambda: of_terms(lambda: [ci.Target(Threshold()), ci.Target(Threshold())]),
        refuses("two terms", "label"),
        "Target",
    ),
    "a weight of 0": (lambda: ci.Target(Threshold(), weight=0), refuses("weight", "0"), "Target"),
    "a weight that is NaN": (lambda: ci.Target(Threshold(), weight=NAN), refuses("weight", "nan"), "Target"),
    "a term that is NaN": (
        lambda: of_terms(lambda: [ci.Target(Threshold()), Nothing()]),
        refuses("x", "not finite", also=(RuntimeError,)),
        "Term",
    ),
    "a term of another number of items": (
        lambda: of_terms(lambda: [ci.Target(Threshold()), Few()]),
        refuses("few"),
        "Term",
    ),
    "only terms that read nothing": (lambda: of_terms(lambda: [ci.Minimality()]), refuses("guidance"), "Minimality"),
    "a rate that diverges": (
        lambda: tuned(fitted(), ci.Recipe(steps=60, batch=8, lr=1e30, warmup=0, skip=1e30, clip=1e30)),
        refuses("x", "not finite", also=(RuntimeError,)),
        "",
    ),
    "on None": (lambda: tune_on(lambda: None), refuses("train"), ""),
    "on no rows": (lambda: tune_on(lambda: {n: v[:0] for n, v in rows().items()}), refuses("row"), ""),
    "on one row": (lambda: tune_on(lambda: {n: v[:1] for n, v in rows().items()}), refuses("row"), ""),
    "on rows without ages": (
        lambda: tune_on(lambda: {n: v for n, v in rows().items() if n != "age"}),
        refuses("missing", "age"),
        "",
    ),
    "on ages that are NaN": (lambda: tune_on(lambda: rows() | {"age": [NAN] * 8}), refuses("age", "nan"), ""),
    "a sampler of nothing": (
        lambda: tune(sampler=ci.Uniform(ranges={})),
        refuses("ranges"),
        "CausalModel.finetune.sampler",
    ),
    "a sampler of a name with a typo": (
        lambda: tune(sampler=ci.Uniform(ranges={"aera": (10, 50)})),
        refuses("aera", "Did you mean 'area'"),
        "CausalModel.finetune.sampler",
    ),
    "a sampler of ranges upside down": (
        lambda: ci.Uniform(ranges={"area": (50, 10)}),
        refuses("ranges", "50", "10"),
        "CausalModel.finetune.sampler",
    ),
    "a sampler of ranges that are NaN": (
        lambda: ci.Uniform(ranges={"area": (NAN, 10)}),
        refuses("ranges", "nan"),
        "CausalModel.finetune.sampler",
    ),
    "a sampler out of bounds": (
        lambda: tune(sampler=ci.Uniform(ranges={"area": (-50, -10)})),
        refuses("sampler", "area", "[0, inf)"),
        "CausalModel.finetune.sampler",
    ),
    "a text for a sampler": (lambda: tune(sampler="permuted"), refuses("sampler"), "CausalModel.finetune.sampler"),
    "a view of temperature -1": (lambda: ci.View(temperature=-1), refuses("temperature", "-1"), "View"),
    "a bound below 0": (lambda: ci.Bound(tolerance=-1), refuses("tolerance", "-1"), "Bound"),
    "a bound where it can do nothing": (
        lambda: tuned(edited(), bound=ci.Bound()),
        refuses("bound can do nothing"),
        "Bound",
    ),
    "the guide's weights": (lambda: weights_kept(), answers(bool), ""),
    "the global random state": (lambda: untouched_by_tuning(), answers(bool), ""),
    "the guide as judge": (lambda: judged_by_guide(tune()), refuses("judge", "guided"), ""),
    "the guide as judge, after Ctrl-C": (
        lambda: interrupted("finetune", judged_by_guide),
        refuses("judge", "guided"),
        "",
    ),
    "the guide as judge, after save and load": (
        lambda: (tune().save("m"), judged_by_guide(ci.CausalModel.load("m", Threshold()))),
        refuses("judge", "guided"),
        "",
    ),
    "Ctrl-C, then a question": (
        lambda: interrupted("finetune", lambda made: made.do(rows(), area=60.0)),
        warns("x", "interrupted"),
        "",
    ),
    "an error, then a question": (lambda: as_before_an_error(), answers(bool), ""),
}


def edited() -> Any:
    """A model whose image is edited, fitted."""
    made = compiled(x=ci.Edited(base=autoencoder(), edit=ci.Deform()))
    made.fit(rows(N), **QUICK)
    return made


def weights_kept() -> bool:
    """Whether fine-tuning leaves the guide as it is."""
    guide = world.segmentor()
    before = {name: value.clone() for name, value in guide.state_dict().items()}
    tune(guidance=[guide])
    return all(torch.equal(value, before[name]) for name, value in guide.state_dict().items())


def untouched_by_tuning() -> bool:
    """Whether fine-tuning leaves the global random state as it is."""
    made = fitted()
    return untouched(lambda: tuned(made))


def as_before_an_error() -> bool:
    """Whether a fine-tuning that fails leaves the model as it was, and who guided unmarked."""
    made = fitted()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tuned(made, ci.Recipe(steps=60, batch=8, lr=1e30, warmup=0, skip=1e30, clip=1e30))
        except (RuntimeError, ValueError):
            return not made.guided_by and all(torch.equal(v, before[n]) for n, v in made.state_dict().items())
    return False


CASES = [
    *(Case("compile", name, run, right) for name, (run, right) in COMPILED.items()),
    *(Case("fit", f"on {name}", partial(fit_on, make), right) for name, (make, right) in FITTED_ON.items()),
    *(Case("fit", name, run, right, needs) for name, (run, right, needs) in FITS.items()),
    *(Case("finetune", name, run, right, needs) for name, (run, right, needs) in TUNED.items()),
]
