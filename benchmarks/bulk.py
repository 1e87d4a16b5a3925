"""Twenty thousand answers: by this process, by two workers of Ray, and by two of whom some are killed. All are the same files.

    pip install "causalimg[scale]"
    OMP_NUM_THREADS=1 python benchmarks/bulk.py --folder out/bulk --out benchmarks/results/bulk.json

The shipped heart is asked about phantoms that it was not trained on, in a table on disk. Linux only.
"""

import argparse
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from machine import machine

import causalimg as ci

PART = 1000
HEART = ci.phantoms.Heart(size=64)


def hearts(part: int) -> ci.Table:
    """Some of the rows, drawn with the number of the part."""
    return ci.Table(HEART.graph, HEART.sample(PART, seed=1000 + part).values)


def answer(folder: Path, way: str) -> None:
    """All answers, by the engine `way`, into a folder of that name."""
    how = {"engine": "here"} if way == "here" else {"engine": "ray", "workers": 2}
    ci.generate(ci.pretrained("heart"), ci.load_table(folder / "hearts"), folder / way, lv_area=ci.scale(0.8), **how)


def spent(folder: Path, way: str, kills: int, usual: float) -> float:
    """Seconds of `answer` in a process of its own, which should take as long as `usual`; so many workers of it are killed, at
    random moments."""
    begun, dice = time.monotonic(), random.Random(0)
    moments = sorted(dice.uniform(0.1, 0.9) * usual for _ in range(kills))
    work = subprocess.Popen([sys.executable, __file__, "--folder", folder, "--answer", way])
    while work.poll() is None:
        if moments and time.monotonic() - begun > moments[0] and (found := workers()):
            os.kill(dice.choice(found), signal.SIGKILL)
            print(f"{way}: killed one of {len(found)} workers after {time.monotonic() - begun:.0f} s", flush=True)
            moments.pop(0)
        time.sleep(0.05)
    assert work.returncode == 0, way
    assert not moments, "it was over before all were killed"
    return time.monotonic() - begun


def workers() -> list[int]:
    """The processes that make answers for Ray."""
    said = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in said.splitlines() if "ray::" in line and "Maker" in line]


def contents(folder: Path) -> Mapping[str, str]:
    """A digest of every file in `folder`, by its path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def main(folder: Path, rows: int, kills: int) -> dict[str, Any]:
    """Seconds, rates, and whether all files are the same."""
    ci.store_table(folder / "hearts", [partial(hearts, part) for part in range(rows // PART)], about="hearts")
    found: dict[str, Any] = {"machine": machine(), "rows": rows, "seconds": {}}
    usual, first = 0.0, None
    for way, killed in {"here": 0, "ray": 0, "ray, killed": kills}.items():
        shutil.rmtree(folder / way, ignore_errors=True)
        usual = found["seconds"][way] = spent(folder, way, killed, usual)
        files = contents(folder / way)
        first = first or files
        with (folder / way / "answers.csv").open(newline="") as file:
            answered = [int(line["row"]) for line in csv.DictReader(file)]
        once = answered == list(range(rows))
        found[way] = {
            "each row once": once,
            "files": len(files),
            "as here": files == first,
            "answers/s": rows / usual,
        }
        print(way, found[way], flush=True)
    return found


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--folder", type=Path, default=Path("out/bulk"))
    asked.add_argument("--out", type=Path, default=Path("benchmarks/results/bulk.json"))
    asked.add_argument("--rows", type=int, default=20_000)
    asked.add_argument("--kills", type=int, default=2)
    asked.add_argument("--answer", help="what each of the three does")
    said = asked.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".*hardly occurred together")
    if said.answer:
        answer(said.folder, said.answer)
    else:
        said.out.write_text(json.dumps(main(said.folder, said.rows, said.kills), indent=1) + "\n")
