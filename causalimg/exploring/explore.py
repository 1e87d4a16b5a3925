"""A page that one can send: a few items, and the counterfactual images of a grid of values, in one HTML file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from causalimg.errors import warn
from causalimg.exploring.exploration import Explorable, Exploration
from causalimg.exploring.page import page

LARGE = 25 * 2**20
"""Bytes, beyond which a page is slow to open and hard to send."""


def explore(
    model: Explorable,
    rows: Any,
    path: str | Path,
    *,
    over: Sequence[str] | None = None,
    targets: int = 9,
    items: int = 8,
    particles: int = 1,
    title: str = "",
) -> Path:
    """Write a page with a slider for each variable in `over`, which shows what the image would be; returns `path`.

    The page is one HTML file that needs no network. It holds the images and the variables of the first `items` of `rows` (see
    `do` for what rows may be), and nothing else of a table. `over`: by default the scalar causes of the image. Numbers take
    `targets` values, evenly between the 5th and the 95th percentile of the training rows (of `rows`, where the model doesn't
    keep those); categorical variables each level. `particles`: see `do`.

    Raises ValueError for a graph of no image or of several, for what is no scalar cause of it, for a number that is the same in
    all rows, and what `do` raises; TypeError for an argument of another kind. Warns of what `do` warns of, but for its support,
    which the page shows, and of a page beyond 25 MB.
    """
    shown = Exploration(model, rows, over, targets, items, particles)
    html = page(title or f"{shown.graph.title}: what would have been", shown.to_data())
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8")
    if len(html) > LARGE:
        warn(f"{path} has {len(html) / 2**20:.0f} MB: fewer items or targets make it smaller")
    return path
