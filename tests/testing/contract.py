"""Contract checks of parts that are not registered."""

import re

import pytest

from segkit.core.registry import REGISTRIES, entry_of
from segkit.testing import ContractError, part_checks
from segkit.testing.collect import CONTRACTS, GENERAL_CHECKS


def checks_of(kind, factory, traits=None, **options):
    """The checks of a part by name, without those of its docstring and defaults."""
    entry = entry_of(REGISTRIES[kind], "part", factory, traits=traits)
    checks = part_checks(entry, options)
    return {check.function.__name__: check for check in checks if check.function not in GENERAL_CHECKS[:2]}


def assert_passes(kind, factory, traits=None, **options):
    for check in checks_of(kind, factory, traits, **options).values():
        check()


def assert_caught(kind, name, factory, message, traits=None):
    """The check fails with this text in its message, where "..." matches anything."""
    pattern = ".*".join(map(re.escape, message.split("...")))
    with pytest.raises(ContractError, match=f"(?s){pattern}"):
        checks_of(kind, factory, traits)[name]()


def assert_complete(kind, broken):
    """Every check of a contract catches a broken part."""
    assert {name for name, *_ in broken} == {function.__name__ for function in CONTRACTS[kind][1]}
