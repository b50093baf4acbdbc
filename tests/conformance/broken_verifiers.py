"""Sound verifiers, and some that break one thing each."""

import asyncio
import itertools
from contextlib import suppress

from pydantic import ConfigDict

from ponder.orchestrator.draw import Ask
from ponder.orchestrator.engine import Prompt, Request, Sampling
from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.prompting import asked
from ponder.orchestrator.types import Score, Usage
from ponder.orchestrator.verifier import Verifier
from ponder.verifiers.shared_cost import shares

COUNTER = itertools.count()
WORD = 20
ASKED = "Say a digit."


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


class ScoresOnAnotherScale(Plain):
    @property
    def score_scale(self):
        return "logit"


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


class Chooses(Sound):
    """Shows all texts at once in the order given, and is told the place of the best: sound with a sound judge."""

    @property
    def is_relative(self):
        return True

    async def score(self, query, candidates, ctx):
        if not candidates:
            return []
        shown = self.shown([each.text for each in candidates])
        ((reply,),) = await ctx.ask([self.ask(query, "".join(f"\n> {text!r}\n" for text in shown))])
        best = int(reply.text) % len(candidates) if reply and reply.text.isdecimal() else 0
        parts = shares(reply.usage if reply else Usage(), len(candidates))
        return [Score(float(place == best), usage=part) for place, part in enumerate(parts)]

    def shown(self, texts):
        return texts


class ForgetsItsShuffle(Chooses):
    def shown(self, texts):
        return sorted(texts)


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


class AsksInTurn(Sound):
    """Waits for each judgement before the next."""

    async def score(self, query, candidates, ctx):
        replies = [await ctx.ask([self.ask(query, candidate.text)]) for candidate in candidates]
        return [self.read(reply, ctx) for ((reply,),) in replies]


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


class GuessesTheMiddle(Sound):
    def read(self, reply, ctx):
        score = super().read(reply, ctx)
        return score if score.value is not None or reply is None else Score(0.5, usage=score.usage)


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
