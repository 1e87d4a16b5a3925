"""Readers that are trained, and judgements that are asked for, on what won't do."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import causalimg as ci
from benchmarks.reliability import world
from benchmarks.reliability.case import Case, Right, answers, either, refuses
from benchmarks.reliability.cases.options import Blind, ensemble
from benchmarks.reliability.world import Lightness, Threshold, compiled, model, numbers, rows

NAN, INF = float("nan"), float("inf")
N = 12
QUICK = ci.Recipe(steps=2, batch=4)
Cases = dict[str, tuple[Any, Right]]


def images(n: int = N) -> Tensor:
    """So many images."""
    return rows(n)["x"]


def masks(n: int = N) -> Tensor:
    """The discs on them."""
    return images(n)[:, 0] > 0.5


def segmentor(labels: Any = None, of: Any = None, **asked: Any) -> Any:
    """A small segmentor, trained for two steps."""
    labels = {"disc": masks()} if labels is None else labels
    made = ci.Segmentor.unet(("disc",), width=2)
    return made.fit(images() if of is None else of, labels, **{"recipe": QUICK, **asked})


def regressor(labels: Any, of: Any = None, **asked: Any) -> Any:
    """A small regressor of the area, trained for two steps."""
    made = ci.Regressor.cnn(("area",), width=2)
    return made.fit(images() if of is None else of, labels, **{"recipe": QUICK, **asked})


def classifier(labels: Any, **asked: Any) -> Any:
    """A small classifier of the sex, trained for two steps."""
    made = ci.Classifier.cnn({"sex": ("female", "male")}, width=2)
    return made.fit(images(), labels, **{"recipe": QUICK, **asked})


def is_finite(reader: Any) -> bool:
    """Whether all that was learnt is finite."""
    return all(value.isfinite().all() for value in reader.state_dict().values())


def saves(reader: Any) -> bool:
    """Whether a reader can be saved and loaded, and its report be read."""
    reader.save("r")
    return bool(type(reader).load("r").report())


OUTLINES: Cases = {
    "None": (lambda: None, refuses("masks")),
    "a text": (lambda: "masks", refuses("masks")),
    "an empty mapping": (dict, refuses("mask", "disc")),
    "a structure with a typo": (lambda: {"disk": masks()}, refuses("disk", "Did you mean 'disc'")),
    "masks of 0 to 255": (lambda: {"disc": 255 * masks()}, refuses("disc", "255")),
    "masks of halves": (lambda: {"disc": masks() / 2}, refuses("disc", "0.5")),
    "masks that are NaN": (lambda: {"disc": masks() * NAN}, refuses("disc", "nan")),
    "masks below 0": (lambda: {"disc": -masks().long()}, refuses("disc", "-1")),
    "masks with a channel": (lambda: {"disc": masks()[:, None]}, refuses("disc", "(12, 1, 16, 16)")),
    "masks of another size": (lambda: {"disc": masks()[:, :8, :8]}, refuses("mask", "(16, 16)", "(8, 8)")),
    "a mask too few": (lambda: {"disc": masks()[:11]}, refuses("12 images", "11")),
    "a label map": (lambda: masks().long(), answers(is_finite)),
    "a label map of two structures": (lambda: 2 * masks().long(), refuses("label map", "2")),
    "a label map of floats": (lambda: masks().float(), either(is_finite, "label map")),
    "masks of numpy": (lambda: {"disc": masks().numpy()}, either(is_finite, "disc")),
    "masks of bool": (lambda: {"disc": masks()}, answers(is_finite)),
    "masks of ints": (lambda: {"disc": masks().int()}, answers(is_finite)),
    "masks that are empty": (lambda: {"disc": torch.zeros_like(masks())}, answers(saves)),
    "masks that are full": (lambda: {"disc": torch.ones_like(masks())}, answers(saves)),
    "complex masks": (lambda: {"disc": masks() + 0j}, refuses("disc", "complex")),
}

AREAS: Cases = {
    "None": (lambda: None, refuses("labels")),
    "a tensor": (lambda: rows(N)["area"], refuses("labels", "area")),
    "a name with a typo": (lambda: {"aera": rows(N)["area"]}, refuses("aera", "Did you mean 'area'")),
    "numbers that are NaN": (lambda: {"area": torch.tensor([50.0] * 11 + [NAN])}, refuses("area", "row 11", "nan")),
    "numbers that are infinite": (
        lambda: {"area": torch.tensor([50.0] * 11 + [INF])},
        refuses("area", "row 11", "inf"),
    ),
    "numbers beyond float32": (
        lambda: {"area": torch.full((N,), 1e300, dtype=torch.float64)},
        refuses("area", "row 0"),
    ),
    "a number too few": (lambda: {"area": rows(11)["area"]}, refuses("12 images", "11")),
    "a column of columns": (lambda: {"area": rows(N)["area"][:, None]}, refuses("area", "(12, 1)")),
    "a list": (lambda: {"area": rows(N)["area"].tolist()}, either(is_finite, "area")),
    "an array of numpy": (lambda: {"area": rows(N)["area"].numpy()}, either(is_finite, "area")),
    "texts": (lambda: {"area": ["50"] * N}, refuses("area")),
    "complex numbers": (lambda: {"area": rows(N)["area"] + 0j}, refuses("area", "complex")),
    "zeros": (lambda: {"area": torch.zeros(N)}, answers(saves)),
    "a zero among them": (lambda: {"area": torch.tensor([0.0, 50.0] * 6)}, answers(saves)),
    "one number throughout": (lambda: {"area": torch.full((N,), 50.0)}, answers(saves)),
    "ints": (lambda: {"area": rows(N)["area"].long()}, answers(saves)),
    "float64": (lambda: {"area": rows(N)["area"].double()}, answers(saves)),
}

SEXES: Cases = {
    "None": (lambda: None, refuses("labels")),
    "a level with a typo": (lambda: {"sex": ["female"] * 11 + ["mael"]}, refuses("sex", "Did you mean 'male'")),
    "an index that is none": (lambda: {"sex": torch.full((N,), 2)}, refuses("sex", "row 0", "2")),
    "a negative index": (lambda: {"sex": torch.full((N,), -1)}, refuses("sex", "row 0", "-1")),
    "half a level": (lambda: {"sex": torch.full((N,), 0.5)}, refuses("sex", "0.5")),
    "NaN": (lambda: {"sex": torch.full((N,), NAN)}, refuses("sex", "nan")),
    "bool": (lambda: {"sex": rows(N)["sex"].bool()}, either(saves, "sex", "bool")),
    "probabilities": (lambda: {"sex": torch.rand(N, 2)}, refuses("sex")),
    "a name with a typo": (lambda: {"sexx": rows(N)["sex"]}, refuses("sexx", "Did you mean 'sex'")),
    "a level too few": (lambda: {"sex": ["female"] * 11}, refuses("12 images", "11")),
    "one level throughout": (lambda: {"sex": ["female"] * N}, answers(saves)),
    "levels by name": (lambda: {"sex": ["female", "male"] * 6}, answers(saves)),
    "levels by index": (lambda: {"sex": rows(N)["sex"]}, answers(saves)),
    "None among them": (lambda: {"sex": ["female"] * 11 + [None]}, refuses("sex", "None")),
}

IMAGES: Cases = {
    "None": (lambda: None, refuses("images")),
    "of 0 to 255": (lambda: 255 * images(), refuses("images", "[0, 1]", "row 0")),
    "of bytes": (lambda: (255 * images()).byte(), refuses("images", "[0, 1]")),
    "that are NaN": (lambda: images() * NAN, refuses("images", "row 0", "[0, 1]")),
    "without channels": (lambda: images()[:, 0], refuses("UNet", "16, 16)")),
    "in colour": (lambda: images().repeat(1, 3, 1, 1), refuses("UNet", "3, 16, 16)")),
    "that are complex": (lambda: images() + 0j, refuses("images", "complex")),
    "of bool": (lambda: images() > 0.5, either(is_finite, "images", "bool")),
    "of numpy": (lambda: images().numpy(), either(is_finite, "images")),
    "of float64": (lambda: images().double(), answers(is_finite)),
    "of float16": (lambda: images().half(), answers(is_finite)),
    "a list of them": (lambda: list(images()), either(is_finite, "images")),
}

READERS: dict[str, tuple[Callable[[], Any], Right]] = {
    "no images": (lambda: segmentor({"disc": masks()[:0]}, images()[:0]), refuses("images")),
    "one image": (lambda: segmentor({"disc": masks()[:1]}, images()[:1]), refuses("2 images", "1")),
    "two images": (lambda: segmentor({"disc": masks()[:2]}, images()[:2]), either(saves, "images", "got 1")),
    "images of a pixel": (lambda: segmentor({"disc": masks()[:, :1, :1]}, images()[:, :, :1, :1]), either(saves, "1")),
    "groups too few": (lambda: segmentor(groups=["p1"] * 3), refuses("groups", "12", "3")),
    "one group": (lambda: segmentor(groups=["p1"] * N), refuses("2 groups", "1")),
    "groups that are a text": (lambda: segmentor(groups="patient"), refuses("groups")),
    "groups that are lists": (lambda: segmentor(groups=[["p"]] * N), refuses("groups")),
    "validation on a tensor": (lambda: segmentor(val=images()), refuses("val")),
    "validation on no images": (lambda: segmentor(val=(images()[:0], {"disc": masks()[:0]})), refuses("images")),
    "validation on images that show nothing": (
        lambda: segmentor(val=(images(), {"disc": torch.zeros_like(masks())})),
        answers(saves),
    ),
    "validation on areas of 0": (
        lambda: regressor({"area": rows(N)["area"]}, val=(images(), {"area": torch.zeros(N)})),
        answers(saves),
    ),
    "a rate that diverges": (
        lambda: segmentor(recipe=ci.Recipe(steps=60, lr=1e30, warmup=0, clip=1e30, skip=1e30)),
        refuses("not finite", also=(RuntimeError,)),
    ),
    "a recipe that is a number": (lambda: segmentor(recipe=100), refuses("recipe")),
    "an exposure that is a text": (lambda: segmentor(augment="none"), refuses("augment")),
    "brightness below 0": (lambda: ci.Augment(brightness=-1), refuses("brightness", "-1")),
    "turns of images that are not square": (
        lambda: segmentor({"disc": masks()[:, :8]}, images()[:, :, :8], augment=ci.Augment(turn=True)),
        refuses("square"),
    ),
    "no structures": (lambda: ci.Segmentor.unet(()), refuses("structures")),
    "structures as one text": (lambda: ci.Segmentor.unet("disc"), refuses("structures")),
    "a structure twice": (lambda: ci.Segmentor.unet(("a", "a")), refuses("duplicate structure")),
    "no levels": (lambda: ci.Classifier.cnn({}), refuses("levels")),
    "one level": (lambda: ci.Classifier.cnn({"sex": ("female",)}), refuses("sex", "level")),
    "no variables": (lambda: ci.Regressor.cnn(()), refuses("variables")),
    "a variable twice": (lambda: ci.Regressor.cnn(("area", "area")), refuses("area")),
    "variables as one text": (lambda: ci.Regressor.cnn("area"), refuses("variables")),
    "an encoder with a typo": (lambda: ci.Segmentor.unet(("disc",), encoder="resnt18"), refuses("resnt18", "resnet18")),
    "an encoder that is a number": (lambda: ci.Segmentor.unet(("disc",), encoder=18), refuses("encoder", "18")),
    "a width of 0": (lambda: ci.Segmentor.unet(("disc",), width=0), refuses("width", "0")),
    "a width of a billion": (lambda: ci.Segmentor.unet(("disc",), width=10**9), refuses("width")),
    "no network": (lambda: ci.Segmentor(None, structures=("disc",)), refuses("network")),
    "a network of too few outputs": (
        lambda: ci.Segmentor(torch.nn.Conv2d(1, 1, 1), structures=("a", "b")).fit(
            images(), {"a": masks(), "b": masks()}
        ),
        refuses("(n, 2, height, width)"),
    ),
    "a network of the user's that is saved": (
        lambda: ci.Segmentor(torch.nn.Conv2d(1, 1, 1), structures=("disc",)).save("r"),
        refuses("Conv2d", "can't be saved"),
    ),
    "a reading of a name with a typo": (
        lambda: world.segmentor().read(images(), model().graph, ["aera"]),
        refuses("aera", "Did you mean 'area'"),
    ),
    "a reading of images in colour": (
        lambda: world.segmentor().read(torch.rand(2, 3, 16, 16), model().graph, ["area"]),
        refuses("UNet", "(2, 3, 16, 16)"),
    ),
    "a reading of no images": (
        lambda: world.segmentor().read(images()[:0], model().graph, ["area"]),
        answers(lambda read: read["area"].shape == (0,)),
    ),
    "a report before it was fitted": (lambda: world.segmentor().report(), answers(lambda text: "not fitted" in text)),
    "levels in another order than the graph's": (
        lambda: ci.compile(world.Disc, ci.Classifier.cnn({"sex": ("male", "female")}, width=2), x=world.autoencoder()),
        refuses("sex", "order"),
    ),
    "the same seed twice": (
        lambda: [segmentor().state_dict() for _ in range(2)],
        answers(lambda two: all(torch.equal(v, two[1][k]) for k, v in two[0].items())),
    ),
    "the global random state": (lambda: state_kept(segmentor), answers(bool)),
}


def state_kept(run: Callable[[], Any]) -> bool:
    """Whether the global random state is after `run` as it was before."""
    before = torch.get_rng_state()
    run()
    return torch.equal(before, torch.get_rng_state())


def judged(test: Any = None, judges: Any = None, of: Any = None, **asked: Any) -> Any:
    """A report."""
    test, judges = (rows(N) if test is None else test), ([Threshold()] if judges is None else judges)
    return ci.evaluate(of or model(), test, judges, **asked)


def without(name: str) -> dict[str, Tensor]:
    """Rows without a column."""
    return {key: value for key, value in rows(N).items() if key != name}


class Mean(Threshold):
    """Always says the mean."""

    def read(self, images: Tensor, graph: ci.Graph, names: Any, *, soft: bool = False) -> dict[str, Tensor]:
        """The mean area."""
        return {name: rows(N)["area"].mean().expand(len(images)) for name in names}


class Off(Threshold):
    """Says twenty-six times what it should."""

    def read(self, images: Tensor, graph: ci.Graph, names: Any, *, soft: bool = False) -> dict[str, Tensor]:
        """Far too large areas."""
        return {name: 26 * value for name, value in super().read(images, graph, names, soft=soft).items()}


class Odd(ci.Metric if hasattr(ci, "Metric") else object):  # type: ignore[misc]
    """A metric of another number of items."""

    label, unit, explanation = "odd", "px", "Odd."

    def measure(self, question: Any) -> Tensor:
        """Three numbers, whatever was asked."""
        return torch.zeros(3)


JUDGED: dict[str, tuple[Callable[[], Any], Right, str]] = {
    "no judge": (lambda: judged(judges=[]), refuses("no judge"), ""),
    "None for judges": (lambda: judged_by(None), refuses("judge"), ""),
    "a judge that is no list": (
        lambda: judged_by(Threshold()),
        either(lambda report: "area" in report.table(), "judge"),
        "",
    ),
    "a text for a judge": (lambda: judged_by(["segmentor"]), refuses("judge", "segmentor"), ""),
    "the class of a judge": (lambda: judged_by([Threshold]), refuses("judge", "Threshold"), ""),
    "a judge of nothing here": (
        lambda: judged_by([ci.Segmentor.unet(("liver",), width=2)]),
        refuses("reads no variable"),
        "",
    ),
    "two judges of one variable": (lambda: judged_by([Threshold(), Lightness()]), refuses("two readers of area"), ""),
    "no model": (lambda: ci.evaluate([], rows(N), [Threshold()]), refuses("no model"), ""),
    "None for a model": (lambda: ci.evaluate(None, rows(N), [Threshold()]), refuses("model"), ""),
    "models of two graphs": (
        lambda: ci.evaluate([model(), numbers()], rows(N), [Threshold()]),
        refuses("different graphs"),
        "",
    ),
    "a model that was never fitted": (lambda: judged(of=compiled()), refuses("fit"), ""),
    "None for a test": (lambda: ci.evaluate(model(), None, [Threshold()]), refuses("test"), ""),
    "a test of no rows": (lambda: judged({k: v[:0] for k, v in rows(N).items()}), refuses("no items"), ""),
    "a test of one row": (lambda: judged(rows(1)).table(), either(lambda text: "nan" not in text.lower(), "item"), ""),
    "a test without ages": (lambda: judged(without("age")), refuses("missing", "age"), ""),
    "a test without images": (lambda: judged(without("x")), refuses("missing", "x"), ""),
    "a test with ages that are NaN": (
        lambda: judged(rows(N) | {"age": torch.full((N,), NAN)}),
        refuses("age", "nan"),
        "",
    ),
    "a test with an area out of bounds": (
        lambda: judged(rows(N) | {"area": torch.full((N,), -1.0)}),
        refuses("area", "-1"),
        "",
    ),
    "a test with a column too short": (
        lambda: judged(rows(N) | {"age": rows(5)["age"]}),
        refuses("age", "5", "12"),
        "",
    ),
    "a test with images of another size": (
        lambda: judged(rows(N) | {"x": torch.rand(N, 1, 8, 8)}),
        refuses("x", "(1, 16, 16)"),
        "",
    ),
    "a test with areas that are all the same": (
        lambda: judged(rows(N) | {"area": torch.full((N,), 60.0)}).table(),
        either(lambda text: True, "area"),
        "",
    ),
    "groups too few": (lambda: judged(groups=["p1"] * 3), refuses("group", "12", "3"), ""),
    "groups that are a text": (lambda: judged(groups="patient"), refuses("group"), ""),
    "one group": (lambda: judged(groups=["p1"] * N).table(), either(lambda text: True, "group"), ""),
    "n=0": (lambda: judged(n=0), refuses("n", "0"), ""),
    "n=-1": (lambda: judged(n=-1), refuses("n", "-1"), ""),
    "n=2.5": (lambda: judged(n=2.5), refuses("n", "2.5"), ""),
    "n above the number of rows": (lambda: judged(n=1000), answers(lambda report: "12" in report.table()), ""),
    "a variable with a typo": (lambda: judged(variables=["aera"]), refuses("aera", "Did you mean 'area'"), ""),
    "no variables": (lambda: judged(variables=[]), refuses("no target"), ""),
    "a variable that nobody reads": (lambda: judged(variables=["age"]), refuses("age", "area"), ""),
    "a variable as text": (
        lambda: judged(variables="area"),
        either(lambda report: "area" in report.table(), "area"),
        "",
    ),
    "0 particles": (lambda: judged(particles=0), refuses("particles"), "CausalModel.do.particles"),
    "a metric of another number of items": (lambda: judged(metrics=[Odd()]), refuses("odd"), "Metric"),
    "a metric twice": (
        lambda: judged(metrics=[ci.Reversibility(), ci.Reversibility()]),
        refuses("label"),
        "Reversibility",
    ),
    "a text for a metric": (lambda: judged(metrics=["reversibility"]), refuses("metric"), "Metric"),
    "a phantom without its sample": (
        lambda: judged(phantom=ci.phantoms.Heart(size=32)),
        refuses("phantom", "sample"),
        "",
    ),
    "a judge that reads NaN": (lambda: judged(judges=[Blind()]), refuses("area"), ""),
    "a judge that always says the mean": (lambda: judged(judges=[Mean()]), refuses("judge", "area", "mean"), ""),
    "a judge that is 2500 % off": (lambda: judged(judges=[Off()]), refuses("judge", "area", "mean"), ""),
    "a judge that was never trained": (lambda: judged(judges=[world.segmentor()]), refuses("judge", "area"), ""),
    "rows that are slices": (
        lambda: judged().table(),
        answers(lambda text: "(patients)" not in text),
        "",
    ),
    "a report that is written": (
        lambda: judged().write("judged"),
        answers(lambda _: Path("judged/report.html").exists()),
        "",
    ),
    "a report that is written over a file": (
        lambda: (Path("judged").write_text("mine"), judged().write("judged")),
        refuses("judged"),
        "",
    ),
    "a comparison of nothing": (lambda: ci.Comparison({}), refuses("nothing to compare"), ""),
    "a comparison of other items": (
        lambda: ci.Comparison({"a": judged(n=5), "b": judged(n=6)}),
        refuses("a", "b", "different items"),
        "",
    ),
    "a comparison of a text": (lambda: ci.Comparison({"a": "report"}), refuses("a", "report"), ""),
    "a comparison with a typo": (lambda: ci.Comparison({"none": judged()})["non"], refuses("Did you mean 'none'"), ""),
    "an ensemble": (
        lambda: judged(of=ensemble(), particles=2).table(),
        answers(lambda text: "area" in text),
        "Ensemble",
    ),
    "the global random state": (lambda: state_kept(judged), answers(bool), ""),
    "the same report twice": (lambda: judged().table() == judged().table(), answers(bool), ""),
    "a guide inside a function of the user's": (lambda: hidden_guide(), refuses("judge", "guided"), "Term"),
    "a phantom of 16 pixels": (lambda: ci.phantoms.Heart(size=16), refuses("size", "16"), ""),
    "a phantom of a thousand pixels": (lambda: ci.phantoms.Heart(size=1000), refuses("size", "1000"), ""),
    "a sample of -1 of a phantom": (lambda: ci.phantoms.Heart(size=32).sample(-1), refuses("-1"), ""),
    "a sample of a phantom by a text": (lambda: ci.phantoms.Heart(size=32).sample("ten"), refuses("ten"), ""),
    "a counterfactual of a phantom with a typo": (
        lambda: phantom_do(lv_aera=900.0),
        refuses("lv_aera", "Did you mean 'lv_area'"),
        "",
    ),
    "a counterfactual of a phantom of NaN": (lambda: phantom_do(lv_area=NAN), refuses("lv_area", "nan"), ""),
}


def phantom_do(**asked: Any) -> Any:
    """The truth about a phantom."""
    heart = ci.phantoms.Heart(size=32)
    return heart.counterfactual(heart.sample(2), asked)


def judged_by(judges: Any) -> Any:
    """A report by these judges."""
    return ci.evaluate(model(), rows(N), judges)


class Hidden(ci.Term if hasattr(ci, "Term") else object):  # type: ignore[misc]
    """A term that asks a reader which it doesn't name."""

    def __call__(self, imagined: Any) -> Tensor:
        """How light the reader finds the disc."""
        return GUIDE.network(imagined.image).mean((1, 2, 3))


GUIDE = ci.Segmentor.unet(("disc",), width=2)


def hidden_guide() -> Any:
    """A model that a hidden reader guided, judged by that reader."""
    made = compiled()
    made.fit(rows(N), **dict.fromkeys(world.NAMES, QUICK))
    made.finetune(rows(N), guidance=[ci.Target(Threshold()), Hidden()], recipe=QUICK)
    return judged(
        judges=[GUIDE], of=made, **({"allow_weak": True} if "allow_weak" in ci.evaluate.__kwdefaults__ else {})
    )


def trained_on(train: Callable[..., Any], make: Callable[[], Any]) -> Any:
    """A reader, trained on the labels that `make` makes."""
    return train(make())


def outlined(make: Callable[[], Any]) -> Any:
    """A segmentor, trained on the masks that `make` makes."""
    return ci.Segmentor.unet(("disc",), width=2).fit(images(), make(), recipe=QUICK)


def trained_on_images(make: Callable[[], Any]) -> Any:
    """A segmentor, trained on the images that `make` makes."""
    return ci.Segmentor.unet(("disc",), width=2).fit(make(), {"disc": masks()}, recipe=QUICK)


CASES = [
    *(Case("readers", f"a segmentor of {k}", partial(outlined, make), r) for k, (make, r) in OUTLINES.items()),
    *(
        Case("readers", f"a regressor of {k}", partial(trained_on, regressor, make), r)
        for k, (make, r) in AREAS.items()
    ),
    *(
        Case("readers", f"a classifier of {k}", partial(trained_on, classifier, make), r)
        for k, (make, r) in SEXES.items()
    ),
    *(Case("readers", f"images {k}", partial(trained_on_images, make), r) for k, (make, r) in IMAGES.items()),
    *(Case("readers", k, run, right) for k, (run, right) in READERS.items()),
    *(Case("evaluate", k, run, right, needs) for k, (run, right, needs) in JUDGED.items()),
]
