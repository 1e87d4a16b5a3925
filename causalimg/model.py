"""The model a user holds: declared as a graph, compiled, fitted, fine-tuned, asked.

    model = compile(Heart, segmentor, x=FlowMatching(widths=(32, 64, 128)))
    model.fit(train, val)                                  # likelihood
    model.finetune(train, val, guidance=[segmentor])       # Seg-CFT
    cf = model.do(x, lv_area=900.0)                        # do = predict ∘ act ∘ abduct

Models hold no intervention: every answer is a new value.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from causalimg import storage
from causalimg.asked import asked
from causalimg.bridges import PyroProgram, to_onnx
from causalimg.completion import Unknown, completed
from causalimg.configured import bounded, room
from causalimg.confounding import Correlations, adjusted, tipping, warn_of_confounded
from causalimg.counterfactual import Counterfactual
from causalimg.data import Slices
from causalimg.data.frame import Fit
from causalimg.data.preprocessing import AS_THEY_ARE, Preprocessing, preprocessing_of
from causalimg.data.scans import read_image
from causalimg.draws import Draws
from causalimg.effects import Effects
from causalimg.errors import as_seed, check_given, check_kind, check_known, located, warn, whole
from causalimg.fit import check_fitted, check_recipes, check_unfitted, fit_all, fit_settings, interruptible
from causalimg.given import as_columns, named, only_image
from causalimg.graph import Graph, Image, as_graph
from causalimg.guidance import Bound, Permuted, Sampler, Term, View
from causalimg.guidance.calibrate import calibrate
from causalimg.guidance.finetune import expand, finetune, guiding_readers
from causalimg.guidance.sensitivity import Sensitivity, rows_to_ask, sensitivity, summary, warn_of_ignored
from causalimg.mechanisms import Mechanism, default_mechanism
from causalimg.mechanisms.mechanism import Weights
from causalimg.readers.augment import Pose
from causalimg.readers.held import held_readers
from causalimg.readers.reader import Reader, fingerprint
from causalimg.readers.reader_set import ReaderSet
from causalimg.region import Region, Where
from causalimg.saved import Saved
from causalimg.scm import SCM, Factual, Pulls, check_precision
from causalimg.support import Support, Unusual, check_possible, from_tensors, supports_of, to_tensors
from causalimg.training.history import History
from causalimg.training.progress import say
from causalimg.training.randomness import seeded
from causalimg.training.recipe import Recipe
from causalimg.training.tracking import Log, check_log, logs_of
from causalimg.unknown import drawn_unknown
from causalimg.values import Columns, World, by_name, check_variables, count_rows, in_memory


def compile(graph: Graph | type[Graph], *readers: Reader, seed: int = 0, **mechanisms: Mechanism) -> "CausalModel":
    """A model of `graph`, untrained. Variables without a mechanism named for them get their kind's default.

    `seed` draws the first weights; the global random state is left as it is.

    Raises ValueError for an unknown variable, a reader that reads nothing of this graph, two readers of one variable, and
    settings of which no mechanism can be built; TypeError for a mechanism that can't produce its variable, and for what is no
    mechanism or no reader.
    """
    declared = as_graph(graph)
    check_known("variable", mechanisms, declared)
    chosen = {name: mechanisms.get(name) or default_mechanism(name, declared[name]) for name in declared}
    for name, mechanism in chosen.items():
        check_kind(name, mechanism, Mechanism)
    check_precision(nn.Identity())
    reading = ReaderSet(declared, readers)
    with seeded(seed, torch.device("cpu")):
        bound = {name: mechanism.bind(declared, name) for name, mechanism in chosen.items()}
    return CausalModel(declared, bound, reading)


class CausalModel(SCM):
    """A deep structural causal model with readers for what is measured on its images. Made by `compile` or `load`."""

    def __init__(self, graph: Graph, mechanisms: Mapping[str, Mechanism], readers: ReaderSet) -> None:
        super().__init__(graph, mechanisms)
        self.readers = readers
        self.guided_by: list[str] = []  # fingerprints: who guided may not judge
        self.sensitivities: dict[str, Sensitivity] = {}  # by cause of an image, as the last training left it
        self.supports: dict[str, Support] = {}  # by image: its causes, as the last fit saw them together
        self.preprocessing = AS_THEY_ARE  # how the images were read that the last fit saw

    # -- training ------------------------------------------------------------------------------------------------------

    def fit(
        self,
        train: Columns,
        val: Columns | None = None,
        *,
        seed: int = 0,
        log: Log | None = None,
        checkpoint: str | Path | None = None,
        pose: Pose | None = None,
        warm_start: bool = False,
        **recipes: Recipe,
    ) -> dict[str, History]:
        """Fit every mechanism by its `loss` (the likelihood, for all of ours); returns their histories.

        Columns a reader can fill may be missing. How far the image follows its causes is measured on held-out rows, if there are
        any, said, and kept in `sensitivities`.

        `recipes` are by variable: ``fit(train, val, x=Recipe(steps=3000))``; what they don't set is the mechanism's own. `log`: a
        folder for a JSONL file per variable, a logger of Lightning's, or a list of these (docs/tracking.md). `checkpoint`: a
        folder in which training is written down as it goes, so that the same call goes on where it was cut short, and ends
        bitwise as if it had not been. `pose`: how training images are turned, shifted and mirrored at random, where none of the
        variables minds that. Weights of the image's parents (see `Guidable`) are calibrated in the end, on what the model's
        readers read off its answers about held-out rows.

        Ctrl-C keeps what was learnt; the model answers, with a warning, until it is fitted to the end. After an error what was
        being fitted is not fitted. A model that is fitted is fitted on from its weights with `warm_start` only.

        Raises ValueError for unknown names, missing columns, no rows, and values that are NaN or out of bounds, with the row, and
        for a model that is fitted, without `warm_start`; TypeError for an argument of another kind; RuntimeError where training
        diverged.
        """
        check_recipes(self.graph, recipes)
        check_kind("pose", pose, Pose, type(None))
        check_precision(self)
        seed, how = as_seed(seed), preprocessing_of(train, val)
        data = self._complete("train", train, how, least=1)
        held_out = None if val is None else self._complete("val", val, how, least=1)
        if self.supports and not warm_start:
            check_unfitted(self.mechanisms)
        self.preprocessing = how
        logs = logs_of(log, self.graph, partial(fit_settings, self.graph, self.mechanisms, recipes, seed, pose))
        self.sensitivities = {}  # what was measured before means nothing of what is learnt now
        before, self.supports = self.supports, supports_of(self.graph, data)
        try:
            histories = fit_all(self.mechanisms, data, held_out, recipes, seed, logs, pose, checkpoint)
        except Exception:
            self.supports = before
            raise
        rows = data if held_out is None else held_out
        with ExitStack() as marking:
            for image in self.graph.images:
                marking.enter_context(interruptible(self.mechanisms[image], "fit"))
            calibrate(self, rows, self.readers.readers, self.readers.outlines, seed=seed)
        self._look(rows, self.readers.readers, seed)
        return histories

    def finetune(
        self,
        train: Columns,
        val: Columns | None = None,
        *,
        guidance: Reader | Term | Sequence[Reader | Term],
        sampler: Sampler = Permuted(),
        view: View = View(),
        bound: Bound | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
        log: Log | None = None,
        checkpoint: str | Path | None = None,
    ) -> History:
        """Counterfactual fine-tuning of the image mechanism under `guidance` (Xia et al., 2025, arXiv:2509.24913).

        `guidance`: terms of a loss, such as `Target(segmentor)`, or one; a reader among them stands for the terms of `preset`.
        `sampler` draws what is set in each row, `view` says how guides see the answer, `bound` how much what was fitted may
        lose (by default 1 %, where fitted weights are trained), `recipe` how it trains. Readers are left as they are.
        `log`: a file for JSON lines, a logger, or a list of these; they get pictures of a few held-out rows, too, as often as is
        validated. `checkpoint`: see `fit`; that a sampler and terms of yours are the same again can't be seen.

        The history has the loss of every term and, with a bound, F, its excess over the bound, the multiplier λ, and the share
        of steps that violated the bound; where the bound was not held in the end, a warning says so. `sensitivities` are measured
        anew. Ctrl-C keeps what was learnt, and who guided; an error leaves the model as it was.

        Raises ValueError where nobody guides anything, for a guide without a gradient, for two terms of one label, for a bound
        that can do nothing, for fewer than two rows, for values out of bounds that `sampler` draws, for images that
        were normalised in another way than those of `fit`, and for a model that is not fitted; TypeError for an argument of
        another kind.
        """
        terms = expand(self.graph, guidance)
        check_log(log)
        check_kind("recipe", recipe, Recipe, type(None))
        seed, how = as_seed(seed), preprocessing_of(*[self] * (self.preprocessing.normalise is not None), train, val)
        data = self._complete("train", train, how, least=2)  # of one there is no spread
        held_out = None if val is None else self._complete("val", val, how, least=1)
        guides, before = guiding_readers(terms), (self.guided_by, self.sensitivities)
        marked = dict.fromkeys([*guides, *held_readers(*terms, sampler)])
        self.guided_by = [*self.guided_by, *map(fingerprint, marked)]  # from the first step on, whatever happens
        self.sensitivities = {}
        try:
            history = finetune(
                self,
                data,
                held_out,
                terms,
                outlining=self.readers.readers,
                sampler=sampler,
                view=view,
                bound=bound,
                recipe=recipe,
                seed=seed,
                log=log,
                checkpoint=None if checkpoint is None else Path(checkpoint),
            )
        except Exception:
            self.guided_by, self.sensitivities = before  # an error leaves the weights as they were
            raise
        self._look(data if held_out is None else held_out, [*self.readers.readers, *guides], seed)
        return history

    def _look(self, values: World, readers: Sequence[Reader], seed: int) -> None:
        """Measure on some of `values` how far the image follows its causes; say it, and keep it."""
        self.sensitivities = sensitivity(self, rows_to_ask(values), readers, self.readers.outlines, seed=seed)
        say(summary(self.sensitivities))

    def sensitivity(
        self, values: Any, readers: Reader | Sequence[Reader] | None = None, *, seed: int = 0
    ) -> dict[str, Sensitivity]:
        """How far the image follows each of its causes, by variable.

        For what `readers` (default: the model's) read, `slope` is that of the reading on what was asked for: 1 follows, 0
        ignores. `change` is by how much the image changes. Raises ValueError for a model that is not fitted.
        """
        world = self.complete(values)
        given = self.readers.readers if readers is None else readers
        reading = [given] if isinstance(given, Reader) else given
        return sensitivity(self, world, reading, self.readers.outlines, seed=seed)

    # -- questions -----------------------------------------------------------------------------------------------------

    def do(
        self,
        x: Any,
        /,
        *,
        seed: int = 0,
        particles: int = 1,
        region: Where = Region(),
        weights: Weights | None = None,
        confounding: Correlations | None = None,
        support: Unusual = "warn",
        unknown: Unknown = "refuse",
        **interventions: Any,
    ) -> Counterfactual:
        """The world that would have been, had the variables been as `interventions` say.

        `x`: an image, one (channels, height, width) or a batch; or a mapping of what is known; or what `abduct` returned,
        which is not encoded again. Each intervention is a value in the declared unit, a level by name, a tensor with one
        value per item, or a callable on the factual value, such as `scale(1.2)` or `shift(-10)`. Several values for one item
        are as many questions. The same `seed` gives the same answer; what was abducted before has the seed it was given then.
        `region`: where images may change, a `Region`, a structure by name, or a mask (height, width) or (batch, height, width);
        by default near the structures of what changes, and everywhere for causes that are measured nowhere. `weights`: how
        strongly an image follows a parent, where its mechanism is `Guidable`, such as ``weights={"lv_area": 2.0}``.
        `particles`: so many draws of what abduction leaves open; the answer is their mean, and says their spread. `confounding`:
        what the answer would be, had an unobserved cause correlated the noises of a number and its parent so, such as
        ``{("age", "lv_area"): 0.3}``; all parents of the one must be parents of the other (see `causalimg.confounding`).
        `support`: whether to "warn" of answers whose causes hardly occurred together in training, to "refuse" them, or to "allow"
        them (see `Counterfactual.support`). `unknown`: whether to "refuse" numbers and levels that are neither given nor
        readable, or to "draw" them, as many draws as `particles`, from what the model has learnt of them given all numbers and
        levels that are known; the image itself is not asked (see `causalimg.unknown`, `Counterfactual.factual_draws`).

        Raises ValueError for an unknown variable or level, a NaN, a value out of bounds, an area or a length that no image
        holds, variables that are neither given nor readable, a model that is not fitted, `confounding` of which nothing can be
        said, and what `support` refuses; TypeError for an argument of another kind. Warns where the image ignores what is set
        (see `sensitivities`), where something unobserved is behind what was learnt (see `Graph.confounded`), and where drawing
        what is unknown goes badly.
        """
        factual = self.known(x, seed, particles, unknown)
        action = self.act(factual, **interventions)
        answer = self.predict(factual, action, region=region, weights=weights, confounding=confounding)
        self.warn(action, confounding or ())
        answer.check_support(support)
        return answer

    def effects(
        self,
        x: Any,
        /,
        *,
        seed: int = 0,
        particles: int = 1,
        region: Where = Region(),
        support: Unusual = "warn",
        unknown: Unknown = "refuse",
        **interventions: Any,
    ) -> Effects:
        """Which way the effects of `interventions` take: the worlds that would have been by every way (what `do` answers), by
        the edges from what is set alone, and by what lies between alone.

        The arguments that it has, what is raised, and when it warns, are those of `do`. In all three an image may change where
        the total may.
        """
        factual = self.known(x, seed, particles, unknown)
        action = self.act(factual, **interventions)
        self._check_answerable(factual, action)
        worlds = self.paths(factual, action, region)
        effects = Effects(*(self._counterfactual(factual, action, world) for world in worlds))
        self.warn(action)
        effects.total.check_support(support)
        return effects

    def tipping(self, x: Any, /, *, seed: int = 0, **interventions: Any) -> dict[str, Tensor]:
        """How strong an unobserved common cause would have to be to explain away the effects of `interventions`.

        By direct effect, where cause and effect are numbers: the correlation of their noises at which nothing would follow,
        within (-1, 1), of the shape of the answer. See `causalimg.confounding`. Raises what `do` raises, and ValueError where
        facts were drawn.
        """
        factual = self.known(x, seed, 1)
        if factual.drawn:
            raise ValueError(f"tipping is of what is known, and nobody knew {', '.join(factual.drawn)}: give a value")
        action = self.act(factual, **interventions)
        self._check_answerable(factual, action)
        found = tipping(factual, action)
        return {name: rho[0] if factual.single and len(rho) == 1 else rho for name, rho in found.items()}

    def warn(self, action: Iterable[str], told: Iterable[tuple[str, str]] = ()) -> None:
        """Warn where the image ignores what is set, and of effects that were learnt wrong for want of what is unobserved, but
        for effects of whose confounding it was `told`."""
        warn_of_ignored(self.sensitivities, action)
        warn_of_confounded(self, action, told)

    def known(self, x: Any, seed: int = 0, particles: int = 1, unknown: Unknown = "refuse") -> Factual:
        """`x` abducted, unless it is already. Raises ValueError where it was abducted with other than so many `particles`, if
        many are asked for, or by something else than a model."""
        if not isinstance(x, Factual):
            return self.abduct(x, seed=seed, particles=particles, unknown=unknown)
        if particles not in (1, x.draws.particles):
            raise ValueError(
                f"particles={particles}, but what was abducted has {x.draws.particles}: abduct(x, particles={particles})"
            )
        return x

    @torch.no_grad()
    def abduct(self, x: Any, /, *, seed: int = 0, particles: int = 1, unknown: Unknown = "refuse") -> Factual:
        """What was seen, completed by the readers, with the noise that explains it, or so many draws of it. Ask it as often as
        you like: an image is encoded once, when the first answer needs it. `unknown`: see `do`."""
        check_precision(self)
        known, single = self._columns(x, "x", alone=True)
        known = {name: value.clone() for name, value in in_memory(known).items()}  # what is the user's may change
        draws = Draws.of({name: known[name] for name in self.graph if name in known}, seed, particles)
        facts = completed(self.readers, known, unknown)
        drawn = drawn_unknown(self, facts, draws)
        return Factual(self, facts, outline=self.readers.outlines, single=single, draws=draws, drawn=drawn)

    def act(self, factual: Factual, /, **interventions: Any) -> World:
        """The values that `interventions` set, checked, by variable: shape (batch, ...), the batch being that of `factual`, or
        the number of questions where `factual` is one item."""
        seen = {name: value for name, value in factual.values.items() if name not in factual.drawn}
        return self._asked(interventions, "items", factual.n, seen)

    def _asked(self, interventions: Columns, items: str, n: int, factual: World | None = None) -> World:
        return asked(
            self.graph,
            interventions,
            items=items,
            n=n,
            factual=factual,
            supports=self.supports,
            preprocessing=self.preprocessing,
            device=self.device,
        )

    @torch.no_grad()
    def predict(
        self,
        factual: Factual,
        action: World,
        /,
        *,
        region: Where = Region(),
        weights: Weights | None = None,
        pulls: Pulls | None = None,
        confounding: Correlations | None = None,
    ) -> Counterfactual:
        """The counterfactual world: what `action` sets, its effects predicted anew, all else as it was.

        `pulls`: who guides an image while it comes about (see `Guided`). Raises ValueError where `factual` is another model's, or
        what follows from `action` is not fitted.
        """
        self._check_answerable(factual, action)
        adjust = partial(adjusted, correlations=confounding or {})
        world = self.propagate(factual, action, region, weights, pulls, adjust)
        return self._counterfactual(factual, action, world)

    def _check_answerable(self, factual: Factual, action: World) -> None:
        if factual.scm is not self:
            raise ValueError(
                "this Factual was abducted by another model: its noise means nothing here; abduct it again"
            )
        check_fitted(self.mechanisms, self.graph.descendants(*action) - action.keys())

    def _counterfactual(self, factual: Factual, action: World, world: World) -> Counterfactual:
        of = self.graph, factual.values, action, world, self._read, self.readers.outlines
        follow = self.graph.descendants(*action) - action.keys()
        supports = {image: support for image, support in self.supports.items() if image in follow}
        how: dict[str, Any] = {"single": factual.single, "supports": supports, "reads": self._reads}
        return Counterfactual(*of, draws=factual.draws.particles, unknown=factual.drawn, **how)

    def _reads(self, name: str) -> str:
        """Who reads a variable, and whether it guided: then it says little of how good an answer is."""
        reader = self.readers.by_variable[name]
        return type(reader).__name__ + " (a guide)" * (fingerprint(reader) in self.guided_by)

    def sample(self, n: int, *, do: Mapping[str, Any] | None = None, seed: int = 0) -> World:
        """`n` samples of the observational distribution or, with `do`, of the interventional one.

        Raises ValueError for a negative `n`, and for what `do` can't set; TypeError for an argument of another kind.
        """
        check_precision(self)
        n, seed = whole("n", n, 0), as_seed(seed)
        action = self._asked({} if do is None else by_name("do", do, "values by name"), "samples", n)
        check_fitted(self.mechanisms, self.graph.variables.keys() - action.keys())
        return self.draw(n, action, seed)

    def read_image(
        self,
        path: str | Path,
        *,
        slices: Slices | None = None,
        fit: Fit | None = None,
        spacing: float | None = None,
    ) -> Tensor:
        """An image from a file, (channels, height, width), read as those of `fit` were (`preprocessing`).

        `slices`, `fit`: where they are to be others, see `read_table`; ``Slices(at=12)`` is one slice of a volume. `spacing`:
        of the file's pixels in mm, where it doesn't say it. Raises what `read_table` says of a file, and ValueError where a rule
        for slices needs masks, where pixels are to be of so many mm and their size isn't known, and where no file holds how
        grey levels are to be normalised.
        """
        name = only_image(self.graph)
        with located(name):
            variable = cast(Image, self.graph[name])
            return read_image(Path(path), variable, self.preprocessing.over(slices=slices, fit=fit), spacing)

    def measure(self, world: Any) -> World:
        """What the readers read off the images of `world` (or off an image), hard, in declared units."""
        given = named(self.graph, world, "world", alone=True)
        check_variables(self.graph, given.keys())
        seen = {name: given[name] for name in given.keys() if name in self.graph.images}  # noqa: SIM118
        images, single = self._columns(seen, "world")
        read = self._read(images)
        return {name: value[0] for name, value in read.items()} if single else read

    def _read(self, images: Mapping[str, Tensor]) -> World:
        return self.readers.read_all(images, self.readers.readable(images))

    def complete(self, given: Any) -> World:
        """`given`, checked, with what is missing read off its images. Raises ValueError that lists what nothing supplies."""
        return self._complete("values", given, self.preprocessing)

    def _complete(self, what: str, given: Any, how: Preprocessing, least: int = 0) -> World:
        """The argument `what`, complete. Raises ValueError for fewer rows than `least`."""
        world, _ = self._columns(given, what, how)
        rows = completed(self.readers, world)
        whole(f"{what}: rows", count_rows(rows), least)
        return rows

    def _columns(
        self, given: Any, what: str, how: Preprocessing | None = None, alone: bool = False
    ) -> tuple[World, bool]:
        """`given` as columns, checked, and whether it was a single item. Raises ValueError for what can't be."""
        how = how or self.preprocessing
        world, single = as_columns(self.graph, given, what=what, alone=alone, preprocessing=how, device=self.device)
        check_possible(self.graph, world)
        return world, single

    def _with_own_readers(self, folder: str | Path, tensors: World) -> World:
        """`tensors` of a saved model, but with the readers that this one has. Warns where they are others than were saved."""
        own = {f"readers.{name}": value for name, value in self.readers.state_dict().items()}
        if any(name not in tensors or not torch.equal(value.cpu(), tensors[name]) for name, value in own.items()):
            warn(f"{folder} was saved with other weights of its readers: those passed in are used as they are")
        return {name: value for name, value in tensors.items() if not name.startswith("readers.")} | own

    @property
    def device(self) -> torch.device:
        """Where the model is; `model.to("cuda")` moves it."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    # -- in other libraries --------------------------------------------------------------------------------------------

    def to_pyro(self) -> PyroProgram:
        """The model as a Pyro program (see `causalimg.bridges.pyro_program`). Raises ValueError where it is not fitted."""
        return PyroProgram(self)

    def to_onnx(self, path: str | Path, variables: Sequence[str], *, seed: int = 0) -> None:
        """Write `do` of these `variables`, for one image, into an ONNX file (see `causalimg.bridges.onnx_file`).

        `seed` draws what abduction leaves open, for all images the same. Raises what `causalimg.bridges.to_onnx` raises.
        """
        to_onnx(self, path, variables, seed=seed)

    # -- on disk -------------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Write graph, mechanisms and readers into `folder`, as JSON and safetensors only.

        Raises ValueError for weights that are not finite, FileExistsError where `folder` holds a ``spec.json`` of somebody
        else's, and OSError where it can't be written; what was there stays.
        """
        spec = {
            "graph": self.graph.to_data(),
            "mechanisms": {name: mechanism.to_data() for name, mechanism in self.mechanisms.items()},
            "readers": [r.to_data() if r.portable else {"code": r.describe()} for r in self.readers.readers],
            "guided_by": self.guided_by,
            "sensitivities": {name: one._asdict() for name, one in self.sensitivities.items()},
            **self.preprocessing.to_data(),
        }
        for name, mechanism in self.mechanisms.items():
            with located(name):
                storage.check_finite(dict(mechanism.named_parameters()))
        storage.write(folder, spec, self.state_dict() | to_tensors(self.supports))

    @classmethod
    def load(cls, folder: str | Path, *readers: Reader) -> "CausalModel":
        """The model that `save` wrote. `readers`, if any are given, are its readers, in the order in which it was compiled.

        Raises FileNotFoundError for a folder that is none; ValueError for a kind of mechanism that is not imported, and for
        readers that must be given, because they are around a user's own network; those given keep their weights.
        """
        saved, tensors = Saved.read(folder)
        if saved.code and not readers:
            raise ValueError(
                f"{folder}: no file holds {', '.join(saved.code)}: pass all readers, load(folder, *readers)"
            )
        with located(str(folder)), seeded(0, torch.device("cpu")), bounded("a network", room(tensors)):
            graph = Graph.from_data(saved.graph)
            check_known("variable", saved.mechanisms, graph)
            check_given("mechanism", graph, saved.mechanisms)
            mechanisms = {name: Mechanism.from_data(saved.mechanisms[name]).bind(graph, name) for name in graph}
            chosen = ReaderSet(graph, readers or [Reader.from_data(data) for data in saved.readers])
            model = cls(graph, mechanisms, chosen)
            model.supports, tensors = from_tensors(graph, tensors)
            model.guided_by, model.sensitivities = list(saved.guided_by), dict(saved.sensitivities)
            model.preprocessing = Preprocessing.from_data(saved.reading)
        if readers:
            tensors = model._with_own_readers(folder, tensors)
        storage.load_into(model, folder, tensors)
        return model
