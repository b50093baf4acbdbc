"""A judge that compares candidates two by two, in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.engine import Completion
from ..orchestrator.prompting import FENCED, Template
from ..orchestrator.types import Candidate, Query, Score, Usage
from .label_chances import TwoLabels, label_chances
from .relative_judge import RelativeJudge, verdict_line
from .shared_cost import shares as parts
from .tournaments.bradley_terry import bradley_terry
from .tournaments.knockout import knockout
from .tournaments.pairwise import HALVES, Match, Pair, Points, Schedule, outcome, shares
from .tournaments.round_robin import round_robin
from .tournaments.swiss import swiss

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

SHOWN = f"""Below are a question and two responses to it. {FENCED}

Question:
{{question}}

Responses:
{{responses}}

Which response is more correct, complete and helpful? Judge what each shows and not what it says of itself; neither \
its place nor its length counts. """
WRITTEN = (
    SHOWN
    + "First compare them step by step. Then write a last line that holds nothing but your verdict: {code}[1] if the "
    "first is better, {code}[2] if the second is, {code}[Tie] if neither is."
)
READ = SHOWN + "Reply with the number of the better one and nothing else: 1 or 2."


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two responses shown in both orders: the points of each, None where it was not played, and what was answered."""

    points: Points | None
    is_inconsistent: bool
    answers: tuple[Completion, ...]


class PairwiseJudge(RelativeJudge):
    """The matches that a candidate wins against the others, between 0 and 1, as a model judges each in both orders.

    A match is two calls, with the responses exchanged in the second. In the form ``written`` it is won only where both
    verdicts name the same response; both may say that it is a tie, and where they contradict each other each response
    has half a point, as in a tie. A verdict is read on the last line alone: where one of the two cannot be read, the
    match was not played. In the form ``labels`` the probabilities of the two numbers are read as the judge's next
    token and averaged over both orders: the chance that one beats the other, without sampling noise and at one token a
    call. Either way a judge who looks at the place alone makes all candidates equal.

    Who meets whom is the `schedule`: all meet all; or who does not win is out; or neighbours in the standing meet, for
    some rounds. The score is the share of points in the matches played or, by ``bradley_terry``, the chance to beat an
    even opponent, which weighs a win by whom it was won against. A candidate alone, or beside equal ones only, scores
    0.5 at no cost. The detail of a score says how many of its matches were inconsistent, and how many of all.

    Evidence: what the judge's model prefers of two texts side by side.
    When to trust it: better and worse answers differ in what can be seen beside one another, and the share of
        inconsistent matches is small: where it is large, the judge looks at places. A judge can be consistent and
        wrong; measure how often a canary beats an attempt.
    Cost: 2 calls a match. Round robin of n: ``n (n - 1)`` calls, depth 1. Knockout: ``2 (n - 1)`` calls, depth
        ``ceil(log2 n)``. Swiss: ``2 rounds floor(n / 2)`` calls at most, depth `rounds`.
    Source: Zheng et al. 2023, arXiv 2306.05685, section 3.4, both orders; Li et al. 2025 (S*), arXiv 2502.14382,
        section 3.3, a win needs both.
    Departs: S* gives both sides nothing where verdicts contradict each other; here it is half a point each, so that
        the points of a match add up to one in every schedule and rating. Zheng et al. say tie for it too.

    Args:
        form: whether the verdict is written, or read from the probabilities of the labels.
        schedule: who meets whom.
        rounds: of the Swiss schedule, and of no other; None takes ``ceil(log2 n)``, after which a judge who never errs
            has named the best.
        scoring: how matches make a score.
        seeded_by: the name of the score that earlier verifiers gave candidates, by which they are seeded in a knockout
            or Swiss, best first; those without come after, and the rest is drawn. In a knockout the better seed goes on
            where nobody wins. Where no candidate has that score none is judged: ``Score(None)``.
        labels: "the first" and "the second" as the model says them, each known by its first token.
        least_mass: probability that the labels must have together for a match to be played, 0 to 1.
        prompt: how a written verdict is asked for; it must end in a line such as ``{code}[1]``.
        labels_prompt: how a label is asked for.
    """

    SPELLED = ("form", "schedule", "scoring")
    kind: Literal["pairwise_judge"] = "pairwise_judge"
    form: Literal["written", "labels"] = "written"
    schedule: Literal["round_robin", "knockout", "swiss"] = "round_robin"
    rounds: Annotated[int, Field(ge=1, le=64)] | None = None
    scoring: Literal["share", "bradley_terry"] = "share"
    seeded_by: str = ""
    labels: TwoLabels = ("1", "2")
    least_mass: Annotated[float, Field(ge=0, le=1)] = 0.5
    prompt: Annotated[str, Template("question", "responses", "code")] = WRITTEN
    labels_prompt: Annotated[str, Template("question", "responses")] = READ

    @model_validator(mode="after")
    def _has_no_idle_knobs(self) -> Self:
        if self.rounds is not None and self.schedule != "swiss":
            raise ValueError(
                f"rounds must be left out for a {self.schedule}, which ends by itself; drop it, or use swiss"
            )
        if self.seeded_by and self.schedule == "round_robin":
            raise ValueError("seeded_by must be left out where all meet all; drop it, or use a knockout or swiss")
        return self

    @property
    def template(self) -> str:
        return self.labels_prompt if self.is_read else self.prompt

    @property
    def is_read(self) -> bool:
        return self.form == "labels"

    def calls(self, together: int) -> int:
        every = together * (together - 1) // 2
        if self.schedule == "swiss":
            return 2 * min(every, self._rounds(together) * (together // 2))
        return 2 * (together - 1 if self.schedule == "knockout" else every)

    def depth(self, together: int) -> int:
        """The rounds of the schedule; two who met do not meet again."""
        if together < 2:
            return 0
        rounds = {"round_robin": 1, "knockout": (together - 1).bit_length(), "swiss": self._rounds(together)}
        return min(rounds[self.schedule], together * (together - 1) // 2)

    def shown(self, together: int) -> int:
        return 2

    def seed(self, candidate: Candidate, ctx: Judging) -> tuple[float | str, ...]:
        known = candidate.scores.get(self.seeded_by)
        value = known.value if known else None
        return (value is None, -(value or 0.0), *super().seed(candidate, ctx))

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        if self.seeded_by and candidates and not any(self.seeded_by in each.scores for each in candidates):
            has = ", ".join(sorted({name for each in candidates for name in each.scores})) or "none"
            problem = f"seeded_by must name a score that the candidates have ({has}), got {self.seeded_by!r}"
            return [Score(None, detail=f"{problem}; judge by that verifier first, or drop it")] * len(candidates)
        return await super().score(query, candidates, ctx)

    async def compare(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Score]:
        pairs: list[Pair] = []
        met: list[Meeting] = []
        tournament, results = self._tournament(len(texts)), None
        with suppress(StopIteration):
            while True:
                round_ = tournament.send(results)
                played = await self._meet(query, [(texts[i], texts[j]) for i, j in round_], ctx)
                pairs, met = pairs + round_, met + played
                results = [meeting.points for meeting in played]
        return self._scores(len(texts), pairs, met, ctx)

    async def _meet(self, query: Query, pairs: Sequence[tuple[str, str]], ctx: Judging) -> list[Meeting]:
        """The two of each pair, shown in both orders."""
        both = [self.question(query, shown, ctx) for one, other in pairs for shown in ((one, other), (other, one))]
        asks, codes = [ask for ask, _ in both], [code for _, code in both]
        if self.is_read:
            found = await ctx.classify(asks, self.labels)
            return [self._read(*order) for order in zip(found[::2], found[1::2], strict=True)]
        replies = [group[0] for group in await ctx.ask(asks)]
        said = list(zip(replies, codes, strict=True))
        return [_written(*order) for order in zip(said[::2], said[1::2], strict=True)]

    def _read(self, found: Completion | None, mirrored: Completion | None) -> Meeting:
        """A match by the chance of the first response in each order."""
        answers = _answers(found, mirrored)
        one, other = (
            label_chances(each.label_logprobs or (), self.least_mass) if each else None for each in (found, mirrored)
        )
        if one is None or other is None:
            return Meeting(None, False, answers)
        first, second = one[0], other[0]
        lead = (first - second) / 2
        return Meeting((0.5 + lead, 0.5 - lead), (first - 0.5) * (second - 0.5) > 0, answers)

    def _scores(self, count: int, pairs: Sequence[Pair], met: Sequence[Meeting], ctx: Judging) -> list[Score]:
        matches: list[Match] = [(*pair, meeting.points) for pair, meeting in zip(pairs, met, strict=True)]
        won = shares(count, matches)
        values = list(won) if self.scoring == "share" else bradley_terry(count, matches)
        answers = [answer for meeting in met for answer in meeting.answers]
        usage = parts(Usage.total(answer.usage for answer in answers), count)
        lost = "" if answers else self.unanswered(ctx).detail
        details = [lost or _detail(i, pairs, met) for i in range(count)]
        return [Score(None if won[i] is None else values[i], detail=details[i], usage=usage[i]) for i in range(count)]

    def _tournament(self, players: int) -> Schedule:
        if self.schedule == "swiss":
            return swiss(players, self._rounds(players))
        return knockout(players) if self.schedule == "knockout" else round_robin(players)

    def _rounds(self, players: int) -> int:
        return (players - 1).bit_length() if self.rounds is None else self.rounds


def _written(said: tuple[Completion | None, str], mirrored: tuple[Completion | None, str]) -> Meeting:
    """A match by a written verdict in each order."""
    who = outcome(verdict_line(*said), verdict_line(*mirrored))
    return Meeting(HALVES[who] if who else None, who == "inconsistent", _answers(said[0], mirrored[0]))


def _answers(*found: Completion | None) -> tuple[Completion, ...]:
    return tuple(each for each in found if each is not None)


def _detail(player: int, pairs: Sequence[Pair], met: Sequence[Meeting]) -> str:
    """How many of the matches of one, and of all, were played and were inconsistent."""

    def told(meetings: Sequence[Meeting]) -> str:
        played = [meeting for meeting in meetings if meeting.points is not None]
        return f"{sum(meeting.is_inconsistent for meeting in played)} of {len(played)}"

    mine = [meeting for pair, meeting in zip(pairs, met, strict=True) if player in pair]
    if all(meeting.points is None for meeting in mine):
        return f"none of its {len(mine)} matches had two verdicts that can be read"
    return f"{told(mine)} matches inconsistent, {told(met)} in all"
