"""Sessions of a real model: text and cache agree, a cache made anew is equal, and what is told is what was computed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from recorded_passes import Board, hosted, recording

from ponder.orchestrator.budget import amounts
from ponder.orchestrator.engine import Advance, Advanced, Prompt, Request, Sampling
from ponder.orchestrator.engines.shared_cache.host import Host
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.sharing import most_of
from ponder.orchestrator.types import Finish, Message, Usage
from ponder.orchestrator.workspace import LAYOUTS, Committed, Drawn, Layout, Left, Opening, Said, Separator, Workspace

MIXED = Layout(view=("private", Separator(text="then:"), "history", "others"), commits=True)
PRIVATE = ("be quick", "", "add first.", "")


def space(layout: Layout, workers: int, room: int = 400, text: str = "what is 12+12-7?") -> Workspace:
    messages = (Message(role="user", content=text),)
    return Workspace.opened(Opening(messages, layout, (PRIVATE * 4)[:workers], room))


async def advanced(
    host: Host, at: Workspace, samplings: list[Sampling | None], session: str = "s", *, again: bool = False
) -> tuple[Advanced, Workspace]:
    seeds = tuple(range(100, 100 + at.opening.workers))
    request = Advance(session, at, tuple(samplings), seeds, again)
    done = await host.advance(request)
    most = most_of(request, host.opened(at.opening), host._settings.meter)
    assert all(spent <= bound for spent, bound in zip(amounts(done.usage), amounts(most), strict=True))
    return done, at.then(Drawn(done.tokens, tuple(i for i, f in enumerate(done.finishes) if f is Finish.EOS)))


def varied(random: Random, at: Workspace, present: list[int], words: list[int]) -> Workspace:
    """Some things happen: words are said, steps become history, a worker leaves."""

    def some() -> tuple[int, ...]:
        return tuple(random.choices(words, k=random.randint(1, 9)))

    for worker in tuple(present):
        what = random.random()
        if what < 0.3 and at.opening.layout.commits:
            at = at.then(Committed(worker), Said(worker, some()))
        elif what < 0.7 or not at.events or (isinstance(at.events[-1], Drawn) and worker in at.events[-1].ended):
            at = at.then(Said(worker, some()))
        elif what < 0.75 and len(present) > 2:
            present.remove(worker)
            at = at.then(Left(worker))
    return at


def is_dry(at: Workspace, worker: int) -> bool:
    """Whether nothing of a worker's waits to be read."""
    for event in reversed(at.events):
        if isinstance(event, Said) and event.worker == worker:
            return False
        if isinstance(event, Drawn) and event.draws(worker):
            return worker in event.ended
    return True


async def scripted(host: Host, name: str, workers: int, steps: int = 8) -> AsyncIterator[tuple[Workspace, Advanced]]:
    """A workspace in which this and that happens, after each of its advances."""
    random, words = Random(f"{name} {workers}"), host._chat.encode("0123456789+-*=ab")
    at, present = space(LAYOUTS.get(name, MIXED), workers), list(range(workers))
    for worker in present:
        at = at.then(Said(worker, tuple(host._chat.encode(f"w{worker}: "))))
    for _ in range(steps):
        drawing = [w for w in present if random.random() < 0.8] or present[:1]
        at = at.then(*(Said(w, (9,)) for w in drawing if is_dry(at, w)))
        sampling = Sampling(max_tokens=random.randint(1, 6), temperature=1.5)
        done, at = await advanced(host, at, [sampling if w in drawing else None for w in range(workers)])
        yield at, done
        at = varied(random, at, present, words)


@pytest.mark.parametrize("name", [*LAYOUTS, "mixed"])
@pytest.mark.parametrize("workers", [1, 2, 4])
async def test_text_and_cache_agree_token_for_token(generator_folder: Path, name: str, workers: int) -> None:
    with hosted(generator_folder) as host:
        async for at, done in scripted(host, name, workers):
            board, drawn = Board.of(at, host._chat), at.events[-1]
            assert isinstance(drawn, Drawn)
            authors = host._held["s"].session.authors
            assert [author.drawn for author in authors] == [at.drawn_by(worker) for worker in range(workers)]
            for worker, own in board.own.items():
                before = own[: len(own) - len(done.tokens[worker])]
                assert done.texts[worker] == host._chat.decode(own)[len(host._chat.decode(before)) :]
            read = [seen.ids for seen in host._decoder.passes[-1] if seen.predicts]
            assert read == [board.read_by(worker) for worker in range(workers) if drawn.draws(worker)]


@pytest.mark.parametrize("name", ["interleaved", "combined"])
async def test_the_last_token_of_a_step_is_read_in_the_view_it_was_drawn_in(generator_folder: Path, name: str) -> None:
    with hosted(generator_folder, ends=()) as host:
        decoder, samplings = host._decoder, [Sampling(max_tokens=3)] * 3
        at = space(LAYOUTS[name], 3).then(*(Said(worker, (9, 10 + worker)) for worker in range(3)))
        done, at = await advanced(host, at, samplings)
        before, first = Board.of(at, host._chat), len(decoder.passes)
        at = at.then(Committed(1), Said(1, (20, 21)), Committed(2), Said(2, (22,)))
        await advanced(host, at, [Sampling(max_tokens=1), Sampling(max_tokens=1), None])
        (rows,) = decoder.passes[first:]
        after = Board.of(at, host._chat)
        before.waiting = {0: 0, 1: 0, 2: 0}
        second = replace(before, history=after.history[: len(before.own[1])], own={**before.own, 1: [20, 21]})
        after.waiting = {0: 0, 1: 0, 2: 1}
        assert [(row.fed, row.predicts, row.ids) for row in rows] == [
            (1, False, before.read_by(1)),
            (1, False, second.read_by(2)),
            (1, True, after.read_by(0)),
            (2, True, after.read_by(1)),
        ]
        assert before.read_by(1)[-1] == done.tokens[1][-1]


async def test_all_that_wait_share_their_passes_and_draw_what_they_do_alone(generator_folder: Path) -> None:
    with hosted(generator_folder, ends=()) as host:
        texts, spaces = ("a", "what is 2+2?", "show every step. " * 20), {}
        for session, workers in (("one", 3), ("two", 2)):
            words = (Said(worker, (9, 10 + worker)) for worker in range(workers))
            spaces[session] = space(LAYOUTS["combined"], workers, text=session).then(*words)

        def everything() -> list[Coroutine[Any, Any, Any]]:
            prompts = [tuple(host._chat.encode(text)) for text in texts]
            asked = [Request(Prompt(()), Sampling(max_tokens=12), seed) for seed in range(3)]
            drawn = [host.complete(request, ids, None) for request, ids in zip(asked, prompts, strict=True)]
            return [
                *drawn,
                *(advanced(host, at, [Sampling(max_tokens=12)] * at.opening.workers, s) for s, at in spaces.items()),
            ]

        alone, passes = [], []
        for each in everything():
            host._decoder.begin()
            alone.append(await each)
            passes.append(len(host._decoder.passes))
        for session in spaces:
            host.release(session)
        host._decoder.begin()
        assert await asyncio.gather(*everything()) == alone
        assert len(host._decoder.passes) == max(passes)
        assert sum(row.predicts for row in host._decoder.passes[-2]) == 8


@pytest.mark.parametrize("name", [*LAYOUTS, "mixed"])
async def test_what_was_computed_is_what_is_told(generator_folder: Path, name: str) -> None:
    with hosted(generator_folder) as host:
        decoder = host._decoder
        async for at, done in scripted(host, name, 3):
            drawn, meter = at.events[-1], host._settings.meter
            assert isinstance(drawn, Drawn)
            rows = [seen for passed in decoder.passes for seen in passed]
            draws = sum(map(drawn.draws, range(3)))
            asked = Workspace(at.opening, at.events[:-1])
            unread = asked.unread + (host.opened(at.opening) if asked.is_fresh else 0)
            spans = [(len(seen.ids) - seen.fed, len(seen.ids)) for seen in rows]
            assert done.usage == meter.passes(spans, unread, draws)
            assert done.usage.completion_tokens == draws == sum(seen.predicts for seen in rows)
            assert done.rebuilding == Usage()
            decoder.passes.clear()


@pytest.mark.parametrize("name", [*LAYOUTS, "mixed"])
@pytest.mark.parametrize("workers", [1, 3])
async def test_a_cache_made_anew_equals_the_one_that_was_lost(generator_folder: Path, name: str, workers: int) -> None:
    with hosted(generator_folder) as host:
        found = [at async for at, _ in scripted(host, name, workers)]
        at = found[-1].then(*(Said(w, (9, 10)) for w in range(workers) if Left(w) not in found[-1].events))
        samplings = [None if Left(w) in at.events else Sampling(temperature=0, max_tokens=3) for w in range(workers)]
        assert host.holds("s", at)
        decoder, before = host._decoder, len(host._decoder.passes)
        live, _ = await advanced(host, at, samplings)
        passes, logits = len(decoder.passes) - before, torch.cat(decoder.logits[before:])
        assert not host.holds("s", at)
        with pytest.raises(EngineRefused, match="made anew"):
            await advanced(host, at, samplings, "t")
        decoder.begin()
        anew, _ = await advanced(host, at, samplings, "t", again=True)
        assert replace(anew, rebuilding=Usage()) == live
        torch.testing.assert_close(torch.cat(decoder.logits[-passes:]), logits, atol=1e-5, rtol=0)
        rows = [seen for passed in decoder.passes[:-passes] for seen in passed]
        spans = [(len(seen.ids) - seen.fed, len(seen.ids)) for seen in rows]
        assert anew.rebuilding == host._settings.meter.passes(spans, sum(seen.fed for seen in rows), 0)
        assert anew.rebuilding.prompt_tokens <= host.opened(at.opening) + at.written - at.unread


async def test_what_is_drawn_does_not_depend_on_where_advances_end(generator_folder: Path) -> None:
    with hosted(generator_folder, ends=()) as host:
        for name in ("contiguous", "combined"):
            at = space(LAYOUTS[name], 3).then(*(Said(worker, (9, 10 + worker)) for worker in range(3)))
            whole, _ = await advanced(host, at, [Sampling(max_tokens=12)] * 3, f"{name} whole")
            parts: list[Advanced] = []
            while sum(len(part.tokens[0]) for part in parts) < len(whole.tokens[0]):
                done, at = await advanced(host, at, [Sampling(max_tokens=5)] * 3, f"{name} parts")
                parts.append(done)
            length = len(whole.tokens[0])
            for worker in range(3):
                joined = [token for part in parts for token in part.tokens[worker]]
                assert joined[:length] == list(whole.tokens[worker][:length])
            assert len(parts) == 3


async def test_a_long_text_is_read_in_passes_of_256_tokens(generator_folder: Path) -> None:
    with hosted(generator_folder, context=2000) as host:
        at = space(LAYOUTS["combined"], 2, text="ab cd ef gh " * 24)
        words = tuple(host._chat.encode("0123456789+" * 15))
        await advanced(host, at.then(Said(0, words), Said(1, words)), [Sampling(max_tokens=2)] * 2)
        passes = host._decoder.passes
        assert [sum(seen.fed for seen in passed) for passed in passes[:2]] == [256, host.opened(at.opening) - 256]
        assert [[(seen.fed, seen.predicts) for seen in passed] for passed in passes[2:]] == [
            [(149, False), (107, False)],
            [(1, True), (43, True)],
            [(1, True), (1, True)],
        ]


async def test_a_worker_whose_view_is_full_ends_and_the_others_go_on(generator_folder: Path) -> None:
    with hosted(generator_folder, context=120, ends=()) as host:
        at = space(LAYOUTS["interleaved"], 2).then(Said(0, (9,) * 8), Said(1, (10, 11)))
        before, length = host.opened(at.opening), 8
        while True:
            done, at = await advanced(host, at, [Sampling(max_tokens=7, temperature=0)] * 2)
            length += len(done.tokens[0])
            if len(done.tokens[0]) < 7:
                break
        assert done.finishes == (Finish.TOTAL_LENGTH, None)
        assert before + length == 120
        stuck, at = await advanced(host, at, [Sampling(max_tokens=9)] * 2)
        assert ([len(tokens) for tokens in stuck.tokens], stuck.finishes) == ([0, 1], (Finish.TOTAL_LENGTH, None))
        alone, at = await advanced(host, at.then(Left(0)), [None, Sampling(max_tokens=3)])
        assert [len(tokens) for tokens in alone.tokens] == [0, 3]
        full, _ = await advanced(host, at.then(Said(1, (9,) * 120)), [None, Sampling(max_tokens=3)])
        assert (full.tokens, full.finishes, full.usage.completion_tokens) == (((), ()), (None, Finish.TOTAL_LENGTH), 0)


async def test_stop_strings_end_a_worker_where_they_are_complete(generator_folder: Path) -> None:
    with hosted(generator_folder) as host:
        at = space(LAYOUTS["contiguous"], 2).then(Said(0, (9,)), Said(1, (10,)))
        free, _ = await advanced(host, at, [Sampling(max_tokens=10, temperature=0)] * 2, "free")
        text = free.texts[1]
        assert len(text) > 6
        stop = text[3:6]
        samplings = [Sampling(max_tokens=10, temperature=0), Sampling(max_tokens=4, temperature=0, stop=(stop,))]
        first, at = await advanced(host, at, samplings)
        second, at = await advanced(host, at, samplings)
        assert first.finishes == (None, Finish.TOTAL_LENGTH)
        assert second.finishes == (None, Finish.STOP)
        assert (first.texts[1] + second.texts[1]).endswith(stop)
        third, _ = await advanced(host, at, samplings)
        assert third.finishes != (None, Finish.STOP) or stop in third.texts[1]


async def test_what_cannot_be_is_refused(generator_folder: Path) -> None:
    with hosted(generator_folder, gib=0.001) as host:
        at, samplings = space(LAYOUTS["contiguous"], 2), [Sampling(max_tokens=2)] * 2
        with pytest.raises(EngineRefused, match="of worker 0 nothing is; say words to it first, or let it rest"):
            await advanced(host, at, samplings)
        at = at.then(Said(0, (9,)), Said(1, (10,)))
        with pytest.raises(EngineRefused, match="token ids must be 0 to 50 on this model, got 51"):
            await advanced(host, at.then(Said(0, (51,))), samplings)
        with pytest.raises(EngineRefused, match="must have commits for worker 1 to commit"):
            await advanced(host, at.then(Committed(1), Said(1, (9,))), samplings)
        with pytest.raises(EngineRefused, match="of worker 1 it has left"):
            await advanced(host, at.then(Left(1)), samplings)
        assert host.taken == 0
        many = Opening(at.opening.messages, LAYOUTS["combined"], ("",) * 40, 100_000)
        with pytest.raises(
            EngineRefused,
            match=r"40 workers that write 100000 tokens in all after \d+ must fit the engine's memory "
            r"\(0\.001 GiB\), but takes 0\.04\d+ GiB; take fewer workers, lower max_tokens, or raise cache_gib",
        ):
            host.opened(many)
        with pytest.raises(EngineRefused, match=r"must fit the context \(512 tokens\), got \d+; shorten the prompt"):
            host.opened(space(LAYOUTS["contiguous"], 2, text="a" * 600).opening)


async def test_a_pass_that_fails_lets_go_of_the_cache_and_is_worth_another_try(generator_folder: Path) -> None:
    with hosted(generator_folder, ends=()) as host:
        at = space(LAYOUTS["combined"], 2).then(Said(0, (9,)), Said(1, (10,)))
        samplings: list[Sampling | None] = [Sampling(max_tokens=5)] * 2
        first, later = await advanced(host, at, samplings)
        second, _ = await advanced(host, later, samplings)
        for number, where, again in ((2, at, False), (9, later, True)):
            host.release("s")
            host._decoder.begin()
            host._decoder.fails_at = number
            with pytest.raises(EngineUnavailable, match=r"torch failed \(RuntimeError: out of memory\); try again"):
                await advanced(host, where, samplings, again=again)
            assert host.taken == 0
        assert (await advanced(host, at, samplings))[0] == first
        host.release("s")
        assert replace((await advanced(host, later, samplings, again=True))[0], rebuilding=Usage()) == second


async def test_a_cache_for_which_there_is_no_memory_is_told_and_takes_none(generator_folder: Path) -> None:
    with hosted(generator_folder, gib=2.0**40) as host:
        at = space(LAYOUTS["combined"], 2, room=10**15).then(Said(0, (9,)), Said(1, (10,)))
        with pytest.raises(EngineUnavailable, match=r"must find memory on cpu, but: .* allocate .*; lower cache_gib"):
            await advanced(host, at, [Sampling(max_tokens=1)] * 2)
        assert host.taken == 0


async def test_closing_ends_what_is_being_drawn(generator_folder: Path) -> None:
    with hosted(generator_folder, ends=()) as host:
        at = space(LAYOUTS["combined"], 2).then(Said(0, (9,)), Said(1, (10,)))
        drawing = [
            asyncio.create_task(advanced(host, at, [Sampling(max_tokens=300)] * 2)),
            asyncio.create_task(host.complete(Request(Prompt(()), Sampling(max_tokens=300), 1), (9,), None)),
        ]
        while len(host._decoder.passes) < 5:
            await asyncio.sleep(0.001)
        await host.close()
        for end in await asyncio.gather(*drawing, return_exceptions=True):
            assert isinstance(end, EngineUnavailable)
        assert host.taken == 0


async def steps(host: Host, session: str, at: Workspace, times: int, *, again: bool = False) -> Workspace:
    """The workspace after so many steps of a token for each of its two workers."""
    for _ in range(times):
        _, at = await advanced(host, at, [Sampling(max_tokens=1)] * 2, session, again=again)
        at = at.then(Committed(0), Said(0, (9,)), Committed(1), Said(1, (9,)))
    return at


async def test_a_cache_that_outgrows_its_measure_keeps_to_the_memory(generator_folder: Path) -> None:
    page = 32 * recording(generator_folder)[0].shape.bytes_per_token
    with hosted(generator_folder, gib=20 * page / 2**30, page_size=32, ends=()) as host:
        begun = space(LAYOUTS["interleaved"], 2, room=32, text="a").then(Said(0, (9,)), Said(1, (9,)))
        measured = host._capacity(begun.opening) // 32
        at = await steps(host, "one", begun, 4)
        slab = host._held["one"].session.slab
        assert (measured, host.taken, slab.bytes) == (6, 12 * page, 12 * page)
        other = await steps(host, "two", begun, 1)
        with pytest.raises(EngineUnavailable, match=r"grown to .* beside those of others .* made anew"):
            await steps(host, "one", at, 8)
        assert (host.taken, list(host._held)) == (6 * page, ["two"])
        waiting = asyncio.create_task(steps(host, "one", at, 1, again=True))
        await steps(host, "two", other, 1)
        assert waiting.done() is False
        host.release("two")
        await waiting
        host.release("one")
        with pytest.raises(EngineRefused, match=r"grown to .* must fit the engine's memory .* page_size"):
            await steps(host, "one", begun, 20)
        assert host.taken == 0
