"""Attempts at abacus problems by the embedded generator, read by the embedded reward model, on real vLLM."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.data.abacus import final_answer
from ponder.orchestrator.data.sources import AbacusData
from ponder.orchestrator.engines.vllm import VLLMSpec
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.types import Candidate, Query
from ponder.strategies import BestOfN
from ponder.verifiers import ProcessReward

ENGINES = {
    "generator": VLLMSpec(model="abacus-generator", max_in_flight=256, core=0),
    "reward": VLLMSpec(model="abacus-prm", runner="pooling", max_in_flight=256, core=1),
}
AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: what was asked and written, the right answer, and the reward of each step."""

    prompt: str
    text: str
    reference: str
    rewards: tuple[float, ...]

    @property
    def answer(self) -> str | None:
        return final_answer(self.text)

    @property
    def is_right(self) -> bool:
        return self.answer == self.reference


def drawn(problems: int, attempts: int, journal: Path) -> list[list[Attempt]]:
    """`attempts` attempts at each of `problems` problems of 1 to 8 steps; what `journal` holds is not drawn."""
    return asyncio.run(_drawn(AbacusData(size=problems, steps=(1, 2, 3, 4, 5, 6, 7, 8)).load(), attempts, journal))


async def _drawn(queries: list[Query], attempts: int, journal: Path) -> list[list[Attempt]]:
    strategy = BestOfN(n=attempts, max_tokens=128, verifier=ProcessReward())
    places = asyncio.Semaphore(AT_ONCE)
    journal.parent.mkdir(parents=True, exist_ok=True)
    file = JournalFile(journal)
    try:
        run = file.open_run("flaws", {"attempts": attempts, "problems": len(queries)})
        async with Runtime(ENGINES, store=file, run=run) as runtime:

            async def one(query: Query) -> list[Attempt]:
                async with places:
                    done = await runtime.execute(Task(id=query.id, strategy=strategy, query=query), Budget())
                in_order = sorted(done.result.candidates, key=lambda candidate: candidate.index)
                return [_attempt(query, candidate) for candidate in in_order]

            return list(await asyncio.gather(*map(one, queries)))
    finally:
        file.close()


def _attempt(query: Query, candidate: Candidate) -> Attempt:
    rewards = candidate.scores["process_reward"].steps
    return Attempt(query.messages[-1].content, candidate.text, query.reference or "", rewards)
