"""A folder of two files: ``spec.json`` and ``tensors.safetensors``. Reading it runs no code."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

SPEC, TENSORS = "spec.json", "tensors.safetensors"


def write(folder: str | Path, spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write `spec` (JSON data) and `tensors` into `folder`, which is made if need be."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEC).write_text(json.dumps(spec, indent=2, allow_nan=False) + "\n")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / TENSORS)


def read(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write` wrote. Raises FileNotFoundError that names the missing file."""
    folder = Path(folder)
    for name in (SPEC, TENSORS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}: is it a folder that `save` made?")
    return json.loads((folder / SPEC).read_text()), load_file(folder / TENSORS)
