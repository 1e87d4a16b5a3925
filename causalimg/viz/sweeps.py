"""Answers to many questions about one item, laid out: a line for each setting of all else, across the values of one variable."""

from collections.abc import Sequence

from torch import Tensor


def lines(across: Tensor, others: Sequence[Tensor]) -> list[list[int]]:
    """The positions of answers for which `others`, (n,) each, were set alike, in the order of what was set `across` (n,).

    Raises ValueError where not each line has each value, once.
    """
    found: dict[tuple[float, ...], dict[float, int]] = {}
    settings = zip(*(other.tolist() for other in others), strict=True) if others else [()] * len(across)
    for at, (value, setting) in enumerate(zip(across.tolist(), settings, strict=True)):
        found.setdefault(setting, {})[value] = at
    values = sorted({value for line in found.values() for value in line})
    if len(values) * len(found) != len(across) or any(len(line) < len(values) for line in found.values()):
        raise ValueError("expected one item, asked each combination of values once: see grid")
    return [[line[value] for value in values] for line in found.values()]
