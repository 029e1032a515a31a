"""`python -m services.scoring.learning`: what learns, as a process of its own beside the service."""

from __future__ import annotations

import argparse
import sys

from services.scoring.learning import evaluate_command, train_command
from shared.kit.errors import LeadflowError


def main() -> None:
    """Runs one command; what is wrong with its input ends it with a sentence."""
    parser = argparse.ArgumentParser(prog="leadflow scoring")
    commands = parser.add_subparsers(dest="command", required=True)
    evaluation = commands.add_parser("evaluate", help="how well the learner does on a file")
    evaluate_command.add_arguments(evaluation)
    evaluation.set_defaults(run=evaluate_command.run)
    training = commands.add_parser("train", help="learn from how leads ended, as scoring's database has it")
    train_command.add_arguments(training)
    training.set_defaults(run=train_command.run)
    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (ValueError, LeadflowError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
