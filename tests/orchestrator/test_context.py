"""The context: keys, order, budgets and failures of single effects."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Literal

import pytest

from ponder.orchestrator.budget import Budget, Ledger
from ponder.orchestrator.context import Context, Run
from ponder.orchestrator.draw import Attempts
from ponder.orchestrator.engine import Capabilities, Engine, Prompt, Sampling
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.engines.simulated_world import World
from ponder.orchestrator.errors import EngineUnavailable, JournalError, UsageError
from ponder.orchestrator.journal import Journal, Memory, Retries
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.judging import Judging
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Candidate, Finish, Query, Score, Usage
from ponder.orchestrator.verifier import Verifier
from ponder.strategies import BestOfN, Rank, Sample
from ponder.verifiers import ProcessReward
from ponder.verifiers.answers import AnswerKey

WORLD = World(seed=1, steps=2, branching=3)
QUERY = Query.ask("Problem 3?")
SHORT = Sampling(max_tokens=40)


class Wordy(SimulatedEngine):
    """An engine whose tokenizer makes three times as many tokens of a prompt."""

    async def count(self, prompt: Prompt) -> int:
        return 3 * await super().count(prompt)


class Recorded(AnswerKey):
    """An answer that must be journalled."""

    kind: Literal["recorded"] = "recorded"

    @property
    def is_recorded(self) -> bool:
        return True

    def key(self, text: str) -> str | None:
        return text or None


class Slow(Verifier):
    """Judges for as long as it is let."""

    kind: Literal["slow"] = "slow"

    @property
    def is_recorded(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if candidates[0].text == "slow":
            await asyncio.sleep(60)
        return [Score(1.0)] * len(candidates)


def run_of(
    budget: Budget = Budget(), store: Memory | JournalFile | None = None, reward: Engine | None = None, **knobs: Any
) -> Run:
    spec = {name: knobs.pop(name) for name in ("faults", "latency_s") if name in knobs}
    engines = {
        "generator": SimulatedSpec(world=WORLD, **spec).open(),
        "reward": reward or SimulatedSpec(world=WORLD).open(),
    }
    gates = {name: nullcontext() for name in engines}
    journal = Journal(store or Memory(), retries=Retries(first_wait_s=0.0))
    return Run("task", engines, gates, Ledger(budget), Ledger(Budget()), journal, **knobs)


def texts(candidates: Sequence[Candidate]) -> list[str]:
    return [each.text for each in candidates]


async def test_draws_depend_on_seed_replicate_path_and_index_and_on_nothing_else() -> None:
    base = texts(await Context(run_of(), "a").sample(QUERY, 8, SHORT))
    assert texts(await Context(run_of(), "another name").sample(QUERY, 8, SHORT)) == base
    assert texts(await Context(run_of(seed=1), "a").sample(QUERY, 8, SHORT)) != base
    assert texts(await Context(run_of(replicate=1), "a").sample(QUERY, 8, SHORT)) != base
    assert texts(await Context(run_of(), "a").child("b", "a").sample(QUERY, 8, SHORT)) != base
    ctx = Context(run_of(), "a")
    assert texts([*await ctx.sample(QUERY, 3, SHORT), *await ctx.sample(QUERY, 5, SHORT)]) == base


async def test_indices_go_on_over_rounds() -> None:
    ctx = Context(run_of(), "a")
    drawn = [*await ctx.sample(QUERY, 2, SHORT), *await ctx.sample(QUERY, 2, Sampling(max_tokens=9))]
    assert [each.index for each in drawn] == [0, 1, 2, 3]


async def test_random_numbers_are_named() -> None:
    ctx = Context(run_of(), "a")
    assert ctx.rng("x").random() == Context(run_of(), "a").rng("x").random()
    assert ctx.rng("x").random() != ctx.rng("y").random()
    assert ctx.rng().random() != ctx.child("b", "a").rng().random()


async def test_a_candidate_is_continued_from_its_tokens() -> None:
    ctx = Context(run_of(), "a")
    start = (await ctx.sample(QUERY, 1, Sampling(max_tokens=12)))[0]
    whole = (await ctx.sample(QUERY, 1, SHORT, after=start))[0]
    assert whole.parent == start
    assert whole.text.startswith(start.text)
    assert whole.finish == Finish.EOS
    assert (
        whole.generated_tokens
        == len(whole.path_tokens)
        == start.usage.completion_tokens + whole.usage.completion_tokens
    )


@pytest.mark.parametrize("n", [0, -1, 10**9])
async def test_a_number_of_draws_out_of_range_is_refused(n) -> None:
    with pytest.raises(UsageError, match="n must be between 1 and 4096"):
        await Context(run_of(), "a").sample(QUERY, n, SHORT)


async def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UsageError, match=r"one of the pipeline's \(generator, reward\), got 'big'"):
        await Context(run_of(), "a").sample(QUERY, 1, SHORT, engine="big")


async def test_a_prompt_too_long_for_the_engine_is_a_failure_not_a_crash() -> None:
    run = run_of()
    assert await Context(run, "a").sample(QUERY, 2, Sampling(max_tokens=40_000)) == []
    assert run.failures == 1
    assert "lower max_tokens or shorten the prompt" in run.reason


async def test_room_set_aside_for_a_judge_is_used_by_it_and_given_back() -> None:
    run = run_of(Budget(total_tokens=2 * (17 + 40 + 57)))
    ctx = Context(run, "a")
    drawn = await ctx.sample(QUERY, 8, SHORT, then=ProcessReward())
    assert len(drawn) >= 2
    judged = await ctx.score(QUERY, drawn, ProcessReward())
    assert all(each.scores["process_reward"].value is not None for each in judged)
    assert (run.ledger.outstanding, run.kept) == (0, {})


async def test_a_judge_that_counts_more_tokens_than_were_set_aside_does_not_overspend() -> None:
    for limit in range(120, 900, 40):
        run = run_of(Budget(total_tokens=limit), reward=Wordy(SimulatedSpec(world=WORLD)))
        ctx = Context(run, "a")
        judged = await ctx.score(QUERY, await ctx.sample(QUERY, 4, SHORT, then=ProcessReward()), ProcessReward())
        assert run.ledger.spent.total_tokens <= limit
        assert run.ledger.outstanding == 0
        assert judged


async def test_answers_are_read_even_after_the_deadline() -> None:
    run = run_of(Budget(seconds=0.0))
    run.account = run.ledger
    found = await Context(run, "a").answer([Candidate((), "3", Finish.EOS)], Recorded())
    assert [each.answer for each in found] == ["3"]


async def test_a_judge_that_is_late_leaves_its_candidate_unjudged() -> None:
    run = run_of(Budget(seconds=0.2))
    candidates = [Candidate((), text, Finish.EOS, index=i) for i, text in enumerate(("quick", "slow", "brisk"))]
    judged = await Context(run, "a").score(QUERY, candidates, Slow())
    assert [each.scores["slow"].value for each in judged] == [1.0, None, 1.0]
    assert run.stopped == "deadline"


async def test_what_was_asked_at_a_place_must_be_asked_again(tmp_path) -> None:
    file = JournalFile(tmp_path / "j.db")
    await Context(run_of(store=file), "sample").sample(QUERY, 2, SHORT)
    with pytest.raises(JournalError, match=r"strategy 'sample' must ask at task/0/0 what it asked .*\(by 'sample'\)"):
        await Context(run_of(store=file), "sample").sample(QUERY, 3, SHORT)
    file.close()


async def test_equal_draws_in_flight_are_paid_once() -> None:
    store = Memory()
    runs = [run_of(store=store) for _ in range(3)]
    journal = runs[0].journal
    for run in runs:
        run.journal = journal
    await asyncio.gather(*(Context(run, "a").sample(QUERY, 4, SHORT) for run in runs))
    assert sum(run.account.spent.calls for run in runs) == 4
    assert [run.ledger.spent.calls for run in runs] == [4, 4, 4]


class Endless(AnswerKey):
    """An answer that is read at once where the text is short, and never else."""

    kind: Literal["endless"] = "endless"
    recorded: bool = True

    @property
    def is_recorded(self) -> bool:
        return self.recorded

    async def keys(self, texts: Sequence[str]) -> list[str | None]:
        if any(len(text) > 3 for text in texts):
            await asyncio.sleep(60)
        return list(texts)


class Uncounted(SimulatedEngine):
    """An engine that never ends counting."""

    async def count(self, prompt: Prompt) -> int:
        await asyncio.sleep(60)
        return 1


@pytest.mark.parametrize("recorded", [True, False])
async def test_answers_that_are_not_read_in_time_abstain(recorded) -> None:
    run = run_of(Budget(seconds=0.2))
    began = time.monotonic()
    candidates = [Candidate((), text, Finish.EOS) for text in ("1", "endless", "2")]
    found = await Context(run, "a").answer(candidates, Endless(recorded=recorded))
    assert time.monotonic() - began < 20
    assert [each.answer for each in found] == ["1", None, "2"]
    assert run.stopped == "deadline"


async def test_counting_ends_at_the_deadline() -> None:
    run = run_of(Budget(seconds=0.2), reward=Uncounted(SimulatedSpec(world=WORLD)))
    began = time.monotonic()
    drawn = await Context(run, "a").sample(QUERY, 2, SHORT)
    prompts = [Prompt(QUERY.messages, text=each.text) for each in drawn]
    read = await Judging(run, "reward", "reward").read(prompts, "reward")
    assert await Context(run, "a").sample(QUERY, 2, SHORT, engine="reward") == []
    await Context(run, "a").plan(QUERY)
    assert time.monotonic() - began < 20
    assert (len(drawn), read, run.stopped) == (2, [None, None], "deadline")
    assert run.ledger.outstanding == 0


async def test_a_judge_by_rules_that_never_ends_is_left_at_the_deadline() -> None:
    run = run_of(Budget(seconds=0.2))
    judged = await Context(run, "a").score(QUERY, [Candidate((), "slow", Finish.EOS)], Unhurried())
    assert judged[0].scores["unhurried"].value is None
    assert run.stopped == "deadline"


class Unhurried(Verifier):
    """Never ends."""

    kind: Literal["unhurried"] = "unhurried"

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        await asyncio.sleep(60)
        return [Score(1.0)] * len(candidates)


class Broken(Verifier):
    """Raises what a plug-in may raise."""

    kind: Literal["broken"] = "broken"
    recorded: bool = False

    @property
    def is_recorded(self) -> bool:
        return self.recorded

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        raise ValueError("no such column")


class BrokenKey(Recorded):
    """An answer that cannot be read from some texts."""

    recorded: bool = True

    @property
    def is_recorded(self) -> bool:
        return self.recorded

    def key(self, text: str) -> str | None:
        return str(int(text))


class Wanting(Verifier):
    """Can never judge here."""

    kind: Literal["wanting"] = "wanting"

    def check(self) -> None:
        raise UsageError("wanting must have its package, which is not installed; install it")


@pytest.mark.parametrize("recorded", [True, False])
async def test_a_judge_that_raises_loses_no_draw(recorded) -> None:
    run = run_of()
    ctx = Context(run, "a")
    judged = await ctx.score(QUERY, await ctx.sample(QUERY, 3, SHORT), Broken(recorded=recorded))
    assert [each.scores["broken"].value for each in judged] == [None] * 3
    assert run.reason == "broken must tell or abstain, but raised ValueError: no such column"
    assert (run.stopped, run.ledger.spent.calls, run.failures > 0) == ("done", 3, True)


@pytest.mark.parametrize("recorded", [True, False])
async def test_an_answer_that_raises_abstains_alone(recorded) -> None:
    run = run_of()
    candidates = [Candidate((), text, Finish.EOS) for text in ("1", "x", "02")]
    found = await Context(run, "a").answer(candidates, BrokenKey(recorded=recorded))
    assert [each.answer for each in found] == ["1", None, "2"]
    assert run.reason.startswith("answer 'recorded' must tell or abstain, but raised ValueError: invalid literal")
    assert run.failures == 1


async def test_a_judge_that_cannot_work_is_refused_before_anything_is_paid() -> None:
    for strategy in (BestOfN(n=2, verifier=Wanting()), Pipeline.series(Sample(n=2), Rank(verifier=Wanting()))):
        async with Runtime({"generator": SimulatedSpec(world=WORLD)}) as here:
            with pytest.raises(UsageError, match="wanting must have its package"):
                await here.run(strategy, QUERY)


@pytest.mark.parametrize("then", [None, ProcessReward()])
@pytest.mark.parametrize("is_free", [True, False])
async def test_a_draw_that_fails_is_charged_once_and_only_where_an_attempt_cost_something(is_free, then) -> None:
    run = run_of(faults=Faults(unavailable=1.0, unavailable_is_free=is_free))
    assert await Context(run, "a").sample(QUERY, 2, SHORT, then=then) == []
    bound = Usage() if is_free else run.engines["generator"].meter.generation(17, 40)
    assert run.ledger.spent == bound + bound
    assert run.account.spent == Usage.total([bound] * 14)
    assert run.failures == 2


async def test_one_paid_attempt_among_free_ones_is_charged() -> None:
    attempts = Attempts(Usage(calls=1))
    for is_free in (True, False, True):
        with pytest.raises(EngineUnavailable):
            await attempts.attempt(failing(is_free))
    assert attempts.due(EngineUnavailable("", is_free=True)) == Usage(calls=1)


async def test_a_draw_that_was_never_sent_is_not_charged_at_the_deadline() -> None:
    run = run_of(Budget(seconds=0.2), latency_s=0.001, faults=Faults(hang=1.0))
    run.gates = {name: asyncio.Semaphore(2) for name in run.engines}
    assert await Context(run, "a").sample(QUERY, 8, SHORT) == []
    assert run.ledger.spent.calls == run.account.spent.calls == 2
    assert run.stopped == "deadline"


async def failing(is_free: bool) -> None:
    raise EngineUnavailable("away", is_free=is_free)


class Bounding(SimulatedEngine):
    """An engine that bounds its prompts by far too much."""

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"exact_count": False})

    async def count(self, prompt: Prompt) -> int:
        return await super().count(prompt) + 100_000


async def test_a_bound_of_a_prompt_does_not_refuse_it() -> None:
    run = run_of(reward=Bounding(SimulatedSpec(world=WORLD)))
    assert len(await Context(run, "a").sample(QUERY, 2, SHORT, engine="reward")) == 2
