"""Does a mechanism keep the contract? For those who write their own, and for ours."""

from causalimg.testing.check import check_mechanism as check_mechanism
