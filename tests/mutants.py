"""Mutation testing: which share of small changes of the code do the tests notice? A sample takes an hour; not part of the suite.

    python tests/mutants.py --sample 100 --seed 0

The changes are cosmic-ray's (an operator, a comparison, a number, a condition), without those of ``|``, which are mostly in
annotations and fail at import. They are made in a copy of the checkout. A mutant survives if the tests of its part pass.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome

ROOT = Path(__file__).parent.parent
TESTS = {
    "mechanisms": ("mechanisms", "hvae", "edited", "flow", "flow_matching", "gumbel", "linear_gaussian", "ode"),
    "guidance": ("guidance", "flow_matching", "ode"),
}
"""By package, the tests that speak of it."""

LONGEST = 600
"""Seconds after which a mutant counts as noticed: it does not end."""


def main(sample: int, seed: int) -> None:
    """Print every mutant that survives, and the score."""
    copy = Path(tempfile.mkdtemp()) / "causalimg"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "out", "demo", "__pycache__"))
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    for package in TESTS:
        subprocess.run(command(package), shell=True, check=True, capture_output=True)  # the tests pass unchanged
    chosen = random.Random(seed).sample(mutations(copy), sample)
    survivors = []
    for number, mutation in enumerate(chosen, start=1):
        package = mutation.module_path.parent.name
        result = mutate_and_test([mutation], command(package), LONGEST)
        if result.test_outcome == TestOutcome.SURVIVED:
            survivors.append(mutation)
            print(f"survived: {mutation.module_path}, {mutation.definition_name}\n{result.diff}", flush=True)
        print(f"{number} of {sample}, {len(survivors)} survived", file=sys.stderr, flush=True)
    print(f"score: {sample - len(survivors)} of {sample} noticed ({1 - len(survivors) / sample:.0%}), seed {seed}")


def command(package: str) -> str:
    """The tests of `package`, which stop at the first that fails."""
    files = " ".join(f"tests/test_{name}.py" for name in TESTS[package])
    return f"{sys.executable} -m pytest -x -q -p no:cacheprovider -p no:cov {files}"


def mutations(copy: Path) -> list[MutationSpec]:
    """All of the packages, in a fixed order."""
    paths = [path for package in TESTS for path in sorted((copy / "causalimg" / package).glob("*.py"))]
    with use_db(str(copy / "mutants.sqlite"), WorkDB.Mode.create) as db:
        init([path.relative_to(copy) for path in paths], db, {})
        return sorted(_without_unions(item.mutations[0] for item in db.work_items), key=_place)


def _without_unions(found: Iterable[MutationSpec]) -> list[MutationSpec]:
    return [mutation for mutation in found if "BitOr" not in mutation.operator_name]


def _place(mutation: MutationSpec) -> tuple[str, str, int]:
    return str(mutation.module_path), mutation.operator_name, mutation.occurrence


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
