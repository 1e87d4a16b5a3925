"""Who makes the parts of a work: this process, or workers of Ray on one machine or many."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from causalimg.errors import imported

Make = Callable[[int], None]
"""Makes a part, by its number; made twice it is there once."""

Engine = Literal["here", "ray"]


def here(make: Make, parts: Sequence[int], workers: int) -> Iterator[int]:
    """One after the other. Gives the number of each part that is there."""
    for part in parts:
        make(part)
        yield part


def by_ray(make: Make, parts: Sequence[int], workers: int) -> Iterator[int]:
    """By so many workers of Ray Data, of the cluster that Ray is connected to, or else of this machine.

    What a worker was at when it died another one makes. Raises ImportError where Ray is missing.
    """
    ray = imported("ray", '"causalimg[scale]"')
    imported("ray.data", '"causalimg[scale]"')
    if not ray.is_initialized():
        here = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="ERROR", **here)
    ray.data.DataContext.get_current().enable_progress_bars = False
    work = ray.data.from_items([{"part": part} for part in parts], override_num_blocks=len(parts))
    made = work.map(_Maker, fn_constructor_args=(make,), concurrency=workers)
    for row in made.iter_rows():
        yield int(row["part"])


class _Maker:
    """A worker, which has the work once."""

    def __init__(self, make: Make) -> None:
        self._make = make

    def __call__(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        self._make(int(row["part"]))
        return row


ENGINES: dict[Engine, Callable[[Make, Sequence[int], int], Iterator[int]]] = {"here": here, "ray": by_ray}
