"""Processes of a test are found by a text that stands on their command lines."""

from __future__ import annotations

import secrets

import pytest


@pytest.fixture
def marker() -> str:
    """A text that is on no other command line, whoever else runs these tests."""
    return f"marker-{secrets.token_hex(8)}"
