"""A page in a folder: Markdown, JSON, HTML, and the figures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from causalimg.evaluation.page import page
from causalimg.evaluation.sections import Section, markdown
from causalimg.viz.canvas import save


def publish(
    folder: str | Path,
    stem: str,
    title: str,
    sections: Sequence[Section],
    figures: Mapping[str, Any],
    data: Mapping[str, Any],
) -> Path:
    """Write `stem`.md, .json and .html and the `figures` (by file name) into `folder`, which is made; returns the HTML."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, folder / name)
    (folder / f"{stem}.md").write_text(markdown(title, sections, pictures=True), encoding="utf-8")
    text = json.dumps(data, indent=2, allow_nan=False)
    (folder / f"{stem}.json").write_text(f"{text}\n", encoding="utf-8")
    html = folder / f"{stem}.html"
    html.write_text(page(title, sections, figures), encoding="utf-8")
    return html
