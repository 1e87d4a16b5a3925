"""What is saved and loaded, and what became of it in between; and what is passed from one process to another."""

import copy
import io
import json
import os
import pickle
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader

import causalimg as ci
from benchmarks.reliability import world
from benchmarks.reliability.case import Case, Right, answers, either, refuses
from benchmarks.reliability.cases.asking import ask, fresh, same
from benchmarks.reliability.cases.options import ensemble
from benchmarks.reliability.world import Threshold, compiled, flow, model, rows

NAN, INF = float("nan"), float("inf")
M = Path("m")
Change = Callable[[], Any]


def loaded(change: Change, *readers: Any) -> Any:
    """A model that was saved, after a `change` of its folder."""
    model().save(M)
    change()
    return ci.CausalModel.load(M, *(readers or (Threshold(),)))


def spec() -> dict[str, Any]:
    """What the spec says."""
    said: dict[str, Any] = json.loads((M / "spec.json").read_text())
    return said


def says(**entries: Any) -> None:
    """Change what the spec says; None leaves an entry out."""
    left_out = {name for name, value in entries.items() if value is None}
    said = {name: value for name, value in (spec() | entries).items() if name not in left_out}
    (M / "spec.json").write_text(json.dumps(said))


def forged(**entries: Any) -> None:
    """The same by someone who knows how digests are made."""
    says(**entries)
    said = {name: value for name, value in spec().items() if name != "digest"}
    if "digest" in spec():
        says(digest=sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:32])


def tensor_file() -> Path:
    """The file of tensors."""
    return M / spec().get("tensors", "tensors.safetensors")


def with_tensors(change: Callable[[dict[str, Tensor]], Any]) -> None:
    """Change tensors, and all digests, as someone would who knows how they are made."""
    old = tensor_file()
    tensors = load_file(old)
    change(tensors)
    old.unlink()
    save_file(tensors, old)
    if "tensors" in spec():
        name = f"{sha256(old.read_bytes()).hexdigest()[:32]}.safetensors"
        old.rename(M / name)
        forged(tensors=name)


def first_of(tensors: dict[str, Tensor]) -> str:
    """The name of a tensor of weights."""
    return next(name for name, value in tensors.items() if value.is_floating_point() and value.ndim > 1)


def altered(change: Callable[[Tensor], Tensor]) -> Change:
    """Change one tensor."""
    return lambda: with_tensors(lambda t: t.update({first_of(t): change(t[first_of(t)]).contiguous()}))


def graph_with(right: str, wrong: str) -> None:
    """Change the text of the graph, and the digest."""
    forged(graph=json.loads(json.dumps(spec()["graph"]).replace(right, wrong)))


def mechanism_with(name: str, **settings: Any) -> None:
    """Change settings of a mechanism, and the digest."""
    said = spec()["mechanisms"]
    forged(mechanisms=said | {name: said[name] | settings})


def write(text: str | bytes, name: str = "spec.json") -> None:
    """Write over a file of the model's."""
    (M / name).write_bytes(text if isinstance(text, bytes) else text.encode())


class Bomb:
    """What makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def as_pickle() -> None:
    """Write a pickle over the tensors."""
    tensor_file().write_bytes(pickle.dumps(Bomb()))


def as_checkpoint() -> None:
    """Write a file of torch's over the tensors."""
    torch.save({"weights": Bomb()}, tensor_file())


def with_header(header: bytes, length: int | None = None) -> Change:
    """Write tensors with this header, and all digests."""

    def change() -> None:
        old = tensor_file()
        old.write_bytes((len(header) if length is None else length).to_bytes(8, "little") + header)
        if "tensors" in spec():
            name = f"{sha256(old.read_bytes()).hexdigest()[:32]}.safetensors"
            old.rename(M / name)
            forged(tensors=name)

    return change


def nothing_ran() -> bool:
    """Whether no file was made by what a file said."""
    return not Path("ran").exists()


def flipped(at: float) -> Change:
    """Flip a bit of the tensors."""

    def change() -> None:
        data = bytearray(tensor_file().read_bytes())
        data[int(at * len(data))] ^= 1
        tensor_file().write_bytes(bytes(data))

    return change


def swapped_tensors() -> None:
    """Give the model the tensors of another one."""
    mine = tensor_file().name
    world.other().save("other")
    theirs = next(path for path in Path("other").iterdir() if path.suffix == ".safetensors")
    (M / mine).write_bytes(theirs.read_bytes())


CHANGED: dict[str, tuple[Change, Right]] = {
    "as it was saved": (lambda: None, answers(lambda m: same(m.do(rows(), area=60.0), ask(area=60.0)))),
    "without its spec": (lambda: (M / "spec.json").unlink(), refuses("spec.json")),
    "without its tensors": (lambda: tensor_file().unlink(), refuses("m", "safetensors")),
    "with an empty spec": (partial(write, ""), refuses("spec.json")),
    "with a spec that is no JSON": (partial(write, "{"), refuses("spec.json", "JSON")),
    "with a spec that is no UTF-8": (partial(write, b"\xff\xfe{}"), refuses("spec.json")),
    "with a spec that is a list": (partial(write, "[1]"), refuses("spec.json")),
    "with a spec of nothing": (partial(write, "{}"), refuses("spec.json")),
    "with a spec of deep nesting": (partial(write, "[" * 100_000), refuses("spec.json")),
    "with a spec of a hundred megabytes": (partial(write, "[" + "1," * 50_000_000 + "1]"), refuses("spec.json")),
    "with a spec that says a name twice": (
        lambda: write((M / "spec.json").read_text().replace('"graph"', '"graph": {}, "graph"', 1)),
        refuses("spec.json"),
    ),
    "with a spec that was cut": (lambda: write((M / "spec.json").read_bytes()[:500]), refuses("spec.json")),
    "with a changed number in its spec": (lambda: says(guided_by=["000000000000"]), refuses("spec.json", "changed")),
    "of an older format": (lambda: says(format=2), refuses("spec.json", "format 2")),
    "of a newer format": (lambda: says(format=99), refuses("spec.json", "format 99")),
    "of no format": (lambda: says(format=None), refuses("spec.json", "format")),
    "of a format that is a text": (lambda: says(format="three"), refuses("spec.json", "three")),
    "with swapped levels": (lambda: graph_swapped(), refuses("spec.json")),
    "with tensors cut short": (
        lambda: tensor_file().write_bytes(tensor_file().read_bytes()[:-100]),
        refuses("safetensors"),
    ),
    "with tensors cut to nothing": (lambda: tensor_file().write_bytes(b""), refuses("safetensors")),
    "with more behind its tensors": (
        lambda: tensor_file().write_bytes(tensor_file().read_bytes() + b"x"),
        refuses("safetensors"),
    ),
    "with the tensors of another model": (swapped_tensors, refuses("safetensors")),
    **{
        f"with a bit flipped at {at:.0%} of its tensors": (flipped(at), refuses("safetensors"))
        for at in (0.001, 0.3, 0.9)
    },
    "with a pickle for tensors": (as_pickle, refuses("safetensors")),
    "with a checkpoint of torch for tensors": (as_checkpoint, refuses("safetensors")),
    "forged: tensors that are missing": (lambda: with_tensors(lambda t: t.pop(first_of(t))), refuses("m:", "missing")),
    "forged: tensors too many": (lambda: with_tensors(lambda t: t.update(more=torch.ones(1))), refuses("m:", "more")),
    "forged: a tensor of NaN": (altered(lambda t: t * NAN), refuses("m:", "NaN")),
    "forged: a tensor of infinity": (altered(lambda t: t + INF), refuses("m:", "inf")),
    "forged: a tensor of ints": (altered(lambda t: t.long()), refuses("m:", "int64", "float32")),
    "forged: a tensor in half precision": (altered(lambda t: t.half()), refuses("m:", "float16", "float32")),
    "forged: a tensor in double precision": (altered(lambda t: t.double()), refuses("m:", "float64", "float32")),
    "forged: a tensor of another shape": (altered(lambda t: t[:1]), refuses("m:", "shape")),
    "forged: two tensors swapped by shape": (altered(lambda t: t.transpose(0, 1)), either(lambda m: True, "m:")),
    "forged: a tensor that claims a terabyte": (
        with_header(b'{"a":{"dtype":"F32","shape":[250000000000],"data_offsets":[0,1000000000000]}}'),
        refuses("safetensors"),
    ),
    "forged: a header that claims a terabyte": (with_header(b"{}", 10**12), refuses("safetensors")),
    "forged: a header that is no JSON": (with_header(b"{" * 64), refuses("safetensors")),
    "forged: tensors elsewhere": (lambda: forged(tensors="../../etc/passwd"), refuses("spec.json")),
    "forged: tensors by a number": (lambda: forged(tensors=3), refuses("spec.json")),
    "forged: no graph": (lambda: forged(graph=None), refuses("m")),
    "forged: a graph that is a text": (lambda: forged(graph="Disc"), refuses("m", "graph")),
    "forged: no mechanisms": (lambda: forged(mechanisms=None), refuses("m", "mechanisms")),
    "forged: mechanisms that are a list": (lambda: forged(mechanisms=[1]), refuses("m", "mechanisms")),
    "forged: a mechanism too few": (lambda: forged(mechanisms={}), refuses("m", "age")),
    "forged: a mechanism of no kind": (lambda: mechanism_with("age", kind=None), refuses("m", "kind")),
    "forged: a mechanism of an unknown kind": (lambda: mechanism_with("age", kind="Flow"), refuses("m", "Flow")),
    "forged: a mechanism of the kind os.system": (
        lambda: mechanism_with("age", kind="os.system"),
        refuses("m", "os.system"),
    ),
    "forged: a mechanism of a kind that is a list": (
        lambda: mechanism_with("age", kind=["HVAE"]),
        refuses("m", "kind"),
    ),
    "forged: a mechanism with an unknown setting": (lambda: mechanism_with("x", depth=3), refuses("m", "depth")),
    "forged: a mechanism a billion wide": (lambda: mechanism_with("x", widths=[10**9, 4]), refuses("m", "widths")),
    "forged: a mechanism of a million layers": (lambda: mechanism_with("x", blocks=10**6), refuses("m", "x")),
    "forged: an image of a terapixel": (lambda: graph_with("[1, 16, 16]", "[1, 1048576, 1048576]"), refuses("m", "x")),
    "forged: a parent with a typo": (lambda: graph_with('"age"]', '"aeg"]'), refuses("m", "aeg")),
    "forged: readers that are a text": (lambda: forged(readers="none"), either(lambda m: True, "m", "readers")),
    "forged: guides that are a number": (lambda: forged(guided_by=3), refuses("m", "guided_by")),
    "forged: no guides": (lambda: forged(guided_by=None), refuses("m", "guided_by")),
    "forged: sensitivities of no kind": (
        lambda: forged(sensitivities={"area": {"a": 1}}),
        refuses("m", "sensitivities"),
    ),
    "with a folder for its spec": (
        lambda: ((M / "spec.json").unlink(), (M / "spec.json").mkdir()),
        refuses("spec.json"),
    ),
    "with a pipe for its spec": (
        lambda: ((M / "spec.json").unlink(), os.mkfifo(M / "spec.json")),
        refuses("spec.json"),
    ),
}


def graph_swapped() -> None:
    """Swap the two levels in the graph, and nothing else."""
    said = json.dumps(spec()).replace('"female", "male"', '"male", "female"')
    (M / "spec.json").write_text(said)


def own() -> None:
    """A spec that is somebody else's."""
    M.mkdir()
    (M / "spec.json").write_text('{"build": "mine"}')


def own_kept() -> bool:
    """Whether it is still there."""
    return (M / "spec.json").read_text() == '{"build": "mine"}'


def killed_while_saving(seed: int) -> bool:
    """Whether what is loaded after kill -9 while saving one model over another is one of the two."""
    pause = random.Random(seed).uniform(0, 0.03)
    model().save(M)
    child = os.fork()
    if not child:
        while True:
            for one in (world.other(), model()):
                one.save(M)
    time.sleep(0.01 + pause)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = ci.CausalModel.load(M, Threshold()).state_dict()
    return any(all(torch.equal(v, found[n]) for n, v in m.state_dict().items()) for m in (model(), world.other()))


def model_kept() -> bool:
    """Whether a model can be loaded that is whole."""
    try:
        return bool(ci.CausalModel.load(M, Threshold()))
    except (ValueError, OSError):
        return False


def saved_over(change: Change) -> Any:
    """A model, saved over what a `change` leaves there, and loaded."""
    change()
    model().save(M)
    return ci.CausalModel.load(M, Threshold())


def full_disk() -> None:
    """Save a model over another one where files may not grow."""
    import resource

    world.other().save(M)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    model().save(M)


SAVED: dict[str, tuple[Callable[[], Any], Right, Callable[[], bool]]] = {
    "over a model": (
        lambda: saved_over(lambda: world.other().save(M)),
        answers(lambda m: same_weights(m, model())),
        model_kept,
    ),
    "over somebody else's spec": (lambda: saved_over(own), refuses("m", "spec.json"), own_kept),
    "over a spec that is no JSON": (
        lambda: saved_over(lambda: (M.mkdir(), (M / "spec.json").write_text("mine"))),
        refuses("spec.json"),
        lambda: (M / "spec.json").read_text() == "mine",
    ),
    "beside files of somebody else": (
        lambda: saved_over(lambda: (M.mkdir(), (M / "notes.safetensors").write_text("mine"))),
        answers(),
        lambda: (M / "notes.safetensors").read_text() == "mine",
    ),
    "into a folder that is a file": (
        lambda: saved_over(lambda: M.write_text("mine")),
        refuses("m"),
        lambda: M.read_text() == "mine",
    ),
    "on a full disk, over a model": (full_disk, refuses(), model_kept),
    "without a folder": (lambda: model().save(None), refuses("folder"), lambda: True),
    "into a folder by a text": (
        lambda: (model().save("m"), ci.CausalModel.load("m", Threshold())),
        answers(),
        model_kept,
    ),
    "into a folder in a folder that is not there": (
        lambda: model().save("a/b/c"),
        answers(),
        lambda: Path("a/b/c").exists(),
    ),
    "with a model that diverged": (lambda: with_nan().save(M), refuses("x", "NaN"), lambda: True),
    "with a model that was never fitted, then asked": (
        lambda: (compiled().save(M), ci.CausalModel.load(M, Threshold()).do(rows(), area=60.0)),
        refuses("x", "fit"),
        lambda: True,
    ),
    "a segmentor over a model": (
        lambda: saved_over_by_reader(),
        either(lambda r: True, "spec.json"),
        lambda: True,
    ),
    **{
        f"over a model, killed at a random moment ({seed})": (
            partial(killed_while_saving, seed),
            answers(bool),
            model_kept,
        )
        for seed in range(12)
    },
}


def saved_over_by_reader() -> Any:
    """A segmentor, saved over a model and loaded."""
    model().save(M)
    world.segmentor().save(M)
    return ci.Segmentor.load(M)


def same_weights(left: Any, right: Any) -> bool:
    """Whether two models hold the same."""
    return all(torch.equal(value, right.state_dict()[name]) for name, value in left.state_dict().items())


def with_nan() -> Any:
    """A model with a weight that is NaN."""
    made = fresh()
    with torch.no_grad():
        next(made.mechanisms["x"].parameters()).fill_(NAN)
    return made


def reader_of(change: Change, kind: Any = None) -> Any:
    """A segmentor that was saved, after a `change` of its folder."""
    world.segmentor().save(M)
    change()
    return (kind or ci.Segmentor).load(M)


def ensemble_of(change: Change) -> Any:
    """An ensemble that was saved, after a `change` of its folder."""
    ensemble().save(M)
    change()
    return ci.Ensemble.load(M, Threshold())


def with_readers(*readers: Any) -> Any:
    """A model with a reader of its own, loaded with others."""
    ci.compile(world.Disc, world.regressor(), x=world.autoencoder()).save(M)
    return ci.CausalModel.load(M, *readers)


def keeps_weights() -> bool:
    """Whether loading a model leaves a reader that is passed in as it is."""
    mine = ci.Regressor.cnn(("area",), width=4, seed=7)
    before = {name: value.clone() for name, value in mine.state_dict().items()}
    with_readers(mine)
    return all(torch.equal(value, before[name]) for name, value in mine.state_dict().items())


LOADED: dict[str, tuple[Callable[[], Any], Right, str]] = {
    "a folder that is not there": (lambda: ci.CausalModel.load("none"), refuses("none"), ""),
    "a file for a folder": (lambda: (M.write_text("x"), ci.CausalModel.load(M)), refuses("m"), ""),
    "None for a folder": (lambda: ci.CausalModel.load(None), refuses("folder"), ""),
    "a segmentor as a model": (
        lambda: (world.segmentor().save(M), ci.CausalModel.load(M)),
        refuses("m", "no model"),
        "",
    ),
    "a model as a segmentor": (lambda: (model().save(M), ci.Segmentor.load(M)), refuses("m", "Segmentor"), ""),
    "a segmentor as a regressor": (
        lambda: reader_of(lambda: None, ci.Regressor),
        refuses("Regressor", "Segmentor"),
        "",
    ),
    "a model without its readers, which are code": (
        lambda: loaded_without(),
        either(lambda m: True, "m", "readers"),
        "",
    ),
    "a model with a reader of nothing": (
        lambda: with_readers(ci.Segmentor.unet(("liver",), width=4)),
        refuses("liver", "reads no variable"),
        "",
    ),
    "a model with a text for a reader": (lambda: with_readers("segmentor"), refuses("reader"), ""),
    "a model with a reader of other weights": (keeps_weights, answers(bool), ""),
    "the global random state": (lambda: state_kept_by_load(), answers(bool), ""),
    "a segmentor as it was saved": (
        lambda: reader_of(lambda: None),
        answers(lambda r: same_weights(r, world.segmentor())),
        "",
    ),
    "a segmentor without its spec": (lambda: reader_of(lambda: (M / "spec.json").unlink()), refuses("spec.json"), ""),
    "a segmentor with a spec that was changed": (
        lambda: reader_of(lambda: says(structures=["liver"])),
        refuses("spec.json"),
        "",
    ),
    "a segmentor, forged: of another structure": (
        lambda: reader_of(lambda: forged(structures=["a", "b"])),
        refuses("m"),
        "",
    ),
    "a segmentor, forged: of no network": (
        lambda: reader_of(lambda: forged(network=None)),
        refuses("m", "network"),
        "",
    ),
    "a segmentor, forged: of an unknown network": (
        lambda: reader_of(lambda: forged(network={"kind": "Net"})),
        refuses("m", "Net"),
        "",
    ),
    "a segmentor, forged: of an encoder with a typo": (
        lambda: reader_of(lambda: forged(network=spec()["network"] | {"encoder": "resnet999"})),
        refuses("m", "resnet999"),
        "",
    ),
    "a segmentor, forged: a billion wide": (
        lambda: reader_of(lambda: forged(network=spec()["network"] | {"width": 10**9})),
        refuses("m", "width"),
        "",
    ),
    "a segmentor, forged: a tensor of NaN": (lambda: reader_of(altered(lambda t: t * NAN)), refuses("m:", "NaN"), ""),
    "an ensemble as it was saved": (
        lambda: ensemble_of(lambda: None),
        answers(lambda e: len(e.models) == 2),
        "Ensemble",
    ),
    "an ensemble as a model": (
        lambda: (ensemble().save(M), ci.CausalModel.load(M)),
        refuses("m", "Ensemble.load"),
        "Ensemble",
    ),
    "a model as an ensemble": (
        lambda: (model().save(M), ci.Ensemble.load(M)),
        refuses("m", "no ensemble"),
        "Ensemble",
    ),
    "an ensemble, one model of which is gone": (
        lambda: ensemble_of(lambda: (M / spec()["models"][0]).rename("gone")),
        refuses("m", "spec.json"),
        "Ensemble",
    ),
    "an ensemble, forged: with a model elsewhere": (
        lambda: ensemble_of(lambda: (model().save("mine"), forged(models=["../mine"]))),
        refuses("m", "no ensemble"),
        "Ensemble",
    ),
    "an ensemble, forged: with models by a number": (
        lambda: ensemble_of(lambda: forged(models=3)),
        refuses("m", "models"),
        "Ensemble",
    ),
    "an ensemble, forged: with a model twice": (
        lambda: ensemble_of(lambda: forged(models=[spec()["models"][0]] * 2)),
        either(lambda e: len(e.models) == 2, "m"),
        "Ensemble",
    ),
    "an ensemble, forged: without one of its models": (
        lambda: ensemble_of(lambda: forged(models=[*spec()["models"][:1], "../x"])),
        refuses("m"),
        "Ensemble",
    ),
}


def loaded_without() -> Any:
    """A model with a reader that is code and has no weights, loaded without it."""
    model().save(M)
    return ci.CausalModel.load(M)


def state_kept_by_load() -> bool:
    """Whether loading leaves the global random state as it is."""
    model().save(M)
    before = torch.get_rng_state()
    ci.CausalModel.load(M, Threshold())
    return torch.equal(before, torch.get_rng_state())


def by_pickle(thing: Any) -> Any:
    """What comes out of a pickle of it."""
    return pickle.loads(pickle.dumps(thing))


def by_torch(thing: Any) -> Any:
    """What comes out of a file of torch's."""
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def by_spawn(thing: Any) -> Any:
    """What comes back from another process that was started anew."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_itself, (thing,))


def by_loader(thing: Any) -> Any:
    """What a loader of data with a process of its own hands on."""
    return next(iter(DataLoader([thing], batch_size=None, num_workers=1, collate_fn=_itself)))


def _itself(thing: Any) -> Any:
    return thing


WAYS: dict[str, Callable[[Any], Any]] = {
    "a pickle": by_pickle,
    "copy.deepcopy": copy.deepcopy,
    "copy.copy": copy.copy,
    "a file of torch": by_torch,
    "a process that is spawned": by_spawn,
    "a loader of data": by_loader,
}

THINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], str]] = {
    "a model": (fresh, lambda m: same(m.do(rows(), area=60.0), ask(area=60.0)), ""),
    "an answer": (lambda: ask(area=60.0), lambda a: same(a, ask(area=60.0)) and a.measured["area"].shape == (8,), ""),
    "what was abducted": (lambda: model().abduct(rows()), lambda f: f.n == 8, ""),
    "a graph": (world.Disc, lambda graph: graph == world.Disc(), ""),
    "a table": (lambda: ci.Table(world.Disc, rows()), lambda t: torch.equal(t["x"], rows()["x"]), ""),
    "a segmentor": (world.segmentor, lambda r: same_weights(r, world.segmentor()), ""),
    "an ensemble": (
        lambda: ensemble(),
        lambda e: same(e.do(rows(), area=60.0), ensemble().do(rows(), area=60.0)),
        "Ensemble",
    ),
    "effects": (
        lambda: model().effects(rows(), area=60.0),
        lambda e: set(e.of("x")) == {"total", "direct", "indirect"},
        "Effects",
    ),
    "an error": (lambda: error_of(lambda: ask(aera=60.0)), lambda e: "area" in str(e), ""),
    "an error of a spec": (lambda: error_of(lambda: ci.Recipe(stesp=3)), lambda e: "steps" in str(e), ""),
    "an error of a table": (
        lambda: error_of(lambda: ci.read_table(world.Disc, "c.csv")),
        lambda e: "c.csv" in str(e),
        "",
    ),
    "a model with a flow": (flow, lambda m: same(m.do(rows(), area=60.0), ask(of=flow, area=60.0)), "FlowMatching"),
}


def error_of(run: Callable[[], Any]) -> Exception:
    """The error that `run` raises."""
    Path("c.csv").write_text("file\n")
    try:
        run()
    except (ValueError, TypeError, OSError) as error:
        return error
    raise RuntimeError("nothing was raised")


def passed(way: Callable[[Any], Any], make: Callable[[], Any]) -> Any:
    """A thing, after it was passed on."""
    return way(make())


CASES = [
    *(
        Case("load: a changed model", n, partial(loaded, change), r, kept=nothing_ran)
        for n, (change, r) in CHANGED.items()
    ),
    *(Case("save", name, run, right, kept=kept) for name, (run, right, kept) in SAVED.items()),
    *(Case("load", name, run, right, needs) for name, (run, right, needs) in LOADED.items()),
    *(
        Case("passed on", f"{thing} by {way}", partial(passed, pass_on, make), answers(check), needs)
        for thing, (make, check, needs) in THINGS.items()
        for way, pass_on in WAYS.items()
        if thing in ("a model", "an answer", "a graph", "an error of a spec") or "process" not in way
    ),
]
