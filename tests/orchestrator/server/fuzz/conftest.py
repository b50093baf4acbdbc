"""Fuzzing asks the same servers as the tests beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """The fuzzed server, which must be at rest in the end."""
    from fuzzed_server import Fuzzed, served

    fuzzed = Fuzzed(served())
    with fuzzed.running():
        yield fuzzed
        fuzzed.check_rest()
