"""Many draws at once, text put into an answer, and probabilities of labels: order, keys, budgets and failures."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Ask, Context, Run
from ponder.orchestrator.engine import Completion, EngineSpec, Prompt, Request, Sampling
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.types import Candidate, Finish, Message, Query, Score, Usage
from ponder.orchestrator.verifier import Verifier
from ponder.verifiers import ProcessReward

WORLD = World(seed=1, steps=2, branching=3)
QUERY, OTHER = Query.ask("Problem 3?"), Query.ask("Problem 4?")
SHORT = Sampling(max_tokens=40)
STEP = Sampling(max_tokens=40, stop=("\n",))


def run_of(budget: Budget = Budget(), store: Memory | None = None, **knobs: object) -> Run:
    spec = SimulatedSpec(world=WORLD, **knobs)  # type: ignore[arg-type]
    engines = {"generator": spec.open(), "second": spec.open(), "reward": SimulatedSpec(world=WORLD).open()}
    gates = {name: nullcontext() for name in engines}
    journal = Journal(store or Memory(), retries=Retries(first_wait_s=0.0))
    return Run("task", engines, gates, Ledger(budget), Ledger(Budget()), journal)


def texts(groups: list[list[Candidate]]) -> list[list[str]]:
    return [[each.text for each in group] for group in groups]


async def test_each_ask_gets_its_own_draws_in_order() -> None:
    asks = [Ask(QUERY, SHORT, 3), Ask(OTHER, SHORT, 2), Ask(QUERY, SHORT, 1, engine="second")]
    drawn = await Context(run_of(), "a").draw(asks)
    assert [len(group) for group in drawn] == [3, 2, 1]
    assert [each.index for group in drawn for each in group] == list(range(6))
    ctx = Context(run_of(), "a")
    assert texts([await ctx.sample(QUERY, 3, SHORT), await ctx.sample(OTHER, 2, SHORT)]) == texts(drawn[:2])


async def test_equal_asks_draw_different_candidates_and_later_ones_go_on_from_there() -> None:
    drawn = await Context(run_of(), "a").draw([Ask(QUERY, SHORT, 4), Ask(QUERY, SHORT, 4)])
    assert [text for group in texts(drawn) for text in group] == texts(
        [await Context(run_of(), "a").sample(QUERY, 8, SHORT)]
    )[0]


async def test_no_ask_draws_nothing() -> None:
    assert await Context(run_of(), "a").draw([]) == []


async def test_a_refused_ask_costs_itself_alone() -> None:
    run = run_of()
    drawn = await Context(run, "a").draw([Ask(QUERY, Sampling(max_tokens=90_000), 2), Ask(QUERY, SHORT, 2)])
    assert [len(group) for group in drawn] == [0, 2]
    assert (run.failures, run.stopped) == (1, "done")


@pytest.mark.parametrize("speed", [{}, {"jitter_s": 0.003}])
async def test_a_budget_serves_the_asks_that_come_first(speed: dict[str, float]) -> None:
    asks = [Ask(QUERY, SHORT, 2), Ask(OTHER, SHORT, 2), Ask(QUERY, SHORT, 2)]
    whole = await Context(run_of(**speed), "a").draw(asks)
    one = len(QUERY.messages[0].content.encode()) + 7
    spent = sum(each.usage.total_tokens for group in whole[:2] for each in group)
    run = run_of(Budget(total_tokens=spent + one + 40 - 1), **speed)
    drawn = await Context(run, "a").draw(asks)
    assert texts(drawn) == [*texts(whole[:2]), []]
    assert run.stopped == "budget"
    assert run.ledger.spent.total_tokens == spent


async def test_a_children_of_a_partial_candidate_continue_it() -> None:
    ctx = Context(run_of(), "a")
    (start,) = await ctx.sample(QUERY, 1, STEP)
    (children,) = await ctx.draw([Ask(QUERY, STEP, 3, after=start, then=ProcessReward())])
    assert all(child.parent is start and child.text.startswith(start.text) for child in children)
    judged = await ctx.score(QUERY, children, ProcessReward())
    assert all(child.scores["process_reward"].value is not None for child in judged)
    assert ctx._run.ledger.outstanding == 0


async def test_an_end_that_adds_no_text_is_judged_at_no_cost() -> None:
    run = run_of()
    ctx = Context(run, "a")
    (whole,) = await ctx.sample(QUERY, 1, Sampling(max_tokens=40, stop=("answer: ",)))
    (answer,) = await ctx.sample(QUERY, 1, STEP, after=whole)
    (before,) = await ctx.score(QUERY, [answer], ProcessReward())
    spent = run.ledger.spent
    (end,) = await ctx.sample(QUERY, 1, STEP, after=answer, then=ProcessReward())
    (after,) = await ctx.score(QUERY, [end], ProcessReward())
    assert (end.piece, end.finish) == ("", Finish.EOS)
    assert after.scores["process_reward"].value == before.scores["process_reward"].value
    assert (run.ledger.spent.verifier_calls, run.ledger.outstanding) == (spent.verifier_calls, 0)


async def test_appended_text_is_continued_and_costs_only_its_place() -> None:
    run = run_of()
    ctx = Context(run, "a")
    (start,) = await ctx.sample(QUERY, 1, STEP)
    forced = await ctx.append(start, "Wait, ")
    assert (forced.text, forced.parent, forced.usage, forced.finish) == (
        start.text + "Wait, ",
        start,
        Usage(),
        Finish.STEP,
    )
    assert forced.generated_tokens == start.generated_tokens
    assert len(forced.path_tokens) == len(start.tokens) + 6
    (after,) = await ctx.sample(QUERY, 1, SHORT, after=forced)
    assert after.usage.prompt_tokens == start.usage.prompt_tokens + len(forced.path_tokens)
    begun = await ctx.append(None, "step 1: ")
    (first,) = await ctx.sample(QUERY, 1, SHORT, after=begun)
    assert first.text.startswith("step 1: ")


async def test_labels_tell_what_the_model_thinks_of_an_attempt() -> None:
    run = run_of()
    ctx = Context(run, "a")
    drawn = await ctx.sample(QUERY, 6, STEP)
    marked = [await ctx.append(each, "<eval>") for each in drawn]
    judge = Judging(run, "judge", "judge")
    told = await judge.classify([Ask(QUERY, SHORT, after=each) for each in marked], ("<no>", "<yes>"))
    for each, chances in zip(drawn, told, strict=True):
        value = WORLD.locate(QUERY.messages, each.text).node.value
        assert chances is not None and chances.label_logprobs is not None
        assert math.exp(chances.label_logprobs[0]) == pytest.approx(value, abs=1e-6)
        assert math.exp(chances.label_logprobs[1]) == pytest.approx(1 - value, abs=1e-6)
    distinct = len({each.text for each in drawn})
    assert run.ledger.spent.verifier_calls == distinct
    assert run.ledger.spent.calls == 6


class Asked(Verifier):
    """Asks in a turn of its own: one reply in labels, two in words."""

    kind: str = "asked"

    def engine_names(self) -> tuple[str, ...]:
        return ("generator",)

    def bound(self, engines, prompt_tokens, completion_tokens, together=1):  # type: ignore[no-untyped-def]
        one = engines["generator"].meter.generation(prompt_tokens + completion_tokens + 200, 7, judging=True)
        return one + one + one

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        (one,) = candidates
        turns = (Message(role="assistant", content=one.text), Message(role="user", content="Start over? Yes or No"))
        asked = QUERY.model_copy(update={"messages": (*QUERY.messages, *turns)})
        (told,) = await ctx.classify([Ask(asked, SHORT)], ("No", "Yes"))
        (replies,) = await ctx.ask([Ask(asked, Sampling(max_tokens=7), 2)])
        assert told and told.label_logprobs
        words = [reply.text for reply in replies if reply]
        return [Score(sum(map(math.exp, told.label_logprobs)), detail=" ".join(words))]


async def test_a_judge_is_paid_by_what_was_set_aside_and_paid_once_wherever_it_is_asked() -> None:
    run = run_of(Budget(verifier_calls=3))
    ctx = Context(run, "a")
    (drawn,) = await ctx.sample(QUERY, 1, SHORT, then=Asked())
    assert await ctx.sample(QUERY, 1, SHORT, then=Asked()) == []
    (judged,) = await ctx.score(QUERY, [drawn], Asked())
    score = judged.scores["asked"]
    assert score.value == pytest.approx(1.0, abs=1e-6)
    assert (run.ledger.outstanding, run.ledger.spent.verifier_calls, run.ledger.spent.calls) == (0, 3, 1)
    (again,) = await ctx.child("elsewhere", "b").score(QUERY, [replace(drawn, scores={})], Asked())
    assert again.scores["asked"] == score
    assert (run.ledger.outstanding, run.ledger.spent.verifier_calls) == (0, 3)


async def test_one_ask_that_cannot_be_sent_loses_no_other() -> None:
    run = run_of(context_length=100)
    asks = [Ask(QUERY, Sampling(max_tokens=200), 2), Ask(QUERY, Sampling(max_tokens=7), 2)]
    lost, (one, other) = await Judging(run, "judge", "judge").ask(asks)
    assert lost == [None, None] and one and other
    assert (run.failures, run.ledger.outstanding, run.ledger.spent.verifier_calls) == (1, 0, 2)


async def test_a_judgement_that_its_engine_has_no_room_for_costs_nothing_and_loses_no_other() -> None:
    run, long = run_of(context_length=100), Query.ask("Problem 3? " + "word " * 200)
    judging = Judging(run, "judge", "judge")
    told = await judging.classify([Ask(long, SHORT), Ask(QUERY, SHORT)], ("<no>", "<yes>"))
    read = await judging.read([Prompt(long.messages, text="a"), Prompt(QUERY.messages, text="a")], "generator")
    assert [found is None for found in (*told, *read)] == [True, False, True, False]
    assert (run.failures, run.ledger.outstanding, run.ledger.spent.verifier_calls) == (2, 0, 2)
    assert run.account.spent == run.ledger.spent


async def test_asks_that_can_never_be_sent_leave_nothing_of_the_others_behind() -> None:
    run = run_of(latency_s=60.0)
    judging, good, lost = Judging(run, "v", "v"), Ask(QUERY, SHORT, 2), Ask(QUERY, SHORT, 1, "nobody")
    for refused in (
        judging.ask([good, lost]),
        judging.ask([good, replace(good, n=0)]),
        judging.classify([good, lost], ("Yes", "No")),
    ):
        with pytest.raises(UsageError):
            await refused
        assert run.ledger.outstanding == 0 and len(asyncio.all_tasks()) == 1


async def test_labels_that_begin_alike_are_refused() -> None:
    run = run_of()
    assert await Judging(run, "a", "a").classify([Ask(QUERY, SHORT)], ("same", "start")) == [None]
    assert "begin alike" in run.reason


async def test_labels_that_fail_or_cannot_be_paid_are_none() -> None:
    broken = run_of(faults=Faults(refused=1.0))
    assert await Judging(broken, "a", "a").classify([Ask(QUERY, SHORT)] * 2, ("<no>", "<yes>")) == [None, None]
    poor = run_of(Budget(total_tokens=5))
    assert await Judging(poor, "a", "a").classify([Ask(QUERY, SHORT)] * 2, ("<no>", "<yes>")) == [None, None]
    assert poor.stopped == "budget"


async def test_ids_are_used_only_where_all_of_the_text_has_them() -> None:
    class Textual(SimulatedEngine):
        async def encode(self, text: str) -> tuple[int, ...]:
            return ()

        async def complete(self, request: Request) -> Completion:
            assert not request.prompt.tokens
            return await super().complete(request)

    class Spec(SimulatedSpec):
        def open(self) -> SimulatedEngine:
            return Textual(self)

    spec: EngineSpec = Spec(world=WORLD)
    run = run_of()
    run.engines = {**run.engines, "generator": spec.open()}  # type: ignore[dict-item]
    ctx = Context(run, "a")
    (start,) = await ctx.sample(QUERY, 1, STEP)
    forced = await ctx.append(start, "step 2: ")
    assert start.path_tokens and not forced.path_tokens
    (after,) = await ctx.sample(QUERY, 1, SHORT, after=forced)
    assert after.text.startswith(start.text + "step 2: ")


async def test_a_replayed_strategy_that_asks_otherwise_is_caught() -> None:
    from ponder.orchestrator.errors import JournalError

    class Steps(Memory):
        def __init__(self) -> None:
            super().__init__()
            self.seen: dict[str, tuple[str, bytes]] = {}

        async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
            return self.seen.get(place)

        async def append(self, rows):  # type: ignore[no-untyped-def]
            await super().append(rows)
            self.seen |= {values[1]: (values[2], values[3]) for table, values in rows if table == "steps"}

    store = Steps()
    await Context(run_of(store=store), "a").draw([Ask(QUERY, SHORT), Ask(OTHER, SHORT)])
    await Context(run_of(store=store), "a").draw([Ask(QUERY, SHORT), Ask(OTHER, SHORT)])
    with pytest.raises(JournalError, match="must ask at task/0/0 what it asked"):
        await Context(run_of(store=store), "a").draw([Ask(OTHER, SHORT), Ask(QUERY, SHORT)])


PROMPT = len(b"user: Problem 3?\n")


@pytest.mark.parametrize("left", [12, 5, 1])
async def test_a_continuation_goes_to_the_end_of_the_context_and_no_further(left: int) -> None:
    run = run_of(context_length=PROMPT + 10 + left)
    ctx = Context(run, "a")
    begun = (await ctx.sample(QUERY, 1, Sampling(max_tokens=10)))[0]
    asks = [Ask(QUERY, Sampling(max_tokens=12), 2, after=begun), Ask(OTHER, Sampling(max_tokens=5))]
    drawn, fresh = await ctx.draw(asks)
    assert [(len(each.tokens), each.finish) for each in drawn] == [(left, Finish.TOTAL_LENGTH)] * 2
    assert len(fresh) == 1
    further = [Ask(QUERY, Sampling(max_tokens=12), after=each, then=ProcessReward()) for each in drawn]
    assert await ctx.draw(further) == [[], []]
    assert (run.failures, run.stopped, run.ledger.outstanding) == (0, "done", 0)
    assert run.ledger.spent == Usage.total(each.usage for each in (begun, *drawn, *fresh))


async def test_a_continuation_that_fits_is_drawn_as_before() -> None:
    found = []
    for length in (PROMPT + 20, 4096):
        ctx = Context(run_of(context_length=length), "a")
        begun = (await ctx.sample(QUERY, 1, Sampling(max_tokens=10)))[0]
        found.append(await ctx.sample(QUERY, 3, Sampling(max_tokens=10), after=begun))
    assert found[0] == found[1]


async def test_a_first_draw_that_does_not_fit_is_refused_as_before() -> None:
    run = run_of(context_length=PROMPT + 9)
    assert await Context(run, "a").sample(QUERY, 1, Sampling(max_tokens=10)) == []
    assert run.failures == 1


async def test_an_id_beyond_the_vocabulary_loses_no_attempt() -> None:
    run = run_of()
    ctx = Context(run, "a")
    begun = (await ctx.sample(QUERY, 1, Sampling(max_tokens=10)))[0]
    strange = replace(begun, tokens=(*begun.tokens, 10**6))
    (goes_on,) = await ctx.sample(QUERY, 1, SHORT, after=strange)
    assert goes_on.text.startswith(begun.text)
    assert (goes_on.finish, run.failures) == (Finish.EOS, 0)
