"""What a check says when it fails."""

from __future__ import annotations


def require(holds: bool, rule: str, got: object = "") -> None:
    """Fail unless `holds`, saying the rule and what came instead; unlike ``assert``, also under ``python -O``.

    Raises:
        AssertionError: it does not hold.
    """
    if not holds:
        raise AssertionError(f"{rule}; got {got}" if got != "" else rule)
