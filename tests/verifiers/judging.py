"""Judging a few texts with a verifier, the way a run does."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Engine
from ponder.orchestrator.journal import Journal, Memory
from ponder.orchestrator.types import Candidate, Finish, Query, Score
from ponder.orchestrator.verifier import Verifier


def candidate(text: str, index: int = 0) -> Candidate:
    return Candidate((), text, Finish.EOS, index=index)


def context(engines: Mapping[str, Engine] | None = None, budget: Budget = Budget()) -> Context:
    gates = {name: nullcontext() for name in engines or {}}
    return Context(Run("task", engines or {}, gates, Ledger(budget), Ledger(Budget()), Journal(Memory())), "test")


async def judged(
    verifier: Verifier, texts: Sequence[str], reference: str | None, ctx: Context | None = None, ask: str = "?"
) -> list[Score]:
    query = Query.ask(ask, reference=reference)
    candidates = [candidate(text, index) for index, text in enumerate(texts)]
    scored = await (ctx or context()).score(query, candidates, verifier)
    return [each.scores[verifier.name] for each in scored]


def judge(verifier: Verifier, texts: Sequence[str], reference: str | None) -> list[float | None]:
    return [score.value for score in asyncio.run(judged(verifier, texts, reference))]
