"""A page: sections of text, tables and figures, as Markdown and as HTML that needs nothing but itself.

The HTML needs no network and no script; figures are data within it. It reads on a desk (1200 px) and on a phone (390 px): tables
scroll sideways within their own box, their first column stays.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from enum import Enum
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from causalimg.evaluation.statistics import Deviation, Estimate, brief
from causalimg.graph import Continuous, Graph
from causalimg.viz.canvas import save

WORST = 40.0
"""An error, in %, at which a shaded cell is darkest."""
DPI = 110
DENSE = 10  # columns, beyond which the print is smaller
STYLE = """
:root { color-scheme: light; --ink: #22272e; --quiet: #667080; --line: #e3e0da; --paper: #fff; --warn: #a23b1e; --good: #1f6b3d; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 1180px; margin: 0 auto; padding: 48px 32px 80px; }
h1, h2 { font-family: Georgia, "Times New Roman", serif; font-weight: 600; line-height: 1.2; text-wrap: balance; }
h1 { font-size: 2.1rem; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .5rem; padding-top: 1.1rem; border-top: 1px solid var(--line); }
p { max-width: 44rem; margin: .5rem 0 1rem; }
.warning { color: var(--warn); border-left: 3px solid var(--warn); padding: .3rem 0 .3rem .9rem; }
.findings { list-style: none; max-width: 52rem; margin: .6rem 0 1rem; padding: 0; }
.findings li { padding: .35rem 0 .35rem 7.2rem; text-indent: -7.2rem; border-bottom: 1px solid var(--line); }
.findings b { display: inline-block; width: 7.2rem; text-indent: 0; font-weight: 650; color: var(--quiet); }
.findings .good b { color: var(--good); } .findings .bad b { color: var(--warn); }
.scroll { overflow-x: auto; margin: 1rem 0 1.4rem; }
table { border-collapse: collapse; font-size: .84rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { padding: .5rem .65rem .5rem .35rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: 500; vertical-align: bottom; border-bottom: 1.5px solid #b9b4aa; }
tbody th { font-weight: 400; position: sticky; left: 0; background: var(--paper); white-space: nowrap; }
.strong { font-weight: 650; }
td small { display: block; color: var(--quiet); font-size: .72rem; font-weight: 400; white-space: nowrap; }
.dense { font-size: .78rem; } .dense th, .dense td { padding: .45rem .4rem .45rem .25rem; }
.dense td small { font-size: .68rem; }
.gallery { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1rem 0; align-items: flex-start; }
figure { margin: 0; max-width: 100%; overflow-x: auto; }
img { display: block; max-width: 100%; height: auto; }
@media (max-width: 600px) {
  .wide { min-width: calc(.75 * var(--width)); }
  main { padding: 24px 16px 48px; } h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; }
}
@media print { main { max-width: none; padding: 0; } .scroll { overflow: visible; } }
"""


class Cell(NamedTuple):
    """What a cell says, `details` in small print, and `heat` in [0, 1] if it is shaded. `strong`: it stands out."""

    text: str
    details: tuple[str, ...] = ()
    heat: float | None = None
    strong: bool = False

    def __str__(self) -> str:
        text = " ".join([self.text, *self.details])
        return f"**{text}**" if self.strong else text


class Table(NamedTuple):
    """A heading for every column, and a row of cells for every line."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def __str__(self) -> str:
        lines = [self.heads, ["---"] * len(self.heads), *([str(cell) for cell in row] for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(estimate: Estimate) -> Cell:
    """An estimate with its range."""
    return Cell("–") if estimate.missing else Cell(brief(estimate.value), estimate.ranges())


def numbers(*estimates: Estimate) -> list[Cell]:
    """A cell for each of `estimates`."""
    return [number(estimate) for estimate in estimates]


def ratio(part: Estimate, whole: Estimate) -> Cell:
    """How many times `whole` is `part`."""
    return Cell(brief(part.value / whole.value) if whole.value and not (whole.missing or part.missing) else "–")


def shaded(deviation: Deviation, unit: str, *, strong: bool = False) -> Cell:
    """A deviation in %, shaded by its size, with its range and what it is in the variable's unit."""
    if deviation.percent.missing:
        return Cell("–")
    absolute = () if deviation.mae.missing else (f"= {brief(deviation.mae.value)} {unit}".rstrip(),)
    details = (*absolute, *deviation.percent.ranges())
    return Cell(f"{brief(deviation.percent.value)} %", details, min(1.0, deviation.percent.value / WORST), strong)


def unit_of(graph: Graph, name: str) -> str:
    """The unit of a variable, if it has one."""
    variable = graph[name]
    return variable.unit if isinstance(variable, Continuous) else ""


def labelled(name: str, unit: str) -> str:
    """A variable with its unit: ``lv_area [mm2]``."""
    return f"{name} [{unit}]" if unit else name


class Mark(Enum):
    """What a finding comes to: a sign and words, so that nobody needs the colour."""

    GOOD = "✓", "good"
    BAD = "✗", "not good"
    OPEN = "?", "can't tell"

    def __str__(self) -> str:
        return " ".join(self.value)


class Finding(NamedTuple):
    """A sentence about one `column` of ``do(name=...)``, or about the whole judgement where `name` is empty."""

    mark: Mark
    text: str
    name: str = ""
    column: str = ""

    def to_data(self) -> dict[str, str]:
        """Plain JSON data."""
        return {"mark": self.mark.value[1], "name": self.name, "column": self.column, "text": self.text}


class Section(NamedTuple):
    """A part of a page. `warning` is printed in bold; `figures` are file names; `findings` are a list, each with its mark."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    figures: Sequence[str] = ()
    warning: str = ""
    findings: Sequence[Finding] = ()


def markdown(title: str, sections: Sequence[Section], *, pictures: bool = False) -> str:
    """The page in Markdown, with links to the figures if they lie beside it (`pictures`)."""
    blocks = [f"# {title}"]
    for section in sections:
        blocks += [f"## {section.title}", listed(section.findings)]
        blocks += [section.text, section.warning and f"**{section.warning}**"]
        blocks += [str(table) for table in section.tables]
        blocks += [f"![{name}]({name})" for name in section.figures if pictures]
    return "\n\n".join(block for block in blocks if block) + "\n"


def listed(findings: Sequence[Finding]) -> str:
    """The findings as a list in Markdown, each behind its mark."""
    return "\n".join(f"- **{one.mark}**: {one.text}" for one in findings)


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


def page(title: str, sections: Sequence[Section], figures: Mapping[str, Any]) -> str:
    """The page of `sections`; `figures` are matplotlib's, by the names that the sections know them by."""
    body = "\n".join(_section(section, figures) for section in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""


def _section(section: Section, figures: Mapping[str, Any]) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    parts += [_findings(section.findings)] if section.findings else []
    parts += [f"<p>{escape(section.text)}</p>"] if section.text else []
    parts += [f'<p class="warning"><strong>{escape(section.warning)}</strong></p>'] if section.warning else []
    parts += [_table(table) for table in section.tables]
    shown = "\n".join(_figure(name, figures[name]) for name in section.figures)
    parts += [f'<div class="gallery">\n{shown}\n</div>'] if shown else []
    return "<section>\n" + "\n".join(parts) + "\n</section>"


def _findings(findings: Sequence[Finding]) -> str:
    lines = (f'<li class="{one.mark.name.lower()}"><b>{one.mark}</b>{escape(one.text)}</li>' for one in findings)
    return '<ul class="findings">\n' + "\n".join(lines) + "\n</ul>"


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in table.heads)
    rows = "\n".join(f"<tr>{_head(first)}{''.join(map(_cell, rest))}</tr>" for first, *rest in table.rows)
    dense = ' class="dense"' if len(table.heads) > DENSE else ""
    return f'<div class="scroll"><table{dense}>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def _head(cell: Cell) -> str:
    return f'<th scope="row"{_strong(cell)}>{escape(cell.text)}</th>'


def _cell(cell: Cell) -> str:
    shade = "" if cell.heat is None else f' style="background: rgba(196, 98, 45, {0.03 + 0.42 * cell.heat:.2f})"'
    small = "".join(f"<small>{escape(detail)}</small>" for detail in cell.details)
    return f"<td{_strong(cell)}{shade}>{escape(cell.text)}{small}</td>"


def _strong(cell: Cell) -> str:
    return ' class="strong"' if cell.strong else ""


def _figure(name: str, figure: Any) -> str:
    image, width = BytesIO(), round(96 * figure.get_figwidth())
    figure.savefig(image, format="png", dpi=DPI)
    data = b64encode(image.getvalue()).decode()
    wide = f' class="wide" style="--width: {width}px"' if width > 500 else ""
    return f'<figure><img{wide} width="{width}" alt="{escape(name)}" src="data:image/png;base64,{data}"></figure>'
