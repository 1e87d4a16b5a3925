"""A folder of JSON and tensors, written whole or not at all. Reading it runs no code.

``spec.json`` says in which version of the format it is written, which file holds the tensors, and the digests of that file and
of all else that it says. Tensors have a file of their own name, made of their digest. So while a folder is written over, what
``spec.json`` names is there: what was, until in one step it is what will be. A file that was changed since is refused.
"""

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import file_digest, sha256
from pathlib import Path
from secrets import token_hex
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from causalimg.errors import wrong_kind
from causalimg.graph.text import parse_json

SPEC = "spec.json"

FORMAT = 4
"""The version of the format. It goes up when a folder of an older version can't be read as it is any more."""

HOUR = 3600.0
TENSORS = re.compile(r"[0-9a-f]{32}\.safetensors|tensors\.safetensors")
"""What files of tensors are called, by this version of the format and before; no other file is read or removed."""

LONGEST = 2**26
"""Characters of the longest ``spec.json`` that is read."""

DIGITS = 32
"""So many hex digits of a digest are written down."""

STRAY = ".causalimg-"
"""So begins what `write` leaves where it is killed."""

OWN = ("format", "tensors", "digest")
"""Entries of ``spec.json`` that are the storage's own."""


def write(folder: str | Path, spec: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write `spec` (JSON data) and `tensors` into `folder`, which is made if need be; over what `write` left there before.

    Raises ValueError for a spec that has entries of the storage's own names or numbers that JSON doesn't know, and
    FileExistsError where the folder's ``spec.json`` is somebody else's.
    """
    folder = _path(folder)
    if taken := [name for name in OWN if name in spec]:
        raise ValueError(f"{taken[0]!r} is the storage's own in {SPEC}: give the entry of this name another one")
    text, before = json.dumps(spec, allow_nan=False), _before(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    name = _put(folder, lambda path: save_file(plain, path), lambda path: f"{digest_of_file(path)}.safetensors")
    named = {"format": FORMAT, "tensors": name, **json.loads(text)}
    whole = json.dumps(named | {"digest": _digest(named)}, indent=2) + "\n"
    _put(folder, lambda path: path.write_text(whole), lambda path: SPEC)
    _sweep(folder, before, keep=name)


def read(folder: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `write` wrote.

    Raises FileNotFoundError that names the missing file, and ValueError, with the file, for another version of the format, or
    none, and for what was changed since.
    """
    folder = _path(folder)
    named = _named(folder)
    while True:
        try:
            tensors = _tensors(folder / named["tensors"])
        except FileNotFoundError:
            before, named = named, _named(folder)
            if named == before:
                raise
            continue  # it was written anew meanwhile
        return {name: value for name, value in named.items() if name not in OWN}, tensors


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        whole = path.read_bytes()  # at once: it may be removed meanwhile
    except FileNotFoundError:
        raise FileNotFoundError(f"{path.parent} holds no {path.name}, which {SPEC} names") from None
    if sha256(whole).hexdigest()[:DIGITS] != path.stem:
        raise ValueError(f"{path} was changed or cut short after it was saved: save the model again")
    try:
        return load(whole)
    except SafetensorError as error:
        raise ValueError(f"{path} holds no tensors: {error}") from None


def _path(folder: Any) -> Path:
    if not isinstance(folder, str | os.PathLike):
        raise wrong_kind("folder", "a path", folder)
    return Path(folder)


def load_into(module: nn.Module, folder: str | Path, tensors: Mapping[str, Tensor]) -> None:
    """Give `module` the `tensors` that `read` found in `folder`.

    Raises ValueError that names the folder, and the tensor, where one is missing, too many, of another shape or type, or NaN.
    """
    own, learnt = module.state_dict(), dict(module.named_parameters())
    for name in own.keys() | tensors.keys():
        if why := _misfit(own.get(name), tensors.get(name), name in learnt):
            raise ValueError(f"{folder}: {name} {why}")
    module.load_state_dict(dict(tensors))


def _misfit(own: Tensor | None, given: Tensor | None, learnt: bool) -> str:
    """Why a tensor is not what is expected; empty where it is. What is `learnt` is finite; a constant may be infinite."""
    if own is None or given is None:
        return "is missing" if given is None else "is nothing that was asked for"
    if (own.shape, own.dtype) != (given.shape, given.dtype):
        return f"is {given.dtype} of the shape {tuple(given.shape)}, not {own.dtype} of {tuple(own.shape)}"
    if learnt:
        return "" if _is_finite(given) else "holds NaN or infinity"
    return "holds NaN" if bool(given.isnan().any()) else ""


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError that names the first of `tensors` that holds NaN or infinity: what diverged is not saved."""
    if wrong := [name for name, tensor in tensors.items() if not _is_finite(tensor)]:
        raise ValueError(f"{wrong[0]} holds NaN or infinity: training diverged, and nothing is saved")


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def _named(folder: Path) -> dict[str, Any]:
    """What ``spec.json`` says, checked."""
    path = folder / SPEC
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {SPEC}: is it a folder that `save` made?")
    try:
        spec = parse_json(path.read_text(), longest=LONGEST)
    except ValueError as error:
        raise ValueError(f"{path} is {error}") from None
    named = _of_our_format(folder, spec)
    if named.get("digest") != _digest({name: value for name, value in named.items() if name != "digest"}):
        raise ValueError(f"{path} was changed after it was saved: save the model again")
    if not TENSORS.fullmatch(str(named.get("tensors"))):
        raise ValueError(f"{path} names no file of tensors")
    return named


def _of_our_format(folder: Path, spec: Any) -> dict[str, Any]:
    """`spec`, if it is a mapping that says that it is written in this version of the format. Raises ValueError if not."""
    if not isinstance(spec, dict) or "format" not in spec:
        raise ValueError(
            f"{folder}: {SPEC} says no version of its format; this version of causalimg reads format {FORMAT}"
        )
    if spec["format"] != FORMAT:
        raise ValueError(
            f"{folder}: {SPEC} is of format {spec['format']!r}; this version of causalimg reads format {FORMAT}"
        )
    return spec


def _before(folder: Path) -> str:
    """The file of tensors that ``spec.json`` names already; empty where there is none.

    Raises FileExistsError where ``spec.json`` is not one that `write` made, in any version.
    """
    path = folder / SPEC
    if not path.exists():
        return ""
    try:
        spec = json.loads(path.read_text())
    except (ValueError, RecursionError):
        spec = None
    if not _is_ours(spec):
        raise FileExistsError(f"{path} is no file of causalimg's, and is not written over: choose another folder")
    name = str(spec.get("tensors", "tensors.safetensors"))
    return name if TENSORS.fullmatch(name) else ""


def _is_ours(spec: Any) -> bool:
    """Whether `write` made it, in this version of the format or before."""
    if not isinstance(spec, dict):
        return False
    if spec.get("format") in (1, 2):
        return bool({"kind", "graph", "models"} & spec.keys())
    return "digest" in spec and spec["digest"] == _digest({k: v for k, v in spec.items() if k != "digest"})


def _put(folder: Path, make: Callable[[Path], object], name_of: Callable[[Path], str]) -> str:
    """Let `make` write a file, and give it its name when it is on the disk: there it is whole, or not at all. The name."""
    fresh = folder / f"{STRAY}{os.getpid()}-{token_hex(4)}"
    try:
        fresh.touch()
        mode = fresh.stat().st_mode  # as the user's files are: safetensors makes its own for the owner alone
        try:
            make(fresh)
        except SafetensorError as error:  # of a disk that is full
            raise OSError(f"{folder}: {error}") from None
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.chmod(mode)
        name = name_of(fresh)
        fresh.replace(folder / name)
        _sync(folder)
    finally:
        fresh.unlink(missing_ok=True)
    return name


def _sync(folder: Path) -> None:
    """Have the names in `folder` on the disk, too, where the system can say so."""
    if directory := getattr(os, "O_DIRECTORY", 0):
        handle = os.open(folder, os.O_RDONLY | directory)
        with suppress(OSError):  # of disks on a network that can't
            os.fsync(handle)
        os.close(handle)


def _sweep(folder: Path, before: str, keep: str) -> None:
    """Remove the tensors that were named `before`, and what writing that was cut short left an hour ago or more."""
    left = [path for path in folder.iterdir() if path.name != keep and _is_left(path)]
    for path in [folder / before, *left] if before not in ("", keep) else left:
        path.unlink(missing_ok=True)


def _is_left(path: Path) -> bool:
    """Whether it is an hour old or more, and ours: by its name, or as tensors that are called by their digest."""
    try:
        old = time.time() - path.stat().st_mtime > HOUR
        ours = path.name.startswith(STRAY) or (TENSORS.fullmatch(path.name) and digest_of_file(path) == path.stem)
        return old and bool(ours)
    except FileNotFoundError:  # another process has given it its name
        return False


def _digest(data: Any) -> str:
    """Of plain JSON data."""
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:DIGITS]


def digest_of_file(path: Path) -> str:
    """Of a file, as it is written down."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:DIGITS]
