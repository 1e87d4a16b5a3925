"""What is documented runs, and what it points to exists.

The Python blocks of a page are executed in order, in one namespace and an empty folder. A block in an HTML comment that
begins with ``<!-- python`` runs too: it prepares what a reader need not see.
"""

import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

import causalimg

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
}
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$|^<!-- (python)\n(.*?)^-->$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def blocks(page: str) -> list[str]:
    """The Python blocks of `page`, each moved down to its line, so that a traceback points into the page."""
    found = []
    for match in FENCE.finditer(page):
        _, shown, code, hidden, hidden_code = match.groups()
        if "python" in (shown, hidden):
            above = page.count("\n", 0, match.start()) + 1
            found.append("\n" * above + (hidden_code if hidden else code))
    return found


def anchors(page: str) -> set[str]:
    """The fragments by which the headings of `page` are linked to, as on GitHub."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(name: str, page: str) -> list[str]:
    """The relative links of `page` that lead nowhere."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page)):
        path, _, fragment = link.partition("#")
        target = (ROOT / name).parent / path
        text = target.read_text() if target.suffix == ".md" and target.is_file() else page
        if not re.match(r"\w+:", link) and not (target.exists() and (not fragment or fragment in anchors(text))):
            broken.append(link)
    return broken


def missing_paths(page: str) -> list[str]:
    """The paths of this project that stand in `page` as code, and don't exist."""
    said = [word for code in CODE.findall(FENCE.sub("", page)) for word in code.split()]
    ours = [path for path in said if re.match(r"(causalimg|docs|examples|tests|\.ci|\.github)/[\w./-]*$", path)]
    return [path for path in ours if not (ROOT / path).exists()]


def keep_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden blocks shorten the training of what they show: put back afterwards what they found; and let such judges judge."""
    kinds = ("Segmentor", "HVAE", "FlowMatching", "ConditionalFlow", "GumbelMax")
    for kind in (getattr(causalimg, name) for name in kinds):
        monkeypatch.setattr(kind, "recipe", kind.recipe)
    for kind in (causalimg.Edited, causalimg.FlowMatching):
        monkeypatch.setattr(kind, "tuning", kind.tuning)
    for judge in ("evaluate", "effectiveness"):
        monkeypatch.setattr(causalimg, judge, partial(getattr(causalimg, judge), allow_weak=True))


@pytest.mark.filterwarnings("ignore:the guide .* reads:UserWarning")  # hidden blocks shorten training to nothing
@pytest.mark.filterwarnings("ignore:the image hardly follows:UserWarning")
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if blocks(page)])
def test_the_code_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep_recipes(monkeypatch)
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    for block in blocks(PAGES[name]):
        exec(compile(block, name, "exec"), vars(page))  # an error or another warning in it fails the test


@pytest.mark.parametrize("name", PAGES)
def test_links_and_paths_of_a_page_lead_somewhere(name: str) -> None:
    assert broken_links(name, PAGES[name]) == []
    assert missing_paths(PAGES[name]) == []


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_left_to_be_filled_in(name: str) -> None:
    assert re.findall(r"@[A-Z]+@|TODO|FIXME", PAGES[name]) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_speaks_of_what_there_is(name: str) -> None:
    said = set(re.findall(r"\bci\.([A-Za-z]\w*)", PAGES[name]))
    assert [f"ci.{word}" for word in sorted(said) if not hasattr(causalimg, word)] == []


def test_the_readme_shows_code_that_runs() -> None:
    assert blocks(PAGES["README.md"])


def test_blocks_keep_their_lines_and_other_languages_are_left_alone() -> None:
    page = "a\n```python\nx = 1\n```\n```sh\nmake test\n```\n<!-- python\ny = x\n-->\n"
    assert blocks(page) == ["\n\nx = 1\n", "\n\n\n\n\n\n\n\ny = x\n"]


def test_a_broken_link_a_missing_anchor_and_a_missing_path_are_caught() -> None:
    page = "# One thing\n[a](Makefile) [b](#one-thing) [c](https://x.org) [d](gone.md) [e](#two) `docs/gone.md` `docs/`"
    assert broken_links("README.md", page) == ["gone.md", "#two"]
    assert missing_paths(page) == ["docs/gone.md"]
