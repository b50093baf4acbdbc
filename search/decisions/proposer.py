"""What suggests compositions to measure next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..problem import Problem
from .evidence import Evidence


class Proposer(Protocol):
    """A source of compositions worth measuring; whoever asks decides which of them are, and on which items."""

    def propose(
        self, problem: Problem, evidence: Evidence, incumbents: Sequence[int], rng: np.random.Generator
    ) -> list[int]:
        """The numbers of compositions, most wanted first, none twice; empty where it has nothing to suggest.

        Args:
            problem: what may be chosen.
            evidence: all that was measured.
            incumbents: numbers of the best so far, one a level or fewer.
            rng: all chance in the proposals.
        """
