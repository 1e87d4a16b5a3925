"""Answers in bulk: exactly one for each row, whichever worker dies and however often it is asked."""

from causalimg.generation.balance import Balance as Balance
from causalimg.generation.balance import balance as balance
from causalimg.generation.bulk import generate as generate
