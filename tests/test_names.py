"""A mistyped name gives the nearest one, at every public entry point: the table below walks them all."""

import pytest
import torch
from strategies import as_if_fitted

import causalimg as ci


class Lungs(ci.Graph):
    age = ci.Continuous(unit="year", bounds=(0, 110))
    finding = ci.Categorical(levels=("normal", "pneumonia"))
    left_lung = ci.Continuous(parents=[age, finding], unit="px", bounds=(0, None), measured=ci.Area("left_lung"))
    x = ci.Image(parents=[left_lung], shape=(1, 16, 16))


GRAPH = Lungs()
HVAE = ci.HVAE(widths=(4, 4), latents=(0, 2), embedding=4)
SEGMENTOR = ci.Segmentor.unet(structures=("left_lung",), width=4)
JUDGE = ci.Segmentor.unet(structures=("left_lung",), width=4, seed=1)
MODEL = as_if_fitted(ci.compile(Lungs, SEGMENTOR, x=HVAE))
WORLD = {
    "age": torch.full((4,), 50.0),
    "finding": torch.zeros(4, dtype=torch.int64),
    "left_lung": torch.full((4,), 60.0),
    "x": torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)),
}
MASKS = {"left_lung": WORLD["x"][:, 0] > 0.5}
TABLE = ci.Table(GRAPH, WORLD, extra={"patient": ["a", "b", "c", "d"], "split": ["train", "train", "val", "test"]})
HEART = ci.phantoms.Heart(size=32)
HEARTS = HEART.sample(2)
TYPO = {**{k: v for k, v in WORLD.items() if k != "left_lung"}, "left_lng": WORLD["left_lung"]}
FITTED = ci.History(({"step": 1, "loss": 1.0},))
JUDGED = {}


def judged():
    """One judgement for all: it takes a second."""
    if not JUDGED:
        JUDGED["it"] = ci.evaluate(MODEL, WORLD, [JUDGE])
    return JUDGED["it"]


def csv(folder, head, row="1.png,50,normal"):
    path = folder / "films.csv"
    path.write_text(f"{head}\n{row}\n")
    return path


MISTAKES = {
    "Area": lambda _: ci.Area("left_lung", imge="x"),
    "Area.unit": lambda _: ci.Continuous(unit="pxx", measured=ci.Area("left_lung")),
    "Area.image": lambda _: ci.Graph.of(
        a=ci.Continuous(unit="px", measured=ci.Area("a", image="imge")), image=ci.Image(shape=(1, 8, 8))
    ),
    "Limits": lambda _: ci.Limits(pixel=3),
    "Width": lambda _: ci.Width("left_lung", imge="x"),
    "Height": lambda _: ci.Height("left_lung", imge="x"),
    "Centroid": lambda _: ci.Centroid("left_lung", axis="rwo"),
    "MeanIntensity": lambda _: ci.MeanIntensity("left_lung", imge="x"),
    "Ratio": lambda _: ci.Ratio(ci.Area("heart"), {"kind": "Aera", "structure": "thorax"}),
    "Within": lambda _: ci.Within(ci.Area("left_lung"), along="hight"),
    "Categorical": lambda _: ci.Categorical(levls=("a", "b")),
    "Continuous": lambda _: ci.Continuous(bonds=(0, 1)),
    "Image": lambda _: ci.Image(shpe=(1, 8, 8)),
    "Graph.of": lambda _: ci.Graph.of(age=ci.Continuous(), dose=ci.Continuous(parents=["aeg"])),
    "Graph.[]": lambda _: GRAPH["left_lng"],
    "Unobserved": lambda _: ci.Unobserved(parnts=["age"]),
    "Graph.confounded": lambda _: GRAPH.confounded("left_lng"),
    "Graph.identify": lambda _: GRAPH.identify("left_lng", "x"),
    "Graph.parents": lambda _: GRAPH.parents("left_lng"),
    "Graph.descendants": lambda _: GRAPH.descendants("left_lng"),
    "Graph.image_of": lambda _: GRAPH.image_of("left_lng"),
    "Graph.from_data": lambda _: ci.Graph.from_data({"variabels": {}}),
    "Graph.from_json": lambda _: ci.Graph.from_json('{"variables": {"a": {"kind": "Continous"}}}'),
    "Graph.from_yaml": lambda _: ci.Graph.from_yaml("variables: {a: {kind: Continuous, unti: year}}"),
    "Graph.from_networkx": lambda _: ci.Graph.from_networkx(_misspelt_kind()),
    "HVAE": lambda _: ci.HVAE(width=(4, 4)),
    "ConditionalFlow": lambda _: ci.ConditionalFlow(bin=3),
    "GumbelMax": lambda _: ci.GumbelMax(wdth=3),
    "LinearGaussian": lambda _: ci.LinearGaussian(wieghts={}),
    "LinearGaussian.weights": lambda _: ci.LinearGaussian(weights={"aeg": 1.0}).bind(
        ci.Graph.of(age=ci.Continuous(), dose=ci.Continuous(parents=["age"])), "dose"
    ),
    "Mechanism.bind": lambda _: HVAE.bind(GRAPH, "left_lng"),
    "Mechanism.from_data": lambda _: ci.Mechanism.from_data({"kind": "HVEA"}),
    "Reader.from_data": lambda _: ci.Reader.from_data({"kind": "Segmenter"}),
    "compile": lambda _: ci.compile(Lungs, left_lng=ci.ConditionalFlow()),
    "CausalModel.fit": lambda _: MODEL.fit(WORLD, left_lng=ci.Recipe()),
    "CausalModel.fit.data": lambda _: MODEL.fit(TYPO),
    "CausalModel.finetune": lambda _: MODEL.finetune(TYPO, guidance=[SEGMENTOR]),
    "CausalModel.do": lambda _: MODEL.do(WORLD, left_lng=3.0),
    "CausalModel.do.level": lambda _: MODEL.do(WORLD, finding="pneumnia"),
    "CausalModel.do.given": lambda _: MODEL.do(TYPO, age=50.0),
    "CausalModel.abduct": lambda _: MODEL.abduct(TYPO),
    "CausalModel.act": lambda _: MODEL.act(MODEL.abduct(WORLD), left_lng=3.0),
    "CausalModel.sample": lambda _: MODEL.sample(2, do={"left_lng": 3.0}),
    "CausalModel.to_onnx": lambda folder: MODEL.to_onnx(folder / "it.onnx", ["left_lng"]),
    "CausalModel.measure": lambda _: MODEL.measure(TYPO),
    "CausalModel.complete": lambda _: MODEL.complete(TYPO),
    "CausalModel.tipping": lambda _: MODEL.tipping(WORLD, left_lng=50.0),
    "CausalModel.do.confounding": lambda _: MODEL.do(WORLD, age=50.0, confounding={("aeg", "left_lung"): 0.1}),
    "CausalModel.effects": lambda _: MODEL.effects(WORLD, left_lng=50.0),
    "Effects.of": lambda _: MODEL.effects(WORLD, left_lung=50.0).of("left_lng"),
    "Effects.plot": lambda _: MODEL.effects(WORLD, left_lung=50.0).plot(image="xx"),
    "Counterfactual.[]": lambda _: MODEL.do(WORLD, left_lung=50.0)["left_lng"],
    "Counterfactual.interval": lambda _: MODEL.do(WORLD, left_lung=50.0).interval("left_lng"),
    "Counterfactual.plot": lambda _: MODEL.do(WORLD, left_lung=50.0).plot(image="xx"),
    "Recipe": lambda _: ci.Recipe(step=3),
    "Bound": lambda _: ci.Bound(tolerence=0.1),
    "View": lambda _: ci.View(jiter=0),
    "Edited": lambda _: ci.Edited(base=HVAE, edti=ci.Deform()),
    "Deform": lambda _: ci.Deform(bases=4),
    "CausalModel.finetune.variables": lambda _: MODEL.finetune(
        WORLD, guidance=[ci.Target(SEGMENTOR, variables=["left_lng"])]
    ),
    "Target": lambda _: ci.Target(SEGMENTOR, wieght=2.0),
    "Minimality": lambda _: ci.Minimality(wieght=2.0),
    "Locality": lambda _: ci.Locality(margn=0.1),
    "Grey": lambda _: ci.Grey(lable="x"),
    "Plausibility": lambda _: ci.Plausibility(lable="x"),
    "Hold": lambda _: ci.Hold(SEGMENTOR, targets="sotf"),
    "Permuted": lambda _: ci.Permuted(at_onec=2),
    "Uniform": lambda _: ci.Uniform(ranges={"left_lng": (1.0, 2.0)})(WORLD, ["left_lung"]),
    "About": lambda _: ci.About(licnce="mit"),
    "pretrained": lambda _: ci.pretrained("haert"),
    "Plan": lambda _: ci.Plan(readrs=ci.Recipe()),
    "compare_guidance": lambda folder: ci.compare_guidance(None, folder, methods=["segmntor"]),
    "Percentile": lambda _: ci.Percentile(hihg=99),
    "Window": lambda _: ci.Window(40, widht=400),
    "Preprocessing": lambda _: ci.Preprocessing(fti="pad"),
    "Slices": lambda _: ci.Slices(largst="lv"),
    "Augment": lambda _: ci.Augment(rotat=30),
    "Pose": lambda _: ci.Pose(rotat=30),
    "Region": lambda _: ci.Region(margn=0.1),
    "FlowMatching": lambda _: ci.FlowMatching(stesp=3),
    "Segmentor.fit": lambda _: SEGMENTOR.fit(WORLD["x"], {"left_lng": MASKS["left_lung"]}),
    "Segmentor.read": lambda _: SEGMENTOR.read(WORLD["x"], GRAPH, ["left_lng"]),
    "Regressor": lambda _: ci.Regressor.cnn(["left_lung"]).fit(WORLD["x"], {"left_lng": WORLD["left_lung"]}),
    "Classifier": lambda _: ci.Classifier.cnn({"finding": ("normal", "pneumonia")}).fit(
        WORLD["x"], {"fnding": WORLD["finding"]}
    ),
    "Table": lambda _: ci.Table(GRAPH, TYPO),
    "Table.[]": lambda _: TABLE["left_lng"],
    "Table.where": lambda _: TABLE.where(spilt="train"),
    "Table.where.value": lambda _: TABLE.where(split="trian"),
    "Table.split": lambda _: TABLE.split(by="patiet"),
    "read_table.columns": lambda folder: ci.read_table(Lungs, csv(folder, "file,age,finding"), columns={"aeg": "age"}),
    "read_table.csv": lambda folder: ci.read_table(Lungs, csv(folder, "file,aeg,finding"), readers=[SEGMENTOR]),
    "read_table.level": lambda folder: ci.read_table(Lungs, csv(folder, "file,age,finding", "1.png,50,normla")),
    "generate": lambda folder: ci.generate(MODEL, WORLD, folder / "answers", left_lng=50.0),
    "generate.engine": lambda folder: ci.generate(MODEL, WORLD, folder / "answers", engine="rya", age=50.0),
    "balance": lambda _: ci.balance(GRAPH, WORLD, "fnding"),
    "effectiveness": lambda _: ci.effectiveness(MODEL, WORLD, JUDGE, ["left_lng"]),
    "Effectiveness.[]": lambda _: judged().effectiveness["left_lng"],
    "evaluate": lambda _: ci.evaluate(MODEL, WORLD, [JUDGE], variables=["left_lng"]),
    "Report.[]": lambda _: judged()["left_lng"],
    "Comparison.[]": lambda _: ci.Comparison({"segmentor": judged()})["segmenter"],
    "explore": lambda folder: ci.explore(MODEL, WORLD, folder / "it.html", over=["left_lng"]),
    "serve": lambda _: ci.serve(MODEL, WORLD, over=["left_lng"]),
    "History.curve": lambda _: FITTED.curve("los"),
    "phantoms.counterfactual": lambda _: HEART.counterfactual(HEARTS, {"lv_aera": 900.0}),
    "testing.check_mechanism": lambda _: ci.testing.check_mechanism(ci.ConditionalFlow(), GRAPH, "left_lng"),
}

NAMELESS = {
    "accelerator": "takes nothing",
    "History": "made by training",
    "Study": "takes rows and groups",
    "Drawn": "a value that samplers return",
    "Imagined": "a value that fine-tuning makes",
    "Abduction": "a value that mechanisms return",
    "Context": "made of a mechanism's own parents",
    "Quantity": "abstract",
    "Edit": "abstract",
    "Likelihood": "abstract",
    "MaximumLikelihood": "abstract",
    "Metric": "abstract",
    "Term": "abstract",
    "ImageNoise": "a value that mechanisms return",
    "Seen": "a value that mechanisms are given",
    "Guidable": "abstract",
    "Options": "a value that mechanisms are given",
    "Mediated": "abstract",
    "Monotone": "abstract",
    "Ensemble": "takes models",
    "Conformal": "takes a model, rows and a reader",
    "Guided": "takes a model and a reader",
    "card": "takes a model and a report",
    "Realism": "has no settings",
    "Reversibility": "has no settings",
    "preset": "takes readers",
    "Outlined": "what quantities are given",
    "Variable": "abstract",
    "TableError": "an error",
    "draw_graph": "takes a graph",
    "store_table": "takes tables",
    "load_table": "takes a folder",
    "Balance": "a value that balance returns",
    "scale": "takes a number",
    "percentile": "takes a number",
    "grid": "takes names of any graph",
    "shift": "takes a number",
}


def _misspelt_kind():
    graph = GRAPH.to_networkx()
    graph.nodes["age"]["kind"] = "Continous"
    return graph


@pytest.mark.parametrize("entry", MISTAKES)
def test_a_mistyped_name_gives_the_nearest_one(entry, tmp_path):
    with pytest.raises(ValueError, match="Did you mean|nearest"):
        MISTAKES[entry](tmp_path)


def test_the_table_walks_every_public_name():
    packages = {name for name in vars(ci) if not name.startswith("_") and hasattr(vars(ci)[name], "__path__")}
    public = {
        name
        for name in vars(ci)
        if not name.startswith("_") and isinstance(vars(ci)[name], type | type(len) | type(judged))
    }
    walked = {entry.split(".")[0] for entry in MISTAKES}
    assert public - walked - NAMELESS.keys() - packages == set()
    assert NAMELESS.keys() <= public
