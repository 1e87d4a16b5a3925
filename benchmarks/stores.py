"""In which format should images lie on disk? Written in parts, then read by batches of random rows, as training does. And how
fast do files become a table on disk, beside Pillow that decodes them, in a loop?

    pip install zarr pyarrow webdataset
    python benchmarks/stores.py --rows 50000 --out benchmarks/results/stores.json

Images of 64 px of float32 and of uint8, batches of 64, one thread. A tar of webdataset's can't be read at random: it is read from
front to back through its own shuffling buffer.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from machine import machine, timed

import causalimg as ci
from causalimg.data.store import Store
from causalimg.stored import Stored

PART, BATCH, BATCHES = 2000, 64, 300

Parts = Callable[[], Iterator[np.ndarray]]
Ways = tuple[Callable[[Parts, Path], None], Callable[[Path], Callable[[np.ndarray], Any]]]
"""Writes parts into a folder; opens it, and gives what reads rows."""


def write_npy(parts: Parts, folder: Path) -> None:
    """As `store_table` does."""
    store = Store(folder, {})
    with store.writing():
        for part in parts():
            store.write({"values.x": torch.from_numpy(part)}, {})


def open_npy(folder: Path) -> Callable[[np.ndarray], Any]:
    """Mapped into memory."""
    column = Stored(folder / "values.x.npy")
    return lambda rows: column[torch.from_numpy(rows)]


def write_zarr(parts: Parts, folder: Path, rows: int = 64) -> None:
    """In chunks of 64 images, compressed as it does by default."""
    import zarr

    array = None
    for part in parts():
        if array is None:
            array = zarr.create_array(
                folder, shape=(0, *part.shape[1:]), chunks=(rows, *part.shape[1:]), dtype=part.dtype
            )
        array.append(part)


def open_zarr(folder: Path) -> Callable[[np.ndarray], Any]:
    """By its own indexing."""
    import zarr

    array = zarr.open_array(folder)
    return lambda rows: torch.from_numpy(array.get_orthogonal_selection((rows,)))


def write_arrow(parts: Parts, folder: Path) -> None:
    """One IPC file of record batches, an image a list of fixed size."""
    import pyarrow as pa

    folder.mkdir()
    writer = None
    with pa.OSFile(str(folder / "x.arrow"), "wb") as file:
        for part in parts():
            pixels = pa.FixedSizeListArray.from_arrays(pa.array(part.reshape(-1)), part[0].size)
            batch = pa.record_batch([pixels], names=["x"])
            writer = writer or pa.ipc.new_file(file, batch.schema)
            writer.write_batch(batch)
        assert writer is not None
        writer.close()


def open_arrow(folder: Path) -> Callable[[np.ndarray], Any]:
    """Mapped into memory; rows gathered from its batches."""
    import pyarrow as pa

    table = pa.ipc.open_file(pa.memory_map(str(folder / "x.arrow"))).read_all()
    chunks = [chunk.values.to_numpy(zero_copy_only=True).reshape(len(chunk), -1) for chunk in table["x"].chunks]

    def read(rows: np.ndarray) -> Any:
        return torch.from_numpy(np.stack([chunks[row // PART][row % PART] for row in rows]))

    return read


def write_tar(parts: Parts, folder: Path) -> None:
    """Shards of webdataset's."""
    import webdataset

    folder.mkdir()
    with webdataset.ShardWriter(str(folder / "%04d.tar"), maxcount=5 * PART, verbose=0) as writer:
        for number, image in enumerate(image for part in parts() for image in part):
            writer.write({"__key__": f"{number:09d}", "npy": image})


def open_tar(folder: Path) -> Callable[[np.ndarray], Any]:
    """Through a buffer of 5 000 images, which rows are asked for or not."""
    import webdataset

    shards = sorted(map(str, folder.glob("*.tar")))
    images = webdataset.WebDataset(shards, shardshuffle=False).decode().shuffle(5000).to_tuple("npy").batched(BATCH)
    stream = iter(images.repeat())
    return lambda rows: torch.from_numpy(next(stream)[0])


WAYS: dict[str, Ways] = {
    "npy, mapped": (write_npy, open_npy),
    "Arrow, mapped": (write_arrow, open_arrow),
    "Zarr": (write_zarr, open_zarr),
    "webdataset, in order": (write_tar, open_tar),
}


def measured(way: Ways, images: np.ndarray, folder: Path) -> dict[str, float]:
    """Images per second written and read, and bytes an image."""
    write, opened = way
    begun = time.perf_counter()
    write(lambda: (images[start : start + PART] for start in range(0, len(images), PART)), folder)
    written = time.perf_counter() - begun
    read, dice = opened(folder), np.random.default_rng(0)
    rows = [np.sort(dice.choice(len(images), BATCH, replace=False)) for _ in range(BATCHES)]
    read(rows[0])
    begun = time.perf_counter()
    for some in rows:
        read(some)
    taken = time.perf_counter() - begun
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "written/s": len(images) / written,
        "read/s": BATCH * BATCHES / taken,
        "bytes an image": size / len(images),
    }


def decoded(folder: Path, side: int, n: int) -> dict[str, float]:
    """PNG files of `side` x `side` per second: by Pillow alone, into a table in memory, and into one on disk, of 64 x 64."""
    (folder / "scans").mkdir(parents=True)
    images = ci.phantoms.Heart(size=64).sample(n).values["x"][:, 0].numpy()
    names, dice = [f"{i}.png" for i in range(n)], np.random.default_rng(0)
    for name, image in zip(names, images.repeat(side // 64, 1).repeat(side // 64, 2), strict=True):
        noisy = image + 0.02 * dice.standard_normal(image.shape)
        PIL.Image.fromarray((255 * noisy.clip(0, 1)).astype(np.uint8)).save(folder / "scans" / name)
    (folder / "rows.csv").write_text("\n".join(["file", *names]))
    read = partial(ci.read_table, ci.Graph.of(x=ci.Image(shape=(1, 64, 64))), folder / "rows.csv", folder / "scans")
    ways: dict[str, Callable[[], Any]] = {
        "Pillow": lambda: [np.asarray(PIL.Image.open(folder / "scans" / name)) for name in names],
        "in memory": read,
        "on disk": partial(read, store=folder / "store"),
        "on disk, two processes": partial(read, store=folder / "store2", workers=2),
    }
    return {name: n / timed(work) for name, work in ways.items()}


def main(rows: int, out: Path) -> None:
    """Every way for both kinds of numbers."""
    files = {}
    for side, n in ((64, 4096), (512, 1024), (1024, 512)):
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:
            files[f"{side} px"] = decoded(Path(folder), side, n)
            print(side, files[f"{side} px"], flush=True)
    drawn = [ci.phantoms.Heart(size=64).sample(PART, seed=part).values["x"].numpy() for part in range(rows // PART)]
    images, found = np.concatenate(drawn), {}
    for kind, pixels in {"float32": images, "uint8": (255 * images).round().astype(np.uint8)}.items():
        for name, way in WAYS.items():
            folder = Path(tempfile.mkdtemp(dir=out.parent)) / "store"
            found[f"{name}, {kind}"] = measured(way, pixels, folder)
            shutil.rmtree(folder.parent)
            print(name, kind, found[f"{name}, {kind}"], flush=True)
    out.write_text(json.dumps({"machine": machine(), "rows": rows, "ways": found, "files": files}, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/stores.json"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    main(asked.rows, asked.out)
