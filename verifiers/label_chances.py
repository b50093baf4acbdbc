"""The chances of labels, as a judge's next token tells them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

Label = Annotated[str, Field(min_length=1)]


def _differ(labels: tuple[str, str]) -> tuple[str, str]:
    if labels[0] == labels[1]:
        raise ValueError(f"labels must be two that differ, got {labels[0]!r} twice; change one")
    return labels


TwoLabels = Annotated[tuple[Label, Label], AfterValidator(_differ)]


def label_chances(logprobs: Sequence[float], least_mass: float) -> list[float] | None:
    """The probability of each label among them all; None where their joint mass is zero or below `least_mass`.

    >>> label_chances([math.log(0.3), math.log(0.3)], 0.5), label_chances([math.log(0.2), math.log(0.2)], 0.5)
    ([0.5, 0.5], None)
    """
    chances = [math.exp(logprob) for logprob in logprobs]
    mass = math.fsum(chances)
    return [chance / mass for chance in chances] if mass > 0 and mass >= least_mass else None
