"""Who judges: readers that did not guide the model, each of its own variables, and that can tell.

A reading that is on average farther from the truth than the mean of all items says nothing of an item. So what a judge reads so
badly off the factual images, where the truth is known, it may not judge.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from causalimg.errors import check_known, wrong_kind
from causalimg.evaluation.questions import BATCH, Answering
from causalimg.graph import Graph
from causalimg.readers import Classifier, Regressor, Segmentor
from causalimg.readers.held import held_readers
from causalimg.readers.reader import Reader, check_readers, fingerprint
from causalimg.readers.reader_set import ReaderSet
from causalimg.readers.scores import Worth, worth

OURS = (Segmentor, Regressor, Classifier)


class Judges:
    """`readers` that judge models of `graph`; images may lie on another device than theirs, answers lie on the CPU.

    `name`: what each of them is, in words; `fingerprints`: by which they are known again; `guided`: whether one of them guided a
    model. Raises ValueError where two read the same variable, and for one that reads nothing.
    """

    def __init__(self, graph: Graph, readers: Sequence[Reader], guides: Sequence[str] = ()) -> None:
        self.graph, self.readers = graph, ReaderSet(graph, readers).eval()
        self.name = "; ".join(in_words(reader, graph) for reader in readers)
        self.fingerprints = tuple(map(fingerprint, readers))
        self.guided = any(fingerprint(reader) in guides for reader in held_readers(*readers))

    def targets(self, names: Sequence[str] | None) -> list[str]:
        """`names`, or by default all that is read. Raises ValueError for one that is not, and for none."""
        known = list(self.readers.by_variable)
        chosen = known if names is None else [names] if isinstance(names, str) else list(names)
        check_known("target", chosen, known)
        if not chosen:
            raise ValueError(f"no target: name one or more of {', '.join(known)}")
        return chosen

    def read(self, world: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """All that is read off the images of `world`, hard, by variable: shape (n,)."""
        images = {name: world[name].to(self._device()) for name in self.graph.images}
        return {
            name: value.cpu() for name, value in self.readers.read_all(images, self.readers.by_variable, BATCH).items()
        }

    def read_factual(
        self, values: Mapping[str, Tensor], asked: Iterable[str], allow_weak: bool = False
    ) -> dict[str, Tensor]:
        """`read`, of factual items that have these `values`.

        Raises ValueError, unless `allow_weak`, where one of the variables `asked` is read no better than by always saying the
        mean or, of levels, the most frequent.
        """
        read = self.read(values)
        weak = self.weak(values, read)
        refused = [f"{name} ({self._errors(name, weak[name])})" for name in asked if name in weak]
        if refused and not allow_weak:
            raise ValueError(
                f"the judge ({self.name}) can't tell {', '.join(refused)}. Train it longer; or leave the variable out, with "
                "variables=[...] (of `effectiveness`: targets=[...]); or say allow_weak=True, and the report says so too."
            )
        return read

    def weak(self, values: Mapping[str, Tensor], read: Mapping[str, Tensor]) -> dict[str, Worth]:
        """Of what was `read` off factual items that have these `values`, by variable, what says nothing of an item."""
        found = {name: worth(one, values[name], self.graph[name].discrete) for name, one in read.items()}
        return {name: one for name, one in found.items() if one is not None and one.weak}

    def outlines(self, images: Tensor, image: str) -> dict[str, Tensor]:
        """Every structure outlined on `images` (n, channels, height, width), the variable `image`: bool (n, height, width)."""
        return {name: mask.cpu() for name, mask in self.readers.outlines(images.to(self._device()), image).items()}

    def _errors(self, name: str, errors: Worth) -> str:
        """Both errors in words, in the variable's unit; of levels, in %."""
        variable = self.graph[name]
        own, same = (f"{error:.0%}" if variable.discrete else variable.say(error) for error in errors)
        always = "the most frequent level" if variable.discrete else "the mean"
        return f"its error on the factual items is {own}, that of always saying {always} {same}"

    def _device(self) -> torch.device:
        return next((parameter.device for parameter in self.readers.parameters()), torch.device("cpu"))


def in_words(reader: Reader, graph: Graph) -> str:
    """What `reader` is: ``a segmentor of lv, myo (trained on 112 images, seed 1)``."""
    kind = type(reader)
    of = ", ".join(reader.structures if isinstance(reader, Segmentor) else reader.can_read(graph))
    what = f"a {kind.__name__.lower()} of {of}" if kind in OURS else f"{kind.__name__}, a reader of {of}"
    how = {"trained_on", "seed"} <= reader.fitted.keys()
    return f"{what} (trained on {reader.fitted['trained_on']} images, seed {reader.fitted['seed']})" if how else what


def judges_of(models: Sequence[Answering], given: Reader | Sequence[Reader], allow_guide: bool) -> Judges:
    """The readers `given`, or the one, as judges of `models`. Raises ValueError where there is no model or no reader,
    where two read the same variable, and, unless `allow_guide`, for one that guided a model; TypeError for what is no model or
    no reader."""
    if not models:
        raise ValueError("no model to judge")
    for model in models:
        if not all(hasattr(model, part) for part in ("graph", "guided_by", "do")):
            raise wrong_kind("model", "a model, or what has its graph, guided_by and do", model)
    readers = [given] if isinstance(given, Reader) else given
    check_readers("judges", readers)
    if not readers:
        raise ValueError("no judge: pass judges=[reader, ...], readers that did not guide the model")
    guides = [mark for model in models for mark in model.guided_by]
    guiding = [mark for mark in dict.fromkeys(map(fingerprint, held_readers(*readers))) if mark in guides]
    if guiding and not allow_guide:
        raise ValueError(
            f"the judge ({', '.join(guiding)}) guided this model, and who guided may not judge. Fit another one, with "
            "another seed and another architecture; or say allow_guide=True, and the table says so too."
        )
    return Judges(models[0].graph, readers, guides)
