"""Workers that share a cache, as a strategy drives them: paid, recorded, let go of; and on the simulated engine."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.engine import Advance, Advanced, Capabilities, Prompt, Request, Sampling
from ponder.orchestrator.engines.byte_vocabulary import decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import GARBAGE, Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import EngineRefused, ShapeError, UsageError
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.plan import Plan, SideBySide
from ponder.orchestrator.sharing import Sharing
from ponder.orchestrator.types import Finish, Message, Usage
from ponder.orchestrator.workspace import LAYOUTS, Committed, Drawn, Left, Opening, Said, Separator, Workspace

WORLD = World(seed=1)
ASKED = (Message(role="user", content="Problem 3?"),)
PROMPT = len("user: Problem 3?\n")
CHUNK = Sampling(max_tokens=8)
PRICES = {"prompt_price": 1.0, "completion_price": 1000.0}


class Caching(SimulatedEngine):
    """A simulated engine that holds a cache a session, and must be allowed to make one anew."""

    def __init__(self, **knobs: object) -> None:
        super().__init__(SimulatedSpec(world=WORLD, **{**PRICES, **knobs}))
        self.caches: set[str] = set()
        self.rebuilt = 0
        self.requests: list[Advance] = []

    async def holds(self, session: str, workspace: Workspace) -> bool:
        return session in self.caches

    async def advance(self, request: Advance) -> Advanced:
        self.requests.append(request)
        space, rebuilding = request.workspace, Usage()
        if not space.is_fresh and request.session not in self.caches:
            assert request.may_rebuild
            before = await self.opened(space.opening) + space.written - space.unread
            rebuilding = self.meter.passes([(0, before)], before, 0)
            self.rebuilt += 1
        self.caches.add(request.session)
        return replace(await super().advance(request), rebuilding=rebuilding)

    async def release(self, session: str) -> None:
        self.caches.discard(session)


class Lonely(SimulatedEngine):
    """A simulated engine that says it has no cache to share."""

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"shared_cache": False})


def opening(workers: int = 2, layout: str = "combined", private: tuple[str, ...] = ()) -> Opening:
    return Opening(ASKED, LAYOUTS[layout], (*private, *[""] * (workers - len(private))), 1000)


def context(engine: SimulatedEngine, budget: Budget = Budget(), store: Memory | None = None) -> Context:
    journal = Journal(store or Memory(), retries=Retries(first_wait_s=0.0))
    run = Run("test", {"generator": engine}, {"generator": nullcontext()}, Ledger(budget), Ledger(Budget()), journal)
    return Context(run, "test")


async def begun(sharing: Sharing, times: int) -> list[Advanced | None]:
    """Some advances of two workers, the first of which ends a step after each."""
    for worker in range(2):
        sharing.say(worker, encode(f"{worker}:"))
    done = []
    for _ in range(times):
        done.append(await sharing.advance([CHUNK, CHUNK]))
        sharing.commit(0, encode("0:"))
    return done


def opened(layout: str = "combined") -> int:
    return PROMPT + sum(len(part.text) for part in LAYOUTS[layout].view if isinstance(part, Separator))


async def test_what_is_said_is_read_once_and_what_the_cache_holds_is_not_counted_again() -> None:
    ctx = context(Caching())
    async with ctx.share(opening()) as sharing:
        first, second, third = await begun(sharing, 3)
    assert first and second and third
    counts = [(each.usage.prompt_tokens, each.usage.completion_tokens, each.usage.calls) for each in (first, second)]
    assert counts == [(opened() + 4, 16, 1), (2, 16, 1)]
    assert [each.usage.nano_usd for each in (first, second)] == [(opened() + 4) * 1000 + 16_000_000, 16_002_000]
    assert ctx._run.ledger.spent == ctx._run.account.spent == first.usage + second.usage + third.usage
    assert first.texts == ("step 1: ", "step 1: ") and second.texts[0][1:] == "\nstep 2"


async def test_its_log_tells_what_happened_in_order() -> None:
    ctx = context(Caching())
    async with ctx.share(opening()) as sharing:
        done = await begun(sharing, 1)
        sharing.say(0, ())
        sharing.leave(1)
        rests = await sharing.advance([CHUNK, None])
    assert done[0] is not None and rests is not None
    assert sharing.workspace.events == (
        *(Said(0, encode("0:")), Said(1, encode("1:")), Drawn(done[0].tokens)),
        *(Committed(0), Said(0, encode("0:")), Left(1), Drawn(rests.tokens)),
    )
    assert rests.tokens[1] == () and rests.finishes == (Finish.TOTAL_LENGTH, None)
    assert [sharing.workspace.drawn_by(worker) for worker in (0, 1)] == [16, 8]


async def test_a_budget_must_hold_the_most_that_an_advance_may_cost_and_what_is_to_be_left() -> None:
    most, left = opened() + 4 + 16, Usage(prompt_tokens=100)
    for budget, leaving, goes in (
        (most, Usage(), 1),
        (most - 1, Usage(), 0),
        (most + 100, left, 1),
        (most + 99, left, 0),
    ):
        ctx = context(Caching(), Budget(total_tokens=budget))
        async with ctx.share(opening()) as sharing:
            for worker in range(2):
                sharing.say(worker, encode(f"{worker}:"))
            done = await sharing.advance([CHUNK, CHUNK], leaving)
        assert (done is not None, ctx.is_stopped) == (bool(goes), not goes)
        assert ctx._run.ledger.spent.total_tokens == most * goes
        assert ctx._run.ledger.outstanding == 0


async def test_a_resumed_run_draws_nothing_twice_and_the_account_alone_pays_for_a_new_cache() -> None:
    store = Memory()
    async with context(first := Caching(), store=store).share(opening()) as sharing:
        known = await begun(sharing, 2)
    ctx = context(again := Caching(), store=store)
    async with ctx.share(opening()) as resumed:
        done = await begun(resumed, 3)
    assert done[:2] == known and len(first.requests) == 2
    assert [request.workspace.is_fresh for request in again.requests] == [False] and again.rebuilt == 1
    before = opened() + 4 + 16 + 2 + 16
    rebuilding = again.meter.passes([(0, before)], before, 0)
    assert done[2] is not None and done[2].rebuilding == Usage()
    assert ctx._run.account.spent == done[2].usage + rebuilding
    assert ctx._run.ledger.spent == Usage.total(each.usage for each in done if each)


async def test_the_cache_is_let_go_of_however_the_work_ends() -> None:
    engine = Caching()
    async with context(engine).share(opening()) as sharing:
        await begun(sharing, 1)
        assert len(engine.caches) == 1
    assert not engine.caches
    with pytest.raises(RuntimeError, match="on purpose"):
        async with context(engine).share(opening()) as sharing:
            await begun(sharing, 1)
            raise RuntimeError("on purpose")
    assert not engine.caches


async def test_seeds_stay_and_differ_between_workers_and_openings() -> None:
    engine = Caching()
    for each in (opening(), opening(), opening(layout="interleaved")):
        async with context(engine).share(each) as sharing:
            await begun(sharing, 2)
    seeds = [request.seeds for request in engine.requests]
    assert len(set(seeds)) == 2 and seeds[:4] == [seeds[0]] * 4
    assert len({*seeds[0], *seeds[4]}) == 4


async def test_a_lost_advance_is_charged_and_told() -> None:
    engine = Caching(faults=Faults(refused=1.0))
    ctx = context(engine)
    async with ctx.share(opening()) as sharing:
        assert await begun(sharing, 1) == [None]
    assert (ctx._run.failures, ctx._run.stopped, ctx._run.ledger.outstanding) == (1, "done", 0)
    assert ctx._run.ledger.spent.total_tokens == opened() + 4 + 16
    assert not any(isinstance(event, Drawn) for event in sharing.workspace.events)


async def test_what_cannot_be_is_refused() -> None:
    async with context(Caching()).share(opening()) as sharing:
        with pytest.raises(UsageError, match="worker 1's next block must open with words, got none"):
            sharing.commit(1, ())
    with pytest.raises(UsageError, match=r"must share its cache between workers.*use an engine of kind 'torch'"):
        async with context(Lonely(SimulatedSpec())).share(opening()) as sharing:
            await sharing.advance([CHUNK, CHUNK])
    plan = Plan({"generator": Lonely(SimulatedSpec())})
    with pytest.raises(ShapeError, match="must be able to share its cache between workers"):
        plan.share(SideBySide(2, 3, 16, 9), SideBySide(2, 1, 8, 9))


def test_a_plan_counts_each_token_once() -> None:
    engine = Caching()
    plan = Plan({"generator": engine}, {"generator": PROMPT})
    shape = plan.share(SideBySide(2, 5, 60, 9), SideBySide(2, 1, 16, 4), then=Usage(prompt_tokens=7))
    most, least = plan.estimate.most, plan.estimate.least
    assert (most.prompt_tokens, most.completion_tokens, most.calls) == (PROMPT + 9, 60, 5)
    assert (least.prompt_tokens, least.completion_tokens, least.calls) == (1, 1, 1)
    assert (plan.attempt.most.prompt_tokens, plan.attempt.most.completion_tokens) == (PROMPT + 4 + 7, 16)
    assert plan.path == 5
    assert (shape.fewest, shape.most, shape.longest, shape.drawn_by) == (1, 1, 69, {"generator"})
    after = PROMPT + 9 + 60
    assert most.flops == engine.spec.model.reading(2 * after + 2, after) + 60 * engine.spec.model.unembedding


def advance(space: Workspace, *samplings: Sampling | None, seeds: tuple[int, ...] = (7, 8)) -> Advance:
    return Advance("session", space, samplings, seeds)


async def written(
    engine: SimulatedEngine, space: Workspace, chunk: int, **knobs: object
) -> tuple[list[str], list[int]]:
    """What two workers write until the first ends otherwise than by length, and how far each advance came."""
    texts, lengths, finishes = ["", ""], [], [Finish.TOTAL_LENGTH, None]
    while set(finishes) <= {Finish.TOTAL_LENGTH, None}:
        done = await engine.advance(advance(space, *[Sampling(max_tokens=chunk, **knobs)] * 2))
        space, finishes = space.then(Drawn(done.tokens)), list(done.finishes)
        texts = [text + new for text, new in zip(texts, done.texts, strict=True)]
        lengths.append(len(done.tokens[0]))
    return texts, lengths


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
async def test_a_simulated_worker_writes_what_its_seed_draws_wherever_advances_end(chunk: int) -> None:
    engine = SimulatedEngine(SimulatedSpec(world=WORLD))
    space = Workspace.opened(opening()).then(Said(0, encode("0:")), Said(1, encode("1:")))
    alone = [(await engine.complete(Request(Prompt(ASKED), Sampling(max_tokens=100), seed))).text for seed in (7, 8)]
    texts, lengths = await written(engine, space, chunk)
    end = min(map(len, alone))
    assert texts == [text[:end] for text in alone]
    assert sum(lengths) == end and set(lengths[:-1]) <= {chunk}


@pytest.mark.parametrize("chunk", [1, 3, 100])
async def test_a_stop_string_is_found_across_advances_but_not_before_what_was_said(chunk: int) -> None:
    engine = SimulatedEngine(SimulatedSpec(world=WORLD))
    space = Workspace.opened(opening()).then(Said(0, encode("step 1")), Said(1, encode("1:")))
    texts, _ = await written(engine, space, chunk, stop=("p 1: ",))
    assert texts == ["step 1: "] * 2
    known = space.then(Drawn((encode("step 1"), encode("step 1"))), Said(0, encode(" ")))
    done = await engine.advance(advance(known, Sampling(max_tokens=5, stop=("1: ",)), None))
    assert done.texts[0][:2] == ": " and done.finishes == (Finish.TOTAL_LENGTH, None)


async def test_a_simulated_worker_heeds_what_it_alone_was_told() -> None:
    engine = SimulatedEngine(SimulatedSpec(world=WORLD))
    spaces = [Workspace.opened(opening(private=("", private))) for private in ("", "Add.", "Multiply.")]
    greedy = Sampling(max_tokens=100, temperature=0.0)
    texts = [(await engine.advance(advance(space, None, greedy))).texts[1] for space in spaces]
    assert len({text for text in texts}) == 3


@pytest.mark.parametrize(
    ("layout", "drawn"), [("contiguous", (30 - 4 - 10) // 2), ("interleaved", 30 - 4), ("combined", (30 - 4 - 10) // 2)]
)
async def test_a_worker_ends_where_what_it_sees_fills_the_context(layout: str, drawn: int) -> None:
    """It sees its own 4 tokens and, but in one layout, the 10 of the other, which grows as it does."""
    engine = SimulatedEngine(SimulatedSpec(world=WORLD, context_length=opened(layout) + 30))
    space = Workspace.opened(opening(layout=layout)).then(Said(0, encode("1234")), Said(1, encode("1234567890")))
    done = await engine.advance(advance(space, *[Sampling(max_tokens=100)] * 2))
    shown = "interleaved" not in layout
    assert len(done.tokens[0]) == (drawn if shown else 30 - 10)
    assert done.finishes == ((Finish.TOTAL_LENGTH,) * 2 if shown else (None, Finish.TOTAL_LENGTH))
    full = space.then(Said(0, encode("x" * 30)))
    done = await engine.advance(advance(full, Sampling(max_tokens=100), None))
    assert (done.tokens, done.finishes) == (((), ()), (Finish.TOTAL_LENGTH, None))


async def test_what_leaves_or_is_committed_is_seen_by_the_layout() -> None:
    engine = SimulatedEngine(SimulatedSpec(world=WORLD, context_length=opened() + 30))
    space = Workspace.opened(opening()).then(Said(0, encode("1234")), Said(1, encode("1234567890")))
    committed = space.then(Committed(1), Said(1, encode("12")))
    left = space.then(Left(1))
    for each, room in ((committed, 30 - 4 - 10 - 2), (left, 30 - 4)):
        done = await engine.advance(advance(each, Sampling(max_tokens=100), None))
        assert len(done.tokens[0]) == room
    with pytest.raises(EngineRefused, match=f"must be shorter than the context of the simulated engine .{PROMPT} tok"):
        await SimulatedEngine(SimulatedSpec(context_length=PROMPT)).opened(opening(layout="contiguous"))


@pytest.mark.parametrize("fault", ["garbage", "empty", "cut", "overrun"])
async def test_faults_strike_advances_as_they_do_draws(fault: str) -> None:
    engine = SimulatedEngine(SimulatedSpec(world=WORLD, faults=Faults(**{fault: 1.0})))
    done = await engine.advance(advance(Workspace.opened(opening()), CHUNK, CHUNK))
    texts, finish, tokens = {
        "garbage": (GARBAGE[:6], Finish.TOTAL_LENGTH, 16),
        "empty": ("", Finish.EOS, 2),
        "cut": ("step", Finish.ABORTED, 8),
        "overrun": ("step 1: ", Finish.TOTAL_LENGTH, 17),
    }[fault]
    assert (done.texts, done.finishes) == ((texts,) * 2, (finish,) * 2)
    assert done.usage.completion_tokens == tokens
    assert decode(done.tokens[0]) == texts


async def test_the_same_faults_strike_whatever_the_session_is_called() -> None:
    engine = SimulatedEngine(SimulatedSpec(world=WORLD, faults=Faults(cut=0.5)))
    for number in range(8):
        space = Workspace.opened(opening()).then(Said(0, encode(str(number))))
        one, other = [await engine.advance(replace(advance(space, CHUNK, CHUNK), session=name)) for name in "ab"]
        assert one == other
