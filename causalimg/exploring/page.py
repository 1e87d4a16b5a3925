"""The page itself: data, style and script in one HTML file, which may load nothing and send nothing."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from causalimg.evaluation.page import STYLE
from causalimg.exploring.pixels import change_colors
from causalimg.viz.pictures import LIMIT

FOLDER = Path(__file__).parent


def page(title: str, data: Mapping[str, Any], connect: str = "'none'") -> str:
    """The HTML of what an `Exploration` has; `connect` says in words of a Content-Security-Policy whom the page may ask."""
    style, script = STYLE + _read("page.css"), _read("page.js")
    parts = {
        "title": escape(title),
        "policy": escape(
            f"default-src 'none'; img-src data:; connect-src {connect}; base-uri 'none'; form-action 'none'; "
            f"style-src {_hash(style)}; script-src {_hash(script)}"
        ),
        "style": style,
        "script": script,
        "data": embedded({**data, "limit": int(LIMIT), "colors": change_colors()}),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))


def embedded(data: Mapping[str, Any]) -> str:
    """`data` as JSON that no HTML can break out of: names and levels of variables are the user's."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a policy names the one style or script that it lets through."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
