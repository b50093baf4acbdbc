"""A draw that is watched tells how far it has come; neither that nor a prompt's salt changes what is drawn."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.cluster.mailbox import Answer, Call, Tray
from ponder.orchestrator.context import Ask, Context, Run
from ponder.orchestrator.draw import Draw
from ponder.orchestrator.engine import Progress, Prompt, Request, Sampling
from ponder.orchestrator.engines.byte_vocabulary import encode
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import GARBAGE, Faults
from ponder.orchestrator.errors import EngineUnavailable
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.telling import Telling
from ponder.orchestrator.types import Message, Query, Usage

QUERY = Query.ask("Problem 3?")
GREEDY = Sampling(temperature=0, max_tokens=60)
PROMPT = Prompt((Message(role="user", content="Problem 3?"),))


def context(spec: SimulatedSpec = SimulatedSpec(), store: Memory | None = None) -> Context:
    journal = Journal(store or Memory(), retries=Retries(first_wait_s=0.0))
    engines, gates = {"generator": spec.open()}, {"generator": nullcontext()}
    return Context(Run("task", engines, gates, Ledger(Budget()), Ledger(Budget()), journal), "a")


@pytest.mark.parametrize("token_latency_s", [0.0, 1e-6])
async def test_a_watch_hears_every_token_and_the_whole_text(token_latency_s: float) -> None:
    heard: list[Progress] = []
    ctx = context(SimulatedSpec(token_latency_s=token_latency_s))
    ((watched,),) = await ctx.draw([Ask(QUERY, GREEDY, watch=heard.append)])
    ((alone,),) = await context().draw([Ask(QUERY, GREEDY)])
    assert watched == alone
    assert "".join(each.text for each in heard) == watched.text
    counts = [each.tokens for each in heard]
    whole = watched.usage.completion_tokens
    assert counts == (list(range(1, whole + 1)) if token_latency_s else [whole])


async def test_a_draw_that_is_found_tells_nothing() -> None:
    store, heard = Memory(), list[Progress]()
    await context(store=store).draw([Ask(QUERY, GREEDY)])
    ((found,),) = await context(store=store).draw([Ask(QUERY, GREEDY, watch=heard.append)])
    assert found.text and not heard


async def test_an_engine_that_does_not_stream_is_asked_without_a_watch() -> None:
    heard: list[Progress] = []
    engine = SimulatedSpec(streams=False)
    assert not engine.open().capabilities.streams
    ((drawn,),) = await context(engine).draw([Ask(QUERY, GREEDY, watch=heard.append)])
    assert drawn.text and not heard


async def test_asks_that_differ_in_salt_alone_share_their_draws() -> None:
    store = Memory()
    faults = Faults(garbage=0.5, cut=0.5, seed=3)
    ((plain,),) = await context(SimulatedSpec(faults=faults), store).draw([Ask(QUERY, GREEDY)])
    ((found,),) = await context(SimulatedSpec(faults=faults), store).draw([Ask(QUERY, GREEDY, salt="mine")])
    ((fresh,),) = await context(SimulatedSpec(faults=faults)).draw([Ask(QUERY, GREEDY, salt="mine")])
    assert plain == found == fresh


def test_over_all_attempts_the_count_never_falls_and_no_text_is_told_twice() -> None:
    heard: list[Progress] = []
    telling = Telling(heard.append)
    first = telling.anew()
    first(Progress(1, "ab"))
    first(Progress(3, "cd"))
    second = telling.anew()
    second(Progress(1, "ab"))
    second(Progress(2, "c"))
    second(Progress(4, "de"))
    assert heard == [Progress(1, "ab"), Progress(3, "cd"), Progress(4, "e")]
    telling.check(4)
    with pytest.raises(EngineUnavailable, match=r"as long as it had told \(4 tokens\), but has 3"):
        telling.check(3)


async def test_an_attempt_that_is_shorter_than_what_was_told_is_no_answer() -> None:
    engine = SimulatedSpec().open()
    heard: list[Progress] = []
    draw = Draw(engine, Request(PROMPT, GREEDY, 0), Usage(100, 0, 100), "generator", heard.append)
    value, _ = await draw.call()
    assert draw.known(value).usage.completion_tokens == heard[-1].tokens == 43
    draw._request = replace(draw._request, sampling=Sampling(temperature=0, max_tokens=20))
    with pytest.raises(EngineUnavailable, match=r"43 tokens\), but has 20"):
        await draw.call()


async def test_a_character_of_several_tokens_is_told_whole() -> None:
    heard: list[Progress] = []
    engine = SimulatedSpec(token_latency_s=1e-6, faults=Faults(garbage=1.0)).open()
    spelt = encode(GARBAGE)
    done = await engine.complete(Request(PROMPT, Sampling(max_tokens=len(spelt)), 0), heard.append)
    assert "".join(each.text for each in heard) == done.text == GARBAGE
    assert [each.tokens for each in heard] == list(range(1, len(spelt) + 1))
    assert [each.text for each in heard[:3]] == ["", "", GARBAGE[0]]


async def test_two_draws_are_told_apart_as_they_go() -> None:
    heard: list[tuple[str, int]] = []
    asks = [
        Ask(QUERY, GREEDY, watch=lambda told: heard.append(("a", told.tokens))),
        Ask(Query.ask("Problem 4?"), GREEDY, watch=lambda told: heard.append(("b", told.tokens))),
    ]
    await context(SimulatedSpec(token_latency_s=0.001)).draw(asks)
    names = [name for name, _ in heard]
    assert names.index("b") < len(names) - 1 - names[::-1].index("a"), "both go on side by side"
    for name in "ab":
        assert [count for each, count in heard if each == name] == list(range(1, 44))


async def test_what_calls_tell_travels_with_the_answers() -> None:
    told = asyncio.Event()

    async def count(argument: int, tell=None) -> int:
        for i in range(argument):
            if tell is not None:
                tell(i)
        if argument == 3:
            await told.wait()
        return argument

    tray = Tray({"count": count})
    tray.post("me", [Call(0, "count", 3, is_watched=True), Call(1, "count", 2)], [])
    first = await tray.collect("me")
    assert first == [*(Answer(0, i, is_end=False) for i in range(3)), Answer(1, 2)]
    told.set()
    assert await tray.collect("me") == [Answer(0, 3)]
