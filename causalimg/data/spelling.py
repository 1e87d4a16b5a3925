"""When two names are the same: Unicode writes one letter in several ways, and spreadsheets add what doesn't show."""

import re
import unicodedata

ENDS = re.compile(r"^[\s\u200b\u200e\u200f\u2060\ufeff]+|[\s\u200b\u200e\u200f\u2060\ufeff]+$")
"""Spaces, and the marks without width that come along when text is copied."""


def plain(text: str) -> str:
    """`text` as names are compared: in NFC, without what doesn't show at its ends."""
    return ENDS.sub("", unicodedata.normalize("NFC", text))


def folded(text: str) -> str:
    """`text` such that those differ which no hand wrote for the same: without spaces, in one case."""
    return "".join(unicodedata.normalize("NFKC", plain(text)).casefold().split())
