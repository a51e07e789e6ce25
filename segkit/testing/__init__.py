"""Contract checks for every kind of part, shared by built-in parts and plugins."""

from segkit.testing.check import Check, ContractError, Outcome, Subject, require, run_checks
from segkit.testing.collect import checks_for, part_checks, plugin_checks

__all__ = [
    "Check", "ContractError", "Outcome", "Subject", "checks_for", "part_checks", "plugin_checks", "require",
    "run_checks",
]  # fmt: skip
