"""The score of a rule: right, wrong, or why it cannot tell."""

from __future__ import annotations

from ..orchestrator.types import Score


def rule_score(value: float | None, detail: str = "") -> Score:
    """1.0 or 0.0, or None with the reason."""
    return Score(value, kind="exact", scale="binary", detail=detail)
