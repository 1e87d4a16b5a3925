"""Sections as one HTML page that needs nothing but itself: no network, no script; figures are data within it.

It reads on a desk (1200 px) and on a phone (390 px): tables scroll sideways within their own box, their first column stays.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from typing import Any

from causalimg.evaluation.sections import Section
from causalimg.evaluation.tables import Cell, Table

DPI = 110
DENSE = 10  # columns, beyond which the print is smaller
STYLE = """
:root { color-scheme: light; --ink: #22272e; --quiet: #667080; --line: #e3e0da; --paper: #fff; --warn: #a23b1e; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 1180px; margin: 0 auto; padding: 48px 32px 80px; }
h1, h2 { font-family: Georgia, "Times New Roman", serif; font-weight: 600; line-height: 1.2; text-wrap: balance; }
h1 { font-size: 2.1rem; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.8rem 0 .5rem; padding-top: 1.1rem; border-top: 1px solid var(--line); }
p { max-width: 44rem; margin: .5rem 0 1rem; }
.warning { color: var(--warn); border-left: 3px solid var(--warn); padding: .3rem 0 .3rem .9rem; }
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
    parts += [f"<p>{escape(section.text)}</p>"] if section.text else []
    parts += [f'<p class="warning"><strong>{escape(section.warning)}</strong></p>'] if section.warning else []
    parts += [_table(table) for table in section.tables]
    shown = "\n".join(_figure(name, figures[name]) for name in section.figures)
    parts += [f'<div class="gallery">\n{shown}\n</div>'] if shown else []
    return "<section>\n" + "\n".join(parts) + "\n</section>"


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
