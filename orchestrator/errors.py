"""Every error ponder raises on purpose, as one tree.

::

    PonderError
    ├── UsageError             what was asked cannot be done: bad value, unknown name, missing file
    │   └── ShapeError         a pipeline that cannot work: node, rule and remedy
    ├── BudgetExceeded         a reservation that can never fit
    ├── EngineError
    │   ├── EngineUnavailable  unreachable, dead, overloaded or too slow: worth another try
    │   └── EngineRefused      the engine will never do this: not worth another try
    ├── VerifierError          a verifier that cannot work (one that cannot tell scores None instead)
    └── JournalError           the journal cannot be read, written or replayed

Each message says what must hold, what came, and what to do.
"""

from __future__ import annotations

from pydantic import ValidationError


class PonderError(Exception):
    """The root of the tree; catch it to catch everything ponder raises on purpose."""


class UsageError(PonderError):
    """What was asked for cannot be done as asked.

    No `ValueError`, so that pydantic lets it through unchanged.
    """

    @classmethod
    def from_validation(cls, what: str, error: ValidationError) -> UsageError:
        """Fold a pydantic error into one paragraph naming each field, the rule and the value that came."""
        problems = []
        for issue in error.errors(include_url=False, include_context=False):
            field = ".".join(str(part) for part in issue["loc"]) or "value"
            reason = issue["msg"].removeprefix("Value error, ")
            if not issue["loc"] and issue["type"] == "value_error":  # a rule about several fields says all itself
                problems.append(reason)
                continue
            given = f" (got {_shown(issue['input'])})" if issue["type"] != "missing" else ""
            problems.append(f"{field}: {reason}{given}, {_REMEDIES.get(issue['type'], 'change it')}")
        return cls(f"{what} is not valid: {'; '.join(problems)}")


class ShapeError(UsageError):
    """A pipeline that cannot work, found before it runs.

    Args:
        node: the node's name.
        rule: what must hold.
        remedy: what to change.
    """

    def __init__(self, node: str, rule: str, remedy: str) -> None:
        super().__init__(f"node {node!r}: {rule}; {remedy}")
        self.node = node
        self.rule = rule
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[ShapeError], tuple[str, str, str]]:
        return ShapeError, (self.node, self.rule, self.remedy)


class BudgetExceeded(PonderError):
    """A reservation that cannot fit, now or after every outstanding one is settled.

    Args:
        dimension: the dimension of the budget that is short, e.g. ``total_tokens``.
        wanted: the upper bound of what was asked.
        left: what the budget still holds in that dimension.
    """

    def __init__(self, dimension: str, wanted: float, left: float) -> None:
        super().__init__(f"{dimension}: may need {wanted:.15g}, {left:.15g} left; raise the budget's {dimension}")
        self.dimension = dimension
        self.wanted = wanted
        self.left = left

    def __reduce__(self) -> tuple[type[BudgetExceeded], tuple[str, float, float]]:
        return BudgetExceeded, (self.dimension, self.wanted, self.left)


class EngineError(PonderError):
    """An engine did not do what it was asked."""


class EngineUnavailable(EngineError):
    """The engine is unreachable, dead, overloaded or too slow; the same call may succeed later.

    Args:
        message: what happened.
        retry_after_s: seconds to wait, where the engine said so.
        is_free: True where it is certain that the call cost nothing; otherwise it is charged in full.
    """

    def __init__(self, message: str, retry_after_s: float | None = None, is_free: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_free = is_free

    def __reduce__(self) -> tuple[type[EngineUnavailable], tuple[str, float | None, bool]]:
        return EngineUnavailable, (str(self), self.retry_after_s, self.is_free)


class EngineRefused(EngineError):
    """The engine will never do this call; trying again is of no use."""


class VerifierError(PonderError):
    """A verifier cannot work at all. One that merely cannot tell returns ``Score(None)``."""


class JournalError(PonderError):
    """The journal cannot be read, written or replayed."""


_REMEDIES = {"extra_forbidden": "remove it or mend its name", "missing": "add it"}


def _shown(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."
