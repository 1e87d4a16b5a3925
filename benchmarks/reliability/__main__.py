"""Try all cases, write down what they got, and make the page.

    python -m benchmarks.reliability --out docs/reliability.md

The library of another commit is tried where that is checked out::

    git worktree add ../before 61ae40b
    python -m benchmarks.reliability --library ../before --results benchmarks/results/reliability_before.json
"""

import argparse
import os
import sys
from pathlib import Path

RESULTS = Path("benchmarks/results")


def main() -> None:
    """Read the command line, and do what it says."""
    asked = parser().parse_args()
    library = asked.library.resolve()
    sys.path.insert(0, str(library))
    os.environ |= {
        "PYTHONPATH": str(library),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }  # for those that are started
    from benchmarks.reliability.page import write_page
    from benchmarks.reliability.results import chosen, try_all, write_results

    found = try_all(chosen(asked.only, asked.every))
    if asked.results:
        write_results(asked.results, found, library)
    if asked.out:
        write_page(asked.out, RESULTS / "reliability_before.json", asked.results)


def parser() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description="Try what users get wrong.")
    made.add_argument("--out", type=Path, help="the page")
    made.add_argument("--results", type=Path, default=RESULTS / "reliability.json", help="what every case got, as JSON")
    made.add_argument("--library", type=Path, default=Path(), help="the folder of the library that is tried")
    made.add_argument("--only", default="", help="only cases whose area or name has this in it")
    made.add_argument("--every", type=int, default=1, help="only one case of so many")
    return made


if __name__ == "__main__":
    main()
