"""What a tree of thoughts asks for: next steps, a word about a state, a vote among states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ..orchestrator.prompting import FENCED

PROPOSE = f"""{{question}}

The beginning of an answer, which may still be empty, follows. {FENCED}

{{answer}}

Write {{count}} different next steps that could follow it, each on a line of its own, and nothing else."""
VALUE = f"""{{question}}

The beginning of an answer follows. {FENCED}

{{answer}}

Can it still lead to the right answer? Think in a few lines. Then write a last line that holds nothing but one of \
[sure], [likely] and [impossible]."""
VOTE = f"""{{question}}

Beginnings of answers follow. {FENCED}

{{responses}}

Which of them is the most likely to lead to the right answer? Compare them in a few lines. Then write a last line that \
holds nothing but its number in square brackets."""
Words = Annotated[Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(min_length=1)]
VALUES = {"sure": 20.0, "likely": 1.0, "impossible": 0.001}
"""What the words are worth to Yao et al. (2023)."""
