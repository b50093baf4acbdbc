"""How one test of a program went."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import Literal

from ...orchestrator.code_tests import AnyCodeTest
from .called_program import Answer
from .plain_comparison import spelled

SHOWN = 80
"""Most characters of a value in a note."""
Outcome = Literal["pass", "fail", "timeout", "memory", "crash", "no_output"]
WORDS = {
    "timeout": "it took too long",
    "memory": "it took too much memory",
    "crash": "it ended",
    "no_output": "it returned nothing that can be read",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one test went; `note` says more where the test is public, and what it asks for nowhere else.

    `error` is the built-in error that a crash ended with. The name of another is the program's own, and might tell what
    a test asks.
    """

    outcome: Outcome
    note: str = ""
    error: str = ""

    @property
    def told(self) -> str:
        """The note, or the outcome and its error."""
        return self.note or self.outcome + (f" ({self.error})" if self.error else "")


def failure(test: AnyCodeTest, outcome: Outcome, note: str, error: str = "") -> Verdict:
    """A verdict that tells of its test only where that is public."""
    known = getattr(builtins, error, None) if outcome == "crash" else None
    is_built_in = isinstance(known, type) and issubclass(known, BaseException)
    return Verdict(outcome, note if test.is_public else "", error if is_built_in else "")


def outcome_of(answer: Answer) -> Outcome:
    """The outcome of a test that the answer does not pass."""
    return "fail" if answer.status == "returned" else answer.status


def told(answer: Answer) -> str:
    """What came of a call, in words."""
    if answer.status == "returned":
        return f"it returned {cut(spelled(answer.form))}"
    if answer.error:
        return f"it raised {answer.error}: {answer.text}".rstrip(": ")
    return f"{WORDS[answer.status]}{f': {answer.text}' if answer.text else ''}"


def cut(text: str) -> str:
    """The text, or its start."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
