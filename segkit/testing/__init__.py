"""The contract of every kind of part, as checks that built-in parts and plugins pass alike."""

from segkit.testing.check import Check, ContractError, Outcome, Subject, require
from segkit.testing.collect import checks_for, part_checks, plugin_checks

__all__ = [
    "Check", "ContractError", "Outcome", "Subject", "checks_for", "part_checks", "plugin_checks", "require",
]  # fmt: skip
