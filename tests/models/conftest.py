"""Parts for one test."""

import pytest


@pytest.fixture
def part(monkeypatch):
    """Registers a part for one test."""

    def register(registry, factory, **traits):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
        registry.register(factory.__name__, **traits)(factory)

    return register
