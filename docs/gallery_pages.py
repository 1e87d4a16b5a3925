"""The gallery: each script of docs/gallery/, in cells, run when the site is built; its page has what it says and draws.

A script is in the percent format (https://jupytext.readthedocs.io/en/latest/formats-scripts.html): ``# %%`` begins a cell of
code, ``# %% [markdown]`` one of text. As in a notebook, what a cell prints is shown, and what its last line is. An error or a
warning in one is an error of the build. A page is made anew where its script, this file or the library has changed; else it is
read from out/gallery. (mkdocs-jupyter would do, but for 45 more packages, scripts from elsewhere in its pages, and warnings that
are no errors.)
"""

import ast
import re
import shutil
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "docs/gallery").glob("*.py"))
KEPT = ROOT / "out/gallery"
CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)
DPI = 100


def on_config(config: Any) -> Any:
    """The pages are in the navigation, under their headings."""
    for entry in config.nav:
        if entry.get("Gallery") == "GALLERY":
            entry["Gallery"] = [{heading(script): f"gallery/{script.stem}.md"} for script in SCRIPTS]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add each page and its pictures."""
    for script in SCRIPTS:
        for path in sorted(page(script, KEPT).iterdir()):
            content = path.read_text() if path.suffix == ".md" else path.read_bytes()
            files.append(File.generated(config, f"gallery/{path.name}", content=content))
    return files


def heading(script: Path) -> str:
    """The first heading of a script."""
    return re.search(r"^# # (.*)$", script.read_text(), re.MULTILINE)[1]


def page(script: Path, kept: Path) -> Path:
    """The folder in `kept` that holds the page of `script` and its pictures, made if need be."""
    folder = kept / f"{script.stem}_{_digest(script)}"
    if not folder.exists():
        made = folder.with_suffix(".part")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        text = "\n\n".join(run(script, made))
        (made / f"{script.stem}.md").write_text(f"{text}\n", encoding="utf-8")
        for old in set(kept.glob(f"{script.stem}_*")) - {made}:
            shutil.rmtree(old)
        made.rename(folder)
    return folder


def _digest(script: Path) -> str:
    digest = sha256()
    for path in (script, Path(__file__), *sorted((ROOT / "causalimg").rglob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def run(script: Path, pictures: Path) -> Iterator[str]:
    """The blocks of the page, in Markdown; `pictures` go there. Raises what a cell raises, and its warnings."""
    names: dict[str, Any] = {"__name__": script.stem}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, (kind, text, line) in enumerate(cells(script.read_text())):
            if kind == "[markdown]":
                yield re.sub(r"^# ?", "", text, flags=re.MULTILINE).strip()
            else:
                yield f"```python\n{text.strip()}\n```"
                yield from _shown(*_run(text, line, script, names), pictures / f"{script.stem}_{number}.png")


def cells(text: str) -> Iterator[tuple[str, str, int]]:
    """The kind of each cell, its text, and the lines above it."""
    parts = CELL.split(text)
    above = parts[0].count("\n")
    for kind, cell in zip(parts[1::2], parts[2::2], strict=True):
        yield kind.strip(), cell, above + 1
        above += 1 + cell.count("\n")


def _run(text: str, line: int, script: Path, names: dict[str, Any]) -> tuple[str, Any]:
    """What a cell prints, and the value of its last line, if that has one. A traceback points into the script."""
    tree = ast.parse("\n" * line + text, str(script))
    last = ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()):  # progress is nobody's on a page
        exec(compile(tree, str(script), "exec"), names)
        value = eval(compile(last, str(script), "eval"), names) if last else None
    return said.getvalue(), value


def _shown(said: str, value: Any, picture: Path) -> Iterator[str]:
    if said:
        yield f"```text\n{said.strip()}\n```"
    if hasattr(value, "savefig"):
        value.savefig(picture, dpi=DPI)
        yield f"![What the cell above draws]({picture.name})"
    elif value is not None:
        yield f"```text\n{value!r}\n```"
