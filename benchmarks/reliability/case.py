"""A case: what a user would do, and what is right; and the verdict on what happened.

right       the right answer, or an error of the right kind that names the thing in a few lines
confusing   an error that doesn't name it, or that comes from deep inside another library
silent      a wrong answer, or one where none can be right, without a word
crash       an error of a kind that no user can make anything of; also too much memory or time
lost        what the user had is gone
not there   the library has no such thing
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

RIGHT, CONFUSING, SILENT, CRASH, LOST, NOT_THERE = "right", "confusing", "silent", "crash", "lost", "not there"
VERDICTS = (RIGHT, CONFUSING, SILENT, CRASH, LOST, NOT_THERE)

MISTAKES = (ValueError, TypeError, OSError)
"""The kinds of errors that say what a user did wrong."""

LINES, LETTERS = 12, 2000
"""An error that is longer is not clear."""

DEEP = re.compile(r"site-packages/(torch|numpy|pydantic|yaml|safetensors|PIL)/")
"""Where an error comes from that no user of this library should see as it is."""

Check = Callable[[Any], object]
"""Whether an answer is right."""


class Right(NamedTuple):
    """What is right: an answer that passes `check`, an error with all of `words`, or a warning with them beside the answer."""

    check: Check | None = None
    words: tuple[str, ...] | None = None
    warning: bool = False
    kinds: tuple[type[Exception], ...] = MISTAKES


def answers(check: Check = lambda answer: True) -> Right:
    """An answer that passes `check`; no error will do."""
    return Right(check)


def refuses(*words: str, also: tuple[type[Exception], ...] = ()) -> Right:
    """An error that names `words`; no answer will do. `also`: further kinds of errors that are meant."""
    return Right(None, words, kinds=(*MISTAKES, *also))


def either(check: Check, *words: str) -> Right:
    """The right answer, or an error that names `words`."""
    return Right(check, words)


def warns(*words: str, check: Check = lambda answer: True) -> Right:
    """A warning that names `words`, beside the right answer, or an error that names them."""
    return Right(check, words, warning=True)


@dataclass(frozen=True)
class Case:
    """Of an `area`, in plain words (`name`): `run` it in an empty folder. `kept`: whether what the user had is still there.

    `needs`: the part of the library that it is about, such as ``CausalModel.do.particles``, where it was not always there.
    """

    area: str
    name: str
    run: Callable[[], Any]
    right: Right
    needs: str = ""
    kept: Callable[[], bool] = lambda: True


class Verdict(NamedTuple):
    """One of `VERDICTS`, and in words why."""

    word: str
    why: str = ""


def of_answer(right: Right, answer: object, warned: list[str]) -> Verdict:
    """The verdict on an answer that came with what was `warned`."""
    if right.check is None:
        return Verdict(SILENT, "accepted")
    if right.warning and not any(_names(right.words or (), text) for text in warned):
        return Verdict(SILENT, "no warning")
    return Verdict(RIGHT) if right.check(answer) else Verdict(SILENT, "a wrong answer")


def of_error(right: Right, error: BaseException) -> Verdict:
    """The verdict on an error."""
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, right.kinds) or isinstance(error, MemoryError):
        return Verdict(CRASH, text)
    if right.words is None:
        return Verdict(CONFUSING, f"an answer was expected: {text}")
    clear = _names(right.words, str(error)) and not _is_deep(error) and _is_short(str(error))
    return Verdict(RIGHT) if clear else Verdict(CONFUSING, text)


def _names(words: tuple[str, ...], text: str) -> bool:
    return all(word.lower() in text.lower() for word in words)


def _is_short(text: str) -> bool:
    return len(text.splitlines()) <= LINES and len(text) <= LETTERS


def _is_deep(error: BaseException) -> bool:
    """Whether it was raised within another library; what names a file is clear all the same."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    named = isinstance(error, OSError) and error.filename is not None
    return trace is not None and not named and bool(DEEP.search(trace.tb_frame.f_code.co_filename))
