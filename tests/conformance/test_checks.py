"""Each check fails for a strategy that breaks what it checks."""

import asyncio
import itertools
from contextlib import suppress

import pytest

from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.prompting import asked, numbered
from ponder.orchestrator.replies import permutation
from ponder.orchestrator.types import Candidate, Finish
from ponder.strategies import BestOfN, Cascade, Critic, Fuse, Rank, Ranker, Sample
from ponder.strategies.drawing import Drawing
from ponder.testing import (
    draws_by_its_seed,
    ends_at_the_deadline,
    ignores_order_of_arrival,
    ignores_order_of_candidates,
    is_data,
    is_estimated,
    keeps_to_its_critical_path,
    keeps_what_survives,
    leaves_nothing_behind,
    never_overspends,
    reads_only_what_was_generated,
    resumes_from_any_row,
    survives_dead_engines,
    survives_engine_faults,
    survives_failing_verifiers,
    usage_is_what_was_paid,
)
from ponder.testing.replay_checks import MOST_CUTS, cuts
from ponder.verifiers import ProcessReward

KNOBS = {"max_tokens": 40}
GREEDY = Sampling(temperature=0.0, max_tokens=40)
COUNTER = itertools.count()


class Broken(Drawing):
    """A sound sampler; each subclass breaks one thing."""

    kind: str = "broken"
    n: int = 4
    max_tokens: int = 40

    def infer(self, shape, plan):
        return plan.sample(self.n, self.sampling)

    async def run(self, query, candidates, ctx):
        return await ctx.sample(query, self.n, self.sampling)


class PaysPastTheLedger(Broken):
    async def run(self, query, candidates, ctx):
        engine = ctx._run.engines["generator"]
        done = await engine.complete(Request(Prompt(query.messages), self.sampling, 0))
        drawn = await ctx.sample(query, self.n, self.sampling)
        return [*drawn, Candidate(done.tokens, done.text, done.finish, index=self.n)]


class GoesOnWhenRefused(Broken):
    """Draws small ones in its last breath, so that less budget draws more."""

    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        tiny = Sampling(max_tokens=1)
        return drawn + (await ctx.sample(query, 8, tiny) if ctx.is_stopped else [])


class WantsAllOrNothing(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        return drawn if len(drawn) == self.n else []


class EstimatesOne(Broken):
    def infer(self, shape, plan):
        plan.sample(1, self.sampling)
        return plan.sample(0, self.sampling)


class PromisesMore(Broken):
    def infer(self, shape, plan):
        return plan.sample(self.n + 1, self.sampling)


class DrawsOneByOne(Broken):
    """Waits for each draw before the next, and plans for all at once."""

    async def run(self, query, candidates, ctx):
        return [each for _ in range(self.n) for each in await ctx.sample(query, 1, self.sampling)]


class TakesTheFirstToArrive(Broken):
    async def run(self, query, candidates, ctx):
        async def one(i):
            return await ctx.child(str(i), self.kind).sample(query, 1, self.sampling)

        arrived = []
        for ended in asyncio.as_completed([asyncio.create_task(one(i)) for i in range(self.n)]):
            arrived += await ended
        return arrived


class DrawsWithoutSeed(Broken):
    async def run(self, query, candidates, ctx):
        other = query.model_copy(update={"id": "greedy"})
        return await ctx.sample(other, 1, GREEDY)


class Remembers(Broken):
    """Asks something else each time it runs."""

    async def run(self, query, candidates, ctx):
        hot = Sampling(temperature=1.0 + 0.001 * next(COUNTER), max_tokens=40)
        return await ctx.sample(query, self.n, hot)


class LeaksATask(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        self.__dict__["late"] = asyncio.create_task(asyncio.sleep(60))
        return drawn


class WillNotStop(Broken):
    async def run(self, query, candidates, ctx):
        with suppress(asyncio.CancelledError):
            return await ctx.sample(query, self.n, self.sampling)
        return []


class SleepsThrough(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        if ctx.is_stopped:
            await asyncio.sleep(2.1)
        return drawn


class BelievesThePrompt(Broken):
    """Takes a query that mentions an answer for an answered one."""

    async def run(self, query, candidates, ctx):
        n = 1 if "answer: " in query.messages[0].content else self.n
        return await ctx.sample(query, n, self.sampling)


class AnswersWithoutAsking(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        return drawn or [Candidate((), "I do not know", Finish.EOS)]


class IsMoreThanItsKnobs(Broken):
    """Has a knob that its table does not tell."""

    def model_dump(self, **options):
        table = super().model_dump(**options)
        return {name: value for name, value in table.items() if name != "n"}


class Judging(BestOfN):
    kind: str = "judging"
    n: int = 4
    max_tokens: int = 40
    verifier: ProcessReward = ProcessReward()


class TrustsScores(Judging):
    async def run(self, query, candidates, ctx):
        judged = await ctx.score(query, await ctx.sample(query, self.n, self.sampling), self.verifier)
        return sorted(judged, key=lambda candidate: -candidate.scores[self.verifier.name].value)


class DropsTheUnjudged(Judging):
    async def run(self, query, candidates, ctx):
        judged = await ctx.score(query, await ctx.sample(query, self.n, self.sampling), self.verifier)
        return [each for each in judged if each.scores[self.verifier.name].value is not None]


class CrashesOnALoss(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        return [drawn[i] for i in range(self.n if not ctx.is_stopped else len(drawn))]


class LosesAllForOne(Broken):
    """Gives up what came back when one draw is lost."""

    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        return drawn if len(drawn) == self.n else drawn[:1]


class LosesTheUnjudged(Judging):
    """Gives up all but one when one judgement is lost."""

    async def run(self, query, candidates, ctx):
        judged = await ctx.score(query, await ctx.sample(query, self.n, self.sampling), self.verifier)
        return judged if all(each.scores[self.verifier.name].value is not None for each in judged) else judged[:1]


class FillsItsWidth(Broken):
    """Returns draws twice where others were lost."""

    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        return (drawn * self.n)[: self.n]


class LeavesItsEndOpen(Broken):
    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        return [each.with_finish(Finish.STEP_LENGTH) if ctx.is_stopped else each for each in drawn]


class RunsPastItsStop(Broken):
    async def run(self, query, candidates, ctx):
        return await ctx.sample(query, self.n, Sampling(max_tokens=self.max_tokens))


class KeepsTheFirst(Rank):
    async def run(self, query, candidates, ctx):
        return list(candidates)[:1]


class ForgetsItsShuffle(Ranker):
    """Reads the ranking as if the candidates had been shown in the order they came in."""

    async def run(self, query, candidates, ctx):
        shown = sorted(candidates, key=lambda each: ctx.nonce(each.text))
        replies = await ctx.sample(asked(query, numbered([each.text for each in shown], ctx)), 1, self.sampling)
        order = permutation(replies[0].text, len(shown)) if replies else None
        return [candidates[place] for place in order or range(len(candidates))]


class KeepsTheFirstShown(Ranker):
    async def run(self, query, candidates, ctx):
        return list(candidates)[:1] if await super().run(query, candidates, ctx) else []


class FusesTheFirstTwo(Fuse):
    async def run(self, query, candidates, ctx):
        return await super().run(query, candidates[:2], ctx)


class MixesUpCritiques(Critic):
    async def run(self, query, candidates, ctx):
        criticized = await super().run(query, candidates, ctx)
        return [one.with_critique(criticized[0].critique) for one in criticized]


class CountsItself(Broken):
    """Charges the ledger for what nobody was asked."""

    async def run(self, query, candidates, ctx):
        drawn = await ctx.sample(query, self.n, self.sampling)
        for candidate in drawn[:1]:
            ctx._run.ledger.charge(candidate.usage)
        return drawn


DRAWN = Sample(n=4, **KNOBS)
ONE_LEFT = Pipeline.series(DRAWN, KeepsTheFirst(verifier=ProcessReward()))
FAILING = [
    (never_overspends, PaysPastTheLedger(), "the engines must be asked for no more"),
    (never_overspends, GoesOnWhenRefused(), "a larger budget must not draw less|must pay for the whole run"),
    (never_overspends, WantsAllOrNothing(), "must be answered with"),
    (never_overspends, EstimatesOne(), "must refuse nothing"),
    (usage_is_what_was_paid, PaysPastTheLedger(), "what the engines served must be what was paid"),
    (usage_is_what_was_paid, CountsItself(), "usage must be what was paid"),
    (is_estimated, EstimatesOne(), "the estimate of completion_tokens|the estimate of prompt_tokens"),
    (is_estimated, PromisesMore(), "the estimate of prompt_tokens must bracket"),
    (keeps_to_its_critical_path, DrawsOneByOne(), "at most 1 calls must be made one after another, .* got 4"),
    (keeps_to_its_critical_path, Pipeline.series(DrawsOneByOne(n=2), Critic(**KNOBS)), "at most 2 calls .* got 3"),
    (ignores_order_of_arrival, TakesTheFirstToArrive(), "must not depend on speed"),
    (draws_by_its_seed, DrawsWithoutSeed(), "another seed must give other draws"),
    (draws_by_its_seed, Remembers(), "the same seed must give the same bytes"),
    (resumes_from_any_row, Remembers(), "must ask at|the result must be the same"),
    (keeps_what_survives, LosesAllForOne(), "1 draws fewer than without, at least 3 candidates must be kept; got 1"),
    (keeps_what_survives, LosesTheUnjudged(), "0 draws fewer than without, at least 4 candidates must be kept; got 1"),
    (keeps_what_survives, FillsItsWidth(), "no draw may be returned twice"),
    (never_overspends, FillsItsWidth(), "no draw may be returned twice"),
    (never_overspends, LeavesItsEndOpen(), "each candidate must tell why nothing follows it"),
    (survives_engine_faults, RunsPastItsStop(stop=("step 2",)), "nothing may follow a stop string"),
    (survives_engine_faults, WantsAllOrNothing(), "an attempt that came back must be answered with"),
    (survives_engine_faults, CrashesOnALoss(), "list index out of range"),
    (survives_dead_engines, AnswersWithoutAsking(), "must end in error"),
    (survives_dead_engines, DropsTheUnjudged(), "must be answered with"),
    (survives_failing_verifiers, TrustsScores(), "bad operand|NoneType"),
    (survives_failing_verifiers, DropsTheUnjudged(), "must be answered with"),
    (ends_at_the_deadline, SleepsThrough(), "must end at its deadline"),
    (leaves_nothing_behind, LeaksATask(), "no task may be left"),
    (leaves_nothing_behind, TakesTheFirstToArrive(), "no task may be left"),
    (leaves_nothing_behind, WillNotStop(), "a run must stop"),
    (is_data, IsMoreThanItsKnobs(n=3), "rebuilt from its table"),
    (reads_only_what_was_generated, BelievesThePrompt(), "words in the prompt must change nothing"),
    (
        ignores_order_of_candidates,
        ONE_LEFT,
        "must not depend on the order",
    ),
    (
        ignores_order_of_candidates,
        Cascade(stages=(DRAWN, ONE_LEFT), verifier=ProcessReward(), thresholds=(1.0,)),
        "rank must not depend on the order",
    ),
    (ignores_order_of_candidates, Pipeline.series(DRAWN, KeepsTheFirstShown()), "must not depend on the order"),
    (ignores_order_of_candidates, Pipeline.series(DRAWN, ForgetsItsShuffle()), "must not depend on the order"),
    (
        ignores_order_of_candidates,
        Pipeline.series(Sample(n=6, **KNOBS), FusesTheFirstTwo(**KNOBS)),
        "must not depend on the order",
    ),
    (ignores_order_of_candidates, Pipeline.series(DRAWN, MixesUpCritiques(**KNOBS)), "must not depend on the order"),
]


@pytest.mark.parametrize(("check", "strategy", "says"), FAILING)
async def test_a_broken_strategy_fails(check, strategy, says: str) -> None:
    with pytest.raises(Exception, match=says):
        await check(strategy)


@pytest.mark.parametrize("check", sorted({case[0] for case in FAILING}, key=lambda check: check.__name__))
async def test_a_sound_strategy_passes(check) -> None:
    await check(Broken())
    await check(Judging())


async def test_a_strategy_of_one_draw_is_played_within_budgets_that_pay_for_it() -> None:
    await ignores_order_of_arrival(Broken(n=1))


def test_a_short_journal_is_cut_everywhere() -> None:
    rows = [("intents", ()), ("effects", ())] * 32
    assert cuts(rows) == list(range(65))


def test_a_long_journal_is_cut_between_every_two_kinds_of_rows() -> None:
    rows = [("steps", ())] * 50 + [("intents", ())] * 51 + [("effects", ())] * 99 + [("charges", ())] * 5
    found = cuts(rows)
    assert {0, 50, 101, 200, 205} <= set(found)
    assert MOST_CUTS < len(found) < 2 * MOST_CUTS
