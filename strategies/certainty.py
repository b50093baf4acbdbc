"""How certain a chain of thought is of its answer: what probes of it answered, and whether they doubted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..orchestrator.types import Candidate, Finish


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of thought, and what its latest probes answered; None where one doubted or gave no answer."""

    node: Candidate
    answers: tuple[str | None, ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether only its length has ended it so far."""
        return self.node.finish in (Finish.STEP_LENGTH, Finish.TOTAL_LENGTH)

    def is_certain(self, agreeing: int) -> bool:
        """Whether the last `agreeing` probes gave one and the same answer."""
        latest = self.answers[-agreeing:]
        return len(latest) == agreeing and None not in latest and len(set(latest)) == 1


def hesitates(text: str, words: Sequence[str]) -> bool:
    """Whether one of `words` stands in a text as a whole word, in any case.

    >>> hesitates("5} but", ["but"]), hesitates("5} since the denominator is 3", ["no"]), hesitates("wait", [])
    (True, False, False)
    """
    doubt = "|".join(map(re.escape, words))
    return bool(doubt) and re.search(rf"(?<!\w)(?:{doubt})(?!\w)", text, re.IGNORECASE) is not None
