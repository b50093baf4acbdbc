"""Candidates as a test wants them, and verifiers that count or fail."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Literal

from pydantic import PrivateAttr

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Engine
from ponder.orchestrator.errors import VerifierError
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.types import Candidate, Finish, Query, Score, Usage
from ponder.orchestrator.verifier import Verifier


def candidate(
    answer: str | None, index: int, score: float | None = None, *, tokens: int = 5, text: str = ""
) -> Candidate:
    """A whole candidate, judged by ``judge``."""
    return Candidate(
        tokens=(index,),
        piece=text or f"#{index} says {answer}",
        finish=Finish.EOS,
        index=index,
        answer=answer,
        scores={"judge": Score(score)},
        usage=Usage(completion_tokens=tokens),
    )


def indices(candidates: Sequence[Candidate]) -> list[int]:
    return [each.index for each in candidates]


def context(engine: Engine | None = None, seed: int = 0, budget: Budget = Budget(), **others: Engine) -> Context:
    """The context of a run on one engine, and on others by their name."""
    engines = others if engine is None else {"generator": engine, **others}
    gates = {name: nullcontext() for name in engines}
    retries = Retries(first_wait_s=0.0)
    run = Run("test", engines, gates, Ledger(budget), Ledger(Budget()), Journal(Memory(), retries=retries), seed)
    return Context(run, "test")


class Counting(Verifier):
    """Gives each text the same score, and remembers what it was asked."""

    kind: Literal["counting"] = "counting"
    value: float | None = 1.0
    _asked: list[str] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[str]:
        return self._asked

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        self._asked.extend(each.text for each in candidates)
        return [Score(self.value)] * len(candidates)


class ByTable(Verifier):
    """Scores a text by a table, None where it is not in it."""

    kind: Literal["table"] = "table"
    table: dict[str, float]

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [Score(self.table.get(each.text)) for each in candidates]


class Failing(Verifier):
    """Cannot work at all, or not on one text; `is_recorded` has it asked about one candidate at a time."""

    kind: Literal["failing"] = "failing"
    on: str = ""
    alone: bool = False

    @property
    def is_recorded(self) -> bool:
        return self.alone

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if any(self.on in each.text for each in candidates):
            raise VerifierError("the judge must have its rubric, but it is gone; put it back")
        return [Score(0.5)] * len(candidates)
