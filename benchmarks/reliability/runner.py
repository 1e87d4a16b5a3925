"""Cases run: each in a process and a folder of its own, within limits of memory and time, so that none can harm another."""

import inspect
import json
import os
import resource
import select
import signal
import tempfile
import warnings
from pathlib import Path

import causalimg
from benchmarks.reliability.case import CRASH, LOST, NOT_THERE, Case, Verdict, of_answer, of_error

SECONDS = 40
BYTES = 2 * 10**9
"""What a case may take: of time, and of memory beyond what it begins with."""

LONGEST = 10_000
"""So many letters of a verdict's reason are kept: a pipe holds no more at once."""


def verdict(case: Case) -> Verdict:
    """What the library makes of `case`, tried in a process of its own."""
    if case.needs and not is_there(case.needs):
        return Verdict(NOT_THERE)
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, that processes with threads should not fork
        child = os.fork()
        if not child:
            _child(case, Path(folder), writing)
        os.close(writing)
        try:
            return _answer_of(child, reading)
        finally:
            os.close(reading)


def is_there(path: str) -> bool:
    """Whether the library has it: attributes, and in the end an argument, joined by dots."""
    *owners, last = path.split(".")
    found = causalimg
    for name in owners:
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return hasattr(found, last) or (callable(found) and last in inspect.signature(found).parameters)


def tried(case: Case) -> Verdict:
    """The verdict on `case`, tried here and now."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            found = of_answer(case.right, case.run(), [str(one.message) for one in seen])
        except BaseException as error:  # whatever it is, it has a verdict
            if str(error).startswith("module 'causalimg' has no attribute"):
                return Verdict(NOT_THERE)
            found = of_error(case.right, error)
    return found if case.kept() else Verdict(LOST, found.why)


def _child(case: Case, folder: Path, writing: int) -> None:
    """Try `case`, write the verdict, and be gone."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(folder)
    _limit_memory()
    try:
        found = tried(case)
    except BaseException as error:
        found = Verdict(CRASH, f"the case itself: {error!r}")
    os.write(writing, json.dumps(found._replace(why=found.why[:LONGEST])).encode())
    os._exit(0)


def _limit_memory() -> None:
    """Of this process, where the system says how much it has."""
    sizes = Path("/proc/self/statm")
    if sizes.exists():
        now = int(sizes.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + BYTES, now + BYTES))


def _answer_of(child: int, reading: int) -> Verdict:
    """What `child` wrote, or that it was too slow, or died."""
    ready, _, _ = select.select([reading], [], [], SECONDS)
    told = os.read(reading, 65_536) if ready else b""
    if not told:
        os.killpg(child, signal.SIGKILL) if not ready else None
    os.waitpid(child, 0)
    if told:
        return Verdict(*json.loads(told))
    return Verdict(CRASH, "the process died" if ready else f"no end after {SECONDS} s")
