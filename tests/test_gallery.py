"""The pages of the gallery: scripts in cells, run as a notebook would be; an error or a warning in one is an error."""

import importlib.util
import traceback
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="no mkdocs: pip install causalimg[docs]")
FILE = Path(__file__).parent.parent / "docs/gallery_pages.py"
SCRIPT = """# %% [markdown]
# # Lamps
#
# Two *lamps*.

# %%
lit = 2
print("lamps:", lit)

# %%
from matplotlib.figure import Figure

Figure(figsize=(1, 1))

# %%
lit + 1
"""


@pytest.fixture(scope="module")
def gallery():
    spec = importlib.util.spec_from_file_location("gallery_pages", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(folder, text=SCRIPT):
    script = folder / "lamps.py"
    script.write_text(text)
    return script


def test_a_page_has_text_code_what_is_printed_drawn_and_the_last_value(gallery, tmp_path):
    folder = gallery.page(written(tmp_path), tmp_path / "kept")
    text = (folder / "lamps.md").read_text()
    assert text.startswith("# Lamps\n\nTwo *lamps*.\n\n```python\nlit = 2\n")
    assert "```text\nlamps: 2\n```" in text
    assert "```text\n3\n```" in text
    assert "](lamps_2.png)" in text
    assert (folder / "lamps_2.png").read_bytes().startswith(b"\x89PNG")
    assert gallery.heading(tmp_path / "lamps.py") == "Lamps"


def test_a_page_is_made_anew_only_where_its_script_changed(gallery, tmp_path):
    script, kept = written(tmp_path), tmp_path / "kept"
    first = gallery.page(script, kept)
    made = (first / "lamps.md").stat().st_mtime_ns
    assert gallery.page(script, kept) == first
    assert (first / "lamps.md").stat().st_mtime_ns == made
    second = gallery.page(written(tmp_path, SCRIPT.replace("lit = 2", "lit = 4")), kept)
    assert "lamps: 4" in (second / "lamps.md").read_text()
    assert list(kept.iterdir()) == [second]


@pytest.mark.parametrize(
    ("last", "error"), [("1 / 0", ZeroDivisionError), ("import warnings\nwarnings.warn('dim')", UserWarning)]
)
def test_an_error_or_a_warning_is_an_error_that_points_into_the_script(gallery, tmp_path, last, error):
    script = written(tmp_path, f"{SCRIPT}\n# %%\n{last}\n")
    with pytest.raises(error) as raised:
        gallery.page(script, tmp_path / "kept")
    lines = [frame.lineno for frame in traceback.extract_tb(raised.tb) if frame.filename == str(script)]
    assert script.read_text().splitlines()[lines[0] - 1] == last.splitlines()[-1]
    assert gallery.KEPT.name == "gallery"
    assert not [path for path in (tmp_path / "kept").iterdir() if path.suffix != ".part"]


def test_every_script_has_a_heading_and_text_first(gallery):
    assert len(gallery.SCRIPTS) >= 4
    for script in gallery.SCRIPTS:
        assert gallery.heading(script)
        assert script.read_text().startswith("# %% [markdown]\n")
