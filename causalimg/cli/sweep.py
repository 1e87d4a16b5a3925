"""One image asked many values of one variable, or of two: a figure of them side by side, and a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from causalimg.cli.asking import Asking
from causalimg.cli.words import values
from causalimg.data.description import numbers_of
from causalimg.errors import imported
from causalimg.graph import Categorical, grid
from causalimg.model import CausalModel
from causalimg.support import training_values

ENDS = ("5 %", "95 %")
"""Between which parts of the training rows a number is swept."""


def sweep(
    asking: Asking, image: Path, over: Sequence[str], ends: tuple[float | None, float | None], steps: int, out: Path
) -> str:
    """Draw the answers about `image` for each combination of the values of `over`, a name or ``name=600,900``, to `out`.

    A number takes so many `steps` between `ends`, which are those of the first; of levels, each. What was asked and measured is
    written beside the figure, as CSV. Returns where.

    Raises ValueError for other than one or two variables, and where nothing says the ends, FileExistsError where another table is
    beside the figure, and ImportError without pandas.
    """
    imported("pandas", "pandas")
    if len(over) not in (1, 2):
        raise ValueError(f"expected one or two variables to sweep over, got {len(over)}: {', '.join(over) or 'none'}")
    axes = [_axis(asking.model, word, ends if i == 0 else (None, None), steps) for i, word in enumerate(over)]
    names: dict[str, Any] = dict(axes)
    if len(names) < len(axes):
        raise ValueError(f"{over[0]} and {over[1]}: expected two variables")
    questions: dict[str, Any] = grid(**names)
    cf = asking.do(asking.seen(image), **questions)
    out = out if out.suffix else out.with_suffix(".png")
    frame, table = cf.to_frame(), out.with_suffix(".csv")
    frame.columns = [" ".join(filter(None, pair)) for pair in frame.columns]
    _check_free(table, frame)
    cf.plot(out, across=axes[0][0], rows=len(axes[-1][1]) if len(axes) > 1 else 1)
    frame.to_csv(table, index=False)
    return f"{len(frame)} answers: {table}; see {out}"


def _check_free(table: Path, frame: Any) -> None:
    """Raise FileExistsError where there is another table than one of a sweep like this."""
    if (
        table.exists()
        and table.read_text(errors="replace").split("\n", 1)[0] != frame.iloc[:0].to_csv(index=False).strip()
    ):
        raise FileExistsError(f"{table} is no table of this sweep, and is not written over: choose another --out")


def _axis(model: CausalModel, word: str, ends: tuple[float | None, float | None], steps: int) -> tuple[str, list[Any]]:
    """A variable, and the values that it gets. Raises ValueError where nothing says them."""
    name, equals, text = word.partition("=")
    if equals:
        said = values(name, text, model.graph)
        return name, said if isinstance(said, list) else [said]
    variable = model.graph[name]
    if isinstance(variable, Categorical):
        return name, list(variable.levels)
    if variable.value_shape:
        raise ValueError(f"{name} is the image: what is swept is one of its causes")
    low, high = _ends(model, name, ends)
    return name, [low + (high - low) * step / (steps - 1) for step in range(steps)]


def _ends(model: CausalModel, name: str, ends: tuple[float | None, float | None]) -> tuple[float, float]:
    seen = training_values(model.supports, name)
    parts = {} if seen is None else numbers_of(seen)
    low, high = (parts.get(part) if end is None else end for end, part in zip(ends, ENDS, strict=True))
    if low is None or high is None:
        raise ValueError(
            f"no training rows of {name} are kept, only of causes of the image: say --from and --to, or {name}=1,2,3"
        )
    return low, high
