"""``python -m causalimg`` is the command line."""

from causalimg.cli import main

main()
