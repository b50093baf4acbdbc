"""Each check fails for a verifier that breaks what it checks."""

import asyncio
import itertools
from contextlib import suppress

import pytest
from pydantic import ConfigDict

from ponder.orchestrator.draw import Ask
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.prompting import asked
from ponder.orchestrator.types import Score, Usage
from ponder.orchestrator.verifier import Verifier
from ponder.testing import (
    VERIFIER_CHECKS,
    Bench,
    asks_whom_it_names,
    bears_odd_candidates,
    can_be_checked_again,
    fits_what_is_set_aside,
    follows_its_candidates,
    is_bounded,
    is_paid_once,
    is_plain_data,
    judges_each_by_itself,
    judges_within_any_budget,
    judging_ends_at_the_deadline,
    judging_ignores_order_of_arrival,
    judging_leaves_nothing_behind,
    judging_resumes_from_any_row,
    needs_what_it_says,
    scores_each_candidate,
    survives_dead_judges,
    survives_lost_judgements,
    survives_mangled_replies,
    tells_what_it_costs,
)

COUNTER = itertools.count()
WORD = 20
ASKED = "Say a digit."
BENCH = Bench(says=lambda prompt: str(len(prompt) % 7 + prompt.count("answer: 4")))


class Sound(Verifier):
    """A sound judge: it asks for a digit after each text; each subclass breaks one thing."""

    kind: str = "sound"
    sure: int = 0

    def engine_names(self):
        return ("judge",)

    def bound(self, engines, prompt_tokens, completion_tokens, together=1):
        reads = prompt_tokens + completion_tokens + len(ASKED) + WORD
        return engines["judge"].meter.generation(reads, WORD, judging=True)

    def least(self, engines, prompt_tokens):
        return Usage()

    async def score(self, query, candidates, ctx):
        replies = await ctx.ask([self.ask(query, candidate.text) for candidate in candidates])
        return [self.read(reply, ctx) for (reply,) in replies]

    def ask(self, query, text):
        before = "".join(message.content for message in query.messages)
        return Ask(asked(query, f"{before}{text}{ASKED}"), Sampling(max_tokens=WORD), 1, "judge")

    def read(self, reply, ctx):
        if reply is None:
            return ctx.unanswered("judge")
        is_digit = len(reply.text) == 1 and reply.text.isdecimal()
        return Score(int(reply.text) / 9, usage=reply.usage) if is_digit else Score(None, detail="?", usage=reply.usage)


class Plain(Verifier):
    """A sound judge that asks nobody: a longer text is better."""

    kind: str = "plain"

    async def score(self, query, candidates, ctx):
        return [Score(self.value(each.text), kind="exact") for each in candidates]

    def value(self, text):
        return float(len(text) + sum(map(ord, text)))


class Relative(Plain):
    """A sound judge that compares: the share of the others that a text is longer than."""

    kind: str = "relative"

    @property
    def is_relative(self):
        return True

    async def score(self, query, candidates, ctx):
        values = [self.value(each.text) for each in candidates]
        return [Score(sum(value > other for other in values) / len(values)) for value in values]


class ForgetsOne(Sound):
    async def score(self, query, candidates, ctx):
        return (await super().score(query, candidates, ctx))[:-1]


class GivesNoReason(Sound):
    def read(self, reply, ctx):
        return super().read(reply, ctx) if reply else Score(None)


class FindsAllAlike(Plain):
    def value(self, text):
        return 0.5


class AsksForNobody(Sound):
    async def score(self, query, candidates, ctx):
        await ctx.ask([self.ask(query, "")])
        return await super().score(query, candidates, ctx)


class LikesTheFirst(Relative):
    async def score(self, query, candidates, ctx):
        return [Score(1 / (1 + place)) for place, _ in enumerate(candidates)]


class TellsDuplicatesApart(Plain):
    async def score(self, query, candidates, ctx):
        seen: set[str] = set()
        fresh = [not (each.text in seen or seen.add(each.text)) for each in candidates]
        return [Score(self.value(each.text) + is_fresh) for each, is_fresh in zip(candidates, fresh, strict=True)]


class ComparesInSecret(Relative):
    @property
    def is_relative(self):
        return False


class ReversesThem(Plain):
    async def score(self, query, candidates, ctx):
        return (await super().score(query, candidates, ctx))[::-1]


class ShowsThemInOrder(Sound):
    """Takes the judge's choice between places for one between texts."""

    @property
    def is_relative(self):
        return True

    async def score(self, query, candidates, ctx):
        ((reply,),) = await ctx.ask([self.ask(query, "".join(sorted(each.text for each in candidates)))])
        best = int(reply.text) % len(candidates) if reply and reply.text.isdecimal() else 0
        return [Score(float(place == best)) for place, _ in enumerate(candidates)]


class NeedsALine(Plain):
    def value(self, text):
        return float(len(text.splitlines()[0]))


class ReadsNumbers(Plain):
    def value(self, text):
        words = [word for word in text.split() if word.isdecimal()]
        return float(int(words[-1])) if words else 0.0


class SpoilsItsNeighbours(Sound):
    async def score(self, query, candidates, ctx):
        scores, is_odd = await super().score(query, candidates, ctx), any(not each.text.strip() for each in candidates)
        return [Score(None, detail="odd", usage=score.usage) if is_odd else score for score in scores]


class HidesItsCost(Sound):
    def read(self, reply, ctx):
        score = super().read(reply, ctx)
        return Score(score.value, detail=score.detail or "free")


class HidesTheCostOfRubbish(Sound):
    def read(self, reply, ctx):
        score = super().read(reply, ctx)
        return score if score.value is not None else Score(None, detail="rubbish")


class PaysPastTheLedger(Sound):
    async def score(self, query, candidates, ctx):
        scores = await super().score(query, candidates, ctx)
        if candidates:
            past = Request(Prompt(query.messages), Sampling(max_tokens=9), 0, judging=True)
            await ctx._run.engines["judge"].complete(past)
        return scores


class ExpectsLess(Sound):
    def bound(self, engines, prompt_tokens, completion_tokens, together=1):
        return engines["judge"].meter.generation(prompt_tokens, WORD, judging=True)


class ExpectsMore(Sound):
    def least(self, engines, prompt_tokens):
        return engines["judge"].meter.generation(10 * prompt_tokens, 1, judging=True)


class ForgetsTheOdd(Sound):
    """Counts no more than what a draw of a few tokens reads."""

    def bound(self, engines, prompt_tokens, completion_tokens, together=1):
        return super().bound(engines, prompt_tokens, min(completion_tokens, 64), together)


class CountsOneForAll(Sound):
    def bound(self, engines, prompt_tokens, completion_tokens, together=1):
        whole = super().bound(engines, prompt_tokens, completion_tokens)
        return whole if together < 3 else Usage()


class AsksSomethingElse(Sound):
    def ask(self, query, text):
        return super().ask(query, f"{text}{next(COUNTER)}")


class ChangesItsMind(Plain):
    def value(self, text):
        return super().value(text) + next(COUNTER)


class TakesTheFirstToArrive(Sound):
    async def score(self, query, candidates, ctx):
        async def one(place):
            ((reply,),) = await ctx.ask([self.ask(query, candidates[place].text)])
            arrived.append(place)
            return self.read(reply, ctx)

        arrived: list[int] = []
        scores = await asyncio.gather(*map(one, range(len(candidates))))
        return [Score(float(arrived.index(place)), usage=score.usage) for place, score in enumerate(scores)]


class TakesSilenceForPraise(Sound):
    def read(self, reply, ctx):
        return super().read(reply, ctx) if reply else Score(1.0)


class LosesAllForOne(Sound):
    async def score(self, query, candidates, ctx):
        scores = await super().score(query, candidates, ctx)
        lost = any(score.usage == Usage() for score in scores)
        return [Score(None, detail="one is lost", usage=score.usage) if lost else score for score in scores]


class TrustsTheJudge(Sound):
    def read(self, reply, ctx):
        return ctx.unanswered("judge") if reply is None else Score(float(reply.text[0]), usage=reply.usage)


class TakesAnyNumber(Sound):
    def read(self, reply, ctx):
        if reply is None:
            return ctx.unanswered("judge")
        return Score(float(reply.text) if reply.text.isdecimal() else float("nan"), usage=reply.usage)


class SleepsThrough(Sound):
    async def score(self, query, candidates, ctx):
        scores = await super().score(query, candidates, ctx)
        if ctx._run.stopped != "done":
            await asyncio.sleep(2.1)
        return scores


class LeaksATask(Sound):
    async def score(self, query, candidates, ctx):
        self.__dict__["late"] = asyncio.create_task(asyncio.sleep(60))
        return await super().score(query, candidates, ctx)


class WillNotStop(Sound):
    async def score(self, query, candidates, ctx):
        with suppress(asyncio.CancelledError):
            return await super().score(query, candidates, ctx)
        return [Score(None, detail="cancelled")] * len(candidates)


class HoldsItsRoom(Sound):
    async def score(self, query, candidates, ctx):
        await ctx._run.ledger.reserve(Usage(verifier_calls=1))
        return await super().score(query, candidates, ctx)


class IsMoreThanItsKnobs(Sound):
    def model_dump(self, **options):
        return {name: value for name, value in super().model_dump(**options).items() if name != "sure"}


class IsNamedByChance(Sound):
    @property
    def name(self):
        return f"sound-{next(COUNTER)}"


class TakesAnyKnob(Sound):
    model_config = ConfigDict(extra="ignore")


class CanBeChanged(Sound):
    model_config = ConfigDict(frozen=False)


class IsCheckedOnce(Sound):
    def check(self):
        if "checked" in self.__dict__:
            raise UsageError("it must be checked once")
        self.__dict__["checked"] = True


class AsksAnother(Sound):
    def engine_names(self):
        return ("judge", "second")[1:]

    def bound(self, engines, prompt_tokens, completion_tokens, together=1):
        return engines["second"].meter.generation(9999, WORD, judging=True)

    def ask(self, query, text):
        return Ask(asked(query, text + ASKED), Sampling(max_tokens=WORD), 1, "generator")


class ComparesWithTheReference(Plain):
    async def score(self, query, candidates, ctx):
        if query.reference is None:
            return [Score(None, detail="no reference")] * len(candidates)
        return await super().score(query, candidates, ctx)


class JudgesWithoutItsReference(Plain):
    @property
    def needs_reference(self):
        return True


FAILING = [
    (scores_each_candidate, ForgetsOne(), "nothing must fail|must give"),
    (scores_each_candidate, FindsAllAlike(), "that the verifier tells apart"),
    (scores_each_candidate, AsksForNobody(), "no candidates must have no scores|must add up"),
    (scores_each_candidate, TellsDuplicatesApart(), "equal candidates must have equal scores"),
    (scores_each_candidate, LikesTheFirst(), "equal candidates must have equal scores"),
    (follows_its_candidates, LikesTheFirst(), "must have their scores in that order"),
    (follows_its_candidates, ReversesThem(), "must have their scores in that order"),
    (follows_its_candidates, ShowsThemInOrder(), "must have their scores in that order|must add up"),
    (judges_each_by_itself, ComparesInSecret(), "or the verifier relative"),
    (judges_each_by_itself, ChangesItsMind(), "or the verifier relative"),
    (bears_odd_candidates, NeedsALine(), "must not raise"),
    (bears_odd_candidates, ReadsNumbers(), "must not raise"),
    (bears_odd_candidates, SpoilsItsNeighbours(), "must not change the scores of others"),
    (tells_what_it_costs, HidesItsCost(), "must add up to what judging has cost"),
    (tells_what_it_costs, HidesTheCostOfRubbish(), "must add up to what judging has cost"),
    (tells_what_it_costs, PaysPastTheLedger(), "must be charged what the engines served"),
    (is_bounded, ExpectsLess(), "the estimate of prompt_tokens must bracket"),
    (is_bounded, ExpectsMore(), "the estimate of prompt_tokens must bracket"),
    (is_bounded, ForgetsTheOdd(), "the estimate of prompt_tokens must bracket"),
    (is_bounded, CountsOneForAll(), "must bracket what is spent"),
    (is_paid_once, AsksSomethingElse(), "judged again must cost nothing more"),
    (is_paid_once, ChangesItsMind(), "must have the same scores"),
    (judging_resumes_from_any_row, AsksSomethingElse(), "the result must be the same|the rest alone must be paid"),
    (judges_within_any_budget, PaysPastTheLedger(), "the engines must be asked for no more"),
    (judges_within_any_budget, GivesNoReason(), "must say why in its detail"),
    (judges_within_any_budget, ExpectsLess(), "must refuse nothing"),
    (fits_what_is_set_aside, ExpectsLess(), "what was set aside for judging must pay for it all"),
    (judging_ignores_order_of_arrival, TakesTheFirstToArrive(), "must not depend on speed"),
    (survives_dead_judges, GivesNoReason(), "must say why in its detail"),
    (survives_dead_judges, TakesSilenceForPraise(), "who needs one must have no score"),
    (survives_lost_judgements, LosesAllForOne(), "one score at most may change"),
    (survives_mangled_replies, TrustsTheJudge(), "must not raise"),
    (survives_mangled_replies, TakesAnyNumber(), "must say why in its detail"),
    (judging_ends_at_the_deadline, SleepsThrough(), "must end at its deadline"),
    (judging_leaves_nothing_behind, LeaksATask(), "no task may be left"),
    (judging_leaves_nothing_behind, WillNotStop(), "a run must stop"),
    (judging_leaves_nothing_behind, HoldsItsRoom(), "no reservation may be left"),
    (is_plain_data, IsMoreThanItsKnobs(sure=3), "rebuilt from its table"),
    (is_plain_data, IsNamedByChance(), "must keep its name"),
    (is_plain_data, TakesAnyKnob(), "must be refused"),
    (is_plain_data, CanBeChanged(), "must be frozen"),
    (can_be_checked_again, IsCheckedOnce(), "must be checked once"),
    (asks_whom_it_names, AsksAnother(), "must name the engines it asks"),
    (needs_what_it_says, ComparesWithTheReference(), "must say that it needs a reference"),
    (needs_what_it_says, JudgesWithoutItsReference(), "must give no score"),
]


@pytest.mark.parametrize(
    ("check", "verifier", "says"), FAILING, ids=lambda each: getattr(each, "__name__", type(each).__name__)
)
async def test_a_broken_verifier_fails(check, verifier, says: str) -> None:
    with pytest.raises(Exception, match=says):
        await check(verifier, BENCH)


def test_every_check_has_a_verifier_that_breaks_it() -> None:
    assert {case[0] for case in FAILING} == set(VERIFIER_CHECKS)


@pytest.mark.parametrize("verifier", [Sound(), Plain(), Relative()], ids=lambda each: each.kind)
@pytest.mark.parametrize("check", VERIFIER_CHECKS, ids=lambda check: check.__name__)
async def test_a_sound_verifier_passes(check, verifier: Verifier) -> None:
    await check(verifier, BENCH)
