"""The command line: from files alone to a judged counterfactual. ``causalimg --help`` lists the commands."""

from causalimg.cli.app import main as main
