"""`python -m services.pipeline.matching`: what tries the matching on files, as a process of its own beside the service."""

from __future__ import annotations

import argparse
import sys

from services.pipeline.matching import evaluate_command


def main() -> None:
    """Runs one command; what is wrong with its input ends it with a sentence."""
    parser = argparse.ArgumentParser(prog="leadflow match")
    commands = parser.add_subparsers(dest="command", required=True)
    evaluation = commands.add_parser("evaluate", help="how well people are matched on files whose truth is known")
    evaluate_command.add_arguments(evaluation)
    evaluation.set_defaults(run=evaluate_command.run)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except ValueError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
