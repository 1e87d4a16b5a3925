"""A folder of two files: ``spec.json`` and ``tensors.safetensors``. Reading it runs no code.

``spec.json`` says in which version of the format it is written, so that no file is read as what it is not.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

SPEC, TENSORS = "spec.json", "tensors.safetensors"

FORMAT = 2
"""The version of the format. It goes up when a folder of an older version can't be read as it is any more."""


def write(folder: str | Path, spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write `spec` (JSON data) and `tensors` into `folder`, which is made if need be.

    Raises ValueError for a spec that has an entry ``format`` of its own.
    """
    if "format" in spec:
        raise ValueError("'format' is the version of the format in spec.json: give the entry of this name another one")
    folder = Path(folder)
    text = json.dumps({"format": FORMAT, **spec}, indent=2, allow_nan=False) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).unlink(missing_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / TENSORS)
    (folder / SPEC).write_text(text)  # last: where there is one, the folder is whole


def read(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write` wrote.

    Raises FileNotFoundError that names the missing file, and ValueError for another version of the format, or none.
    """
    folder = Path(folder)
    for name in (SPEC, TENSORS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}: is it a folder that `save` made?")
    spec = json.loads((folder / SPEC).read_text())
    _check_format(folder, spec)
    return {name: value for name, value in spec.items() if name != "format"}, load_file(folder / TENSORS)


def _check_format(folder: Path, spec: Any) -> None:
    """Raise ValueError unless `spec` is a mapping that says that it is written in this version of the format."""
    if not isinstance(spec, dict) or "format" not in spec:
        raise ValueError(
            f"{folder}: {SPEC} says no version of its format; this version of causalimg reads format {FORMAT}"
        )
    if spec["format"] != FORMAT:
        raise ValueError(
            f"{folder}: {SPEC} is of format {spec['format']!r}; this version of causalimg reads format {FORMAT}"
        )
