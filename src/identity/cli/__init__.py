"""The command line: `identity …`, one module a family of verbs."""

from identity.cli.app import exit_code_of, main

__all__ = ["exit_code_of", "main"]
