"""Answers about all rows of a table, part by part, here or by Ray on many machines."""

from pathlib import Path
from typing import Any, get_args

from causalimg.answers import Format
from causalimg.completion import Unknown
from causalimg.errors import as_seed, check_known, whole
from causalimg.generation.balance import balance
from causalimg.generation.engines import ENGINES, Engine
from causalimg.generation.job import Job
from causalimg.generation.rows import Given, Source
from causalimg.generation.setting import settled
from causalimg.model import CausalModel
from causalimg.training.counting import Counting

PART = 256
"""So many rows are asked about at once."""


def generate(
    model: CausalModel,
    rows: Any,
    out: str | Path,
    /,
    *,
    kind: Format = "png",
    seed: int = 0,
    even: str | None = None,
    engine: Engine = "here",
    workers: int = 1,
    particles: int = 1,
    unknown: Unknown = "refuse",
    **interventions: Any,
) -> Path:
    """Answer ``do(**interventions)`` about each of `rows`; images and ``answers.csv`` go into the folder `out`.

    Returns where the table is.

    `rows`: a `Table`, in memory or on disk, or what else `do` takes. An intervention is a value for all, one for each row, or
    relative, as in `CausalModel.do`, but for functions of your own, of which nothing could be written down. ``answers.csv`` has
    a line for each answer, with the number of its row, what was and is, what was asked and measured, the support, the seed, the
    extra columns of the table, and the file of the image.

    `even`: a variable whose levels the answers even out: rows are drawn, with `seed`, and get another level, so that with these
    answers each level is as frequent as any (see `balance`).

    There is exactly one answer for each row: the same call goes on where it was cut short, and makes none again. Each is bitwise
    the one that `do` gives, whichever `engine` answers: "here" in this process, "ray" by so many `workers` of Ray Data (the extra
    ``scale``), which share the folder `out`. `particles`, `unknown`: see `CausalModel.do`.

    Raises what `do` does; FileExistsError for a folder of other answers; ImportError without Ray.
    """
    for what, one, ones in (("engine", engine, ENGINES), ("kind of file", kind, get_args(Format))):
        check_known(what, [one], ones)
    if whole("workers", workers, 1) > 1 and engine == "here":
        raise ValueError(f"workers={workers} is for engine='ray'")
    source: Source = rows if isinstance(rows, Source) else Given.of(model, rows)
    chosen: list[int] = list(range(len(source)))
    if even is not None:
        if even in interventions:
            raise ValueError(f"{even} is set already: even={even!r} sets it, too")
        drawn, levels = balance(model.graph, source.known(), even, seed)
        chosen, interventions = drawn.tolist(), {even: levels, **interventions}
    if not interventions:
        raise ValueError("nothing is set: say what is, such as lv_area=900, or which levels to even out")
    setting = settled(model, interventions, len(chosen))
    how = {"seed": as_seed(seed), "particles": particles, "unknown": unknown}
    job = Job(model, source, chosen, setting, how, Path(out).resolve(), kind, PART)  # workers may be elsewhere
    job.begin()
    todo = job.todo()
    with Counting(f"generating {out}", sum(len(job.positions(number)) for number in todo), "answers") as counting:
        for number in ENGINES[engine](job.make, todo, workers) if todo else ():
            counting.advance(len(job.positions(number)))
    return job.finish()
