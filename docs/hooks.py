"""What the site has besides the pages of this folder: the README and its neighbours, the examples, and the reference."""

import ast
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
NEIGHBOURS = {"README.md": "index.md", "SECURITY.md": "SECURITY.md", "CONTRIBUTING.md": "CONTRIBUTING.md"}
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
GALLERY = sorted((ROOT / "docs/gallery").glob("*.py"))
LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
GROUPS = {
    "Graphs": ("graph",),
    "Data": ("data", "given"),
    "Models and answers": (
        "model",
        "scm",
        "shipped",
        "counterfactual",
        "effects",
        "guided",
        "ensemble",
        "conformal",
        "region",
        "cards",
        "draws",
        "exploring",
    ),
    "Mechanisms": ("mechanisms", "configured"),
    "Readers": ("readers",),
    "Guidance": ("guidance",),
    "Training": ("training", "fit"),
    "Judging": ("evaluation",),
    "Studies": ("study",),
}
"""The headings of the reference, and the parts of the package under each."""

LAST = "Besides"
IMPORT = r"^from causalimg\.?([\w.]*) import \w+ as (\w+)$"


def on_config(config: Any) -> Any:
    """The examples' pages are in the navigation."""
    pages = [{page.stem.replace("_", " "): f"examples/{page.stem}.md"} for page in EXAMPLES]
    for entry in config.nav:
        if entry.get("Examples") == "EXAMPLES":
            entry["Examples"] = pages
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are made here."""
    made = {to: (ROOT / name).read_text() for name, to in NEIGHBOURS.items()}
    made |= {f"examples/{page.stem}.md": example(page) for page in EXAMPLES}
    made["api.md"] = reference()
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links that are right in the repository lead to the site's pages; of what the site doesn't have, the words stay."""
    home = "docs/" if page.file.src_uri in NEIGHBOURS.values() else ""

    def linked(found: re.Match[str]) -> str:
        words, target = found.groups()
        uri = _uri(target, home, page.file.src_uri)
        return found[0] if uri == target else f"[{words}]({uri})" if uri else words

    return LINK.sub(linked, markdown)


def _uri(target: str, home: str, here: str) -> str:
    """What `target` is called on the site, relative to the page `here`; empty where the site does not have it."""
    path, hash_, anchor = target.partition("#")
    folder = ROOT if home else (ROOT / "docs" / here).parent
    file = (folder / path).resolve()
    up = "../" * here.count("/")
    if file.parent == ROOT and file.name in NEIGHBOURS:
        return f"{up}{NEIGHBOURS[file.name]}{hash_}{anchor}"
    if file in EXAMPLES:
        return f"{up}examples/{file.stem}.md"
    if file in GALLERY:
        return f"{up}gallery/{file.stem}.md{hash_}{anchor}"
    inside = file.is_relative_to(ROOT / "docs") and file.exists()
    return f"{up}{file.relative_to(ROOT / 'docs')}{hash_}{anchor}" if inside else ""


def example(path: Path) -> str:
    """The page of an example: what its docstring says, then its code."""
    text = path.read_text()
    said = ast.get_docstring(ast.parse(text)) or ""
    code = text.split('"""', 2)[2].lstrip()
    return f"# {path.stem.replace('_', ' ')}\n\n{said}\n\n```python\n{code}```\n"


def reference() -> str:
    """The page of all public names, by what they are about."""
    imports = re.findall(IMPORT, (ROOT / "causalimg/__init__.py").read_text(), re.MULTILINE)
    group_of = {part: heading for heading, parts in GROUPS.items() for part in parts}
    by_group: dict[str, list[str]] = {heading: [] for heading in [*GROUPS, LAST]}
    for module, name in imports:
        by_group[group_of.get(module.split(".")[0], LAST)].append(f"::: causalimg.{name}")
    parts = [f"## {heading}\n\n" + "\n\n".join(names) for heading, names in by_group.items() if names]
    return "\n\n".join(["# Reference", "All that `import causalimg as ci` has.", *parts, ""])
