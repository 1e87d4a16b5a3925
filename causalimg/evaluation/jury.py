"""Who judges: readers that did not guide, each of its own variables."""

from collections.abc import Sequence
from typing import NamedTuple

from causalimg.errors import check_known
from causalimg.evaluation.asking import Answering
from causalimg.readers.reader import Reader, fingerprint
from causalimg.readers.reader_set import ReaderSet


class Jury(NamedTuple):
    """A `panel` of judges, their `name` (kind and fingerprint of each), and whether one of them `guided` a model."""

    panel: ReaderSet
    name: str
    guided: bool

    def reads(self, names: Sequence[str] | None) -> list[str]:
        """`names`, or by default all that it reads. Raises ValueError for one that it doesn't, and for none."""
        known = list(self.panel.by_variable)
        chosen = known if names is None else list(names)
        check_known("target", chosen, known)
        if not chosen:
            raise ValueError(f"no target: name one or more of {', '.join(known)}")
        return chosen


def seat(models: Sequence[Answering], judges: Sequence[Reader], allow_guide: bool) -> Jury:
    """The jury of `judges`. Raises ValueError where there is none, where two read the same variable, and, unless
    `allow_guide`, for one that guided a model."""
    if not models:
        raise ValueError("no model to judge")
    if not judges:
        raise ValueError("no judge: pass judges=[reader, ...], readers that did not guide the model")
    marks = [fingerprint(judge) for judge in judges]
    guides = [mark for mark in marks if any(mark in model.guided_by for model in models)]
    if guides and not allow_guide:
        raise ValueError(
            f"the judge ({', '.join(guides)}) guided this model, and who guided may not judge. Fit another one, with "
            "another seed and another architecture; or say allow_guide=True, and the table says so too."
        )
    name = ", ".join(f"{type(judge).__name__} {mark}" for judge, mark in zip(judges, marks, strict=True))
    return Jury(ReaderSet(models[0].graph, judges).eval(), name, bool(guides))
