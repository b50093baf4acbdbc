"""Workers on one common text, on real vLLM: its prefix cache carries the text, token for token."""

from __future__ import annotations

from typing import Any

import pytest
from real_vllm import asked

from ponder.orchestrator.engine import Completion, Request, Watch
from ponder.orchestrator.engines.vllm import VLLMEngine
from ponder.orchestrator.journal import Memory
from ponder.orchestrator.reopening import reopened
from ponder.orchestrator.run_state import Watcher, Written
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.types import Candidate, Query
from ponder.strategies import Hogwild

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="session")]
BLOCK, OPENING = 32, len("w1 10: ")
KNOBS = {
    "instructions": "",
    "names": ("w1", "w2", "w3"),
    "opening": "{name} {step}: ",
    "greetings": ("",),
    "step_ends": ("\n",),
    "cue_tokens": 0,
    "answer_opens": "= ",
    "answer_ends": "?",
    "finisher": "so ",
    "finisher_tokens": 8,
    "quorum": 0,
    "workers": 3,
    "step_tokens": 48,
    "max_tokens": 110,
    "temperature": 1.5,
}


class Recorded:
    """The session's engine, which stays open, and what it was asked and gave in the order of the calls."""

    def __init__(self, engine: VLLMEngine) -> None:
        self._engine = engine
        self.calls: list[tuple[Request, Completion]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def close(self) -> None:
        pass

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        place = len(self.calls)
        self.calls.append((request, Completion((), "", finish="error", usage=None)))  # type: ignore[arg-type]
        done = await self._engine.complete(request, watch)
        self.calls[place] = (request, done)
        return done


@pytest.mark.parametrize("layout", ["steps", "fork_join"])
async def test_the_prefix_cache_carries_the_text_token_for_token(generator: VLLMEngine, layout: str) -> None:
    engine, heard, store = Recorded(generator), list[Written](), Memory()
    question = Query(id="q", messages=asked("what do we get? " + layout).messages)
    task = Task(id="t", strategy=Hogwild(layout=layout, **KNOBS), query=question)
    async with Runtime({"generator": engine}, store=store) as runtime:  # type: ignore[dict-item]
        done = await runtime.execute(task, task.budget, Watcher(wrote=heard.append))
        calls = list(engine.calls)
        again = await runtime.execute(task, task.budget)
    assert done.result.stopped == "done" and again.result == done.result and len(engine.calls) == len(calls)

    best = done.result.best
    assert best is not None
    common = next(node for node in best.path() if node.tokens).tokens
    for request, made in calls[:-1]:
        before = request.prompt.tokens
        opening = await engine.encode(before_own(request, heard))
        assert common[: len(before) - len(opening)] == before[: len(before) - len(opening)]
        step = reopened(Candidate(made.tokens, made.text, made.finish)).tokens
        assert not step or holds(common, (*opening, *step)) or made.text == ""

    usages = [made.usage for _, made in calls]
    read_anew = sum(usage.prompt_tokens - usage.cached_tokens for usage in usages)
    assert usages[0].cached_tokens == 0
    assert read_anew <= usages[0].prompt_tokens + len(common) + len(calls) * (BLOCK + OPENING)
    assert sum(usage.cached_tokens for usage in usages) > 0
    assert sum(each.tokens for each in heard) == sum(usage.completion_tokens for usage in usages[:-1])


def before_own(request: Request, heard: list[Written]) -> str:
    """The words that open the step which a request asks for."""
    said = {each.text for each in heard if each.kind == "said"}
    return max((words for words in said if request.prompt.text.endswith(words)), key=len)


def holds(whole: tuple[int, ...], part: tuple[int, ...]) -> bool:
    """Whether the ids stand somewhere in others, in a row."""
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))
