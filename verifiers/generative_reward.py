"""A generative reward model: principles, critique, then a score for every response, sampled and summed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.draw import ONE_TOKEN, Ask
from ..orchestrator.engine import Completion, Engine, Prompt, Sampling
from ..orchestrator.plan import BYTES_PER_TOKEN
from ..orchestrator.prompting import FENCED, Template, asked, fenced, fill, numbered, question_of
from ..orchestrator.types import Message, Query, Score, Usage
from ..orchestrator.verifier import Scale
from .asked_engine import asked_engine
from .balanced_orders import balanced_orders
from .boxed_scores import boxed_scores
from .judge import Judge, most
from .label_chances import label_chances
from .self_evaluation import TURNS
from .shared_cost import shares
from .verdicts import DIGITS, code_for

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

BEST = 10
PROMPT = f"""Below are a question and numbered responses to it. {FENCED}

Question:
{{question}}

Responses:
{{responses}}

Score each response with a whole number from 1 to 10: 1 meets nothing of what a good response needs, 6 only some parts \
of it, 10 all of it. Be strict, and judge by what a response shows and not by what it says of itself. Write three parts:
Specific Criteria: the principles that a good response to this very question must meet, and the weight of each.
Analysis: how far each response meets each of them.
Scores: on the last line, the scores of all responses in their order and nothing else, such as \
{{code}}Scores: \\boxed{{7, 3}} for two responses."""
META_QUESTION = """Is this judgement right: do its criteria fit the question, and does every score follow from what \
the response shows? Answer with one word, Yes or No."""
META_LABELS = ("Yes", "No")


@dataclass(frozen=True, slots=True)
class Pass:
    """One reply about some of the responses, by their indices in the order shown.

    `trust` is the meta reward model's probability that it is right; `usage` is what both cost.
    """

    shown: tuple[int, ...]
    question: Query
    reply: Completion | None
    scores: tuple[int, ...] | None
    usage: Usage
    trust: float = -1.0


class GenerativeReward(Judge):
    """The mean of several written judgements of the candidates, each between 0.1 and 1.

    In one reply the judge writes what a good answer to this question must meet, how far each response does, and a whole
    score from 1 to 10 for each. `votes` such replies are sampled, the responses shown in another order each time, and
    the scores of a response are added: finer than one reply can tell. A reply whose last line is not exactly the scores
    of all its responses is dropped; the score is the mean of the others over 10, and its detail says how many there
    were. Without any the candidate is not scored.

    The orders are balanced: over as many votes as there are responses, each stands once in every place, so that a judge
    who scores by place alone makes them all equal. More responses than fit in a pass are judged in passes as even as
    possible, cut elsewhere in every vote.

    Evidence: what the judge's model writes about the candidates, side by side; one by one with `responses_a_pass` 1,
        and then its scores stand alone.
    When to trust it: questions without a checkable answer, judged by a model as strong as the generator; more votes
        help most where single ones disagree. All votes share the judge's blind spots: measure its false positives.
    Cost: `votes` replies for each `responses_a_pass` candidates, and a one-token call each with a `meta_engine`; depth
        1, or 2.
    Source: Liu et al. 2025 (DeepSeek-GRM, SPCT), arXiv 2504.02495, section 4, voting and meta reward modelling.
    Departs: orders are balanced instead of drawn independently, and also a single vote is in an order of its own, so
        that the order candidates come in means nothing. The meta reward model is any model that answers yes or no, not
        one trained for it. There is no anchor response in passes: scores are on one scale from 1 to 10.

    Args:
        votes: replies about each candidate.
        responses_a_pass: most responses shown in one prompt.
        temperature: softmax temperature, 0 to 10; 0 is greedy.
        max_tokens: most tokens of a reply.
        signed: whether scores count only behind a code that is made for each prompt, so that a judge that echoes a
            response cannot pass on scores that stand in it. Turn it off for a model trained on a form of its own.
        prompt: how it is asked; the last line of a reply must be such as ``{code}Scores: \\boxed{7, 3}``.
        meta_engine: the engine that is asked whether a reply is right, so that only the best count; None counts all.
        meta_keep: replies about a candidate that count, those most probably right first; None keeps half, rounded up.
        meta_question: how the meta engine is asked, in a turn after the reply; it answers Yes or No.
    """

    kind: Literal["generative_reward"] = "generative_reward"
    votes: Annotated[int, Field(ge=1, le=256)] = 8
    responses_a_pass: Annotated[int, Field(ge=1, le=64)] = 8
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 2048
    signed: bool = True
    prompt: Annotated[str, Template("question", "responses", "code")] = PROMPT
    meta_engine: Annotated[str, Field(min_length=1)] | None = None
    meta_keep: Annotated[int, Field(ge=1)] | None = None
    meta_question: Annotated[str, Field(min_length=1)] = META_QUESTION

    @model_validator(mode="after")
    def _check_meta(self) -> Self:
        if self.meta_keep is not None and (self.meta_engine is None or self.meta_keep > self.votes):
            rule = f"meta_keep must come with a meta_engine and be at most votes ({self.votes}), got {self.meta_keep}"
            raise ValueError(f"{rule}; change one of them")
        return self

    @property
    def score_scale(self) -> Scale:
        return "reward"

    @property
    def is_relative(self) -> bool:
        """Yes, unless each response is judged by itself."""
        return self.responses_a_pass > 1

    def engine_names(self) -> tuple[str, ...]:
        """The judge, and the meta reward model where it is asked."""
        return (self.engine,) if self._filter is None else (self.engine, self._filter)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        engine = asked_engine(self, engines, self.engine, writes=True)
        passes = -(-together // self.responses_a_pass)
        shown = min(together, self.responses_a_pass)
        prompt = prompt_tokens + self.reads(self.prompt + " " * DIGITS, completion_tokens, shown)
        one = most(engine, prompt, self.max_tokens)
        if self._filter is not None:
            meta = asked_engine(self, engines, self._filter, labels=True)
            one += most(meta, prompt + self._reread(engine, meta), 1)
        return shares(Usage.total([one] * (self.votes * passes)), max(1, together))[0]

    def depth(self, together: int) -> int:
        return 1 if self._filter is None else 2

    async def judge(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Score]:
        passes = await self._passes(query, texts, ctx)
        if self._filter is not None:
            passes = await self._trusted(query, passes, self._filter, ctx)
        usages = [Usage()] * len(texts)
        for each in passes:
            for i, part in zip(each.shown, shares(each.usage, len(each.shown)), strict=True):
                usages[i] += part
        return [self._score(i, passes, usages[i], ctx) for i in range(len(texts))]

    async def _passes(self, query: Query, texts: Sequence[str], ctx: Judging) -> list[Pass]:
        """Every vote's replies; the same responses in the same order again are another draw of the same prompt."""
        orders = balanced_orders(texts, self.votes, ctx)
        chunks = [chunk for order in orders for chunk in _cut(order, self.responses_a_pass)]
        times = Counter(chunks)
        codes = {chunk: self._code(query, [texts[i] for i in chunk], ctx) for chunk in times}
        questions = {chunk: self._question(query, [texts[i] for i in chunk], codes[chunk], ctx) for chunk in times}
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        drawn = await ctx.ask([Ask(questions[chunk], sampling, n, self.engine) for chunk, n in times.items()])
        replies = dict(zip(times, map(iter, drawn), strict=True))
        return [_read(chunk, questions[chunk], next(replies[chunk]), codes[chunk]) for chunk in chunks]

    async def _trusted(self, query: Query, passes: Sequence[Pass], engine: str, ctx: Judging) -> list[Pass]:
        """The passes, with the probability that they are right where it is known; equal ones are asked about once."""
        same: dict[tuple[Message, ...], list[int]] = {}
        for place, each in enumerate(passes):
            if each.reply is not None and each.scores is not None:
                same.setdefault(self._meta_turns(each.question, each.reply.text), []).append(place)
        asks = [Ask(query.model_copy(update={"messages": turns}), ONE_TOKEN, 1, engine) for turns in same]
        trusted = list(passes)
        for places, found in zip(same.values(), await ctx.classify(asks, META_LABELS), strict=True):
            chances = label_chances(found.label_logprobs or (), 0.0) if found else None
            trust = chances[0] if chances else -1.0
            for place, part in zip(places, shares(found.usage if found else Usage(), len(places)), strict=True):
                trusted[place] = replace(passes[place], trust=trust, usage=passes[place].usage + part)
        return trusted

    def _score(self, i: int, passes: Sequence[Pass], usage: Usage, ctx: Judging) -> Score:
        """The mean of what the passes that count give to response `i`, over 10."""
        mine = [each for each in passes if i in each.shown]
        if not any(each.reply for each in mine):
            return self.unanswered(ctx, [Prompt(each.question.messages, images=each.question.images) for each in mine])
        valid = [(each.trust, each.scores[each.shown.index(i)]) for each in mine if each.scores]
        kept = sorted(valid, key=lambda vote: -vote[0])[: self._kept]
        detail = f"{len(valid)} of {self.votes} votes valid" + (f", {len(kept)} kept" if self._filter else "")
        total = sum(score for _, score in kept)
        return Score(total / (BEST * len(kept)) if kept else None, scale=self.score_scale, detail=detail, usage=usage)

    @property
    def _kept(self) -> int:
        """How many votes count at most."""
        if self.meta_engine is None:
            return self.votes
        return (self.votes + 1) // 2 if self.meta_keep is None else self.meta_keep

    @property
    def _filter(self) -> str | None:
        """The meta reward model, where it has anything to leave out."""
        return self.meta_engine if self._kept < self.votes else None

    def _code(self, query: Query, texts: Sequence[str], ctx: Judging) -> str:
        return code_for(ctx, question_of(query), *texts) if self.signed else ""

    def _question(self, query: Query, texts: Sequence[str], code: str, ctx: Judging) -> Query:
        shown = {"question": fenced(question_of(query), ctx), "responses": numbered(texts, ctx)}
        return asked(query, fill(self.prompt, **shown, code=f"{code} " if code else ""))

    def _meta_turns(self, question: Query, reply: str) -> tuple[Message, ...]:
        turns = (Message(role="assistant", content=reply), Message(role="user", content=self.meta_question))
        return (*question.messages, *turns)

    def _reread(self, engine: Engine, meta: Engine) -> int:
        """The most tokens that the meta reward model reads of a reply and the question about it."""
        same = engine.capabilities.tokenizer
        is_shared = engine is meta or (same and same == meta.capabilities.tokenizer)
        reply = self.max_tokens if is_shared else self.max_tokens * BYTES_PER_TOKEN
        return reply + len(self.meta_question.encode()) + TURNS


def _cut(order: Sequence[int], most_each: int) -> list[tuple[int, ...]]:
    """`order` in as few parts of at most `most_each` as it takes, as even as possible.

    >>> _cut([3, 1, 4, 0, 2], 2)
    [(3, 1), (4, 0), (2,)]
    """
    parts = -(-len(order) // most_each)
    ends = [-(-len(order) * i // parts) for i in range(parts + 1)]
    return [tuple(order[start:end]) for start, end in pairwise(ends)]


def _read(shown: tuple[int, ...], question: Query, reply: Completion | None, code: str) -> Pass:
    is_whole = reply is not None and reply.finish.is_complete
    scores = boxed_scores(reply.text, len(shown), code) if reply is not None and is_whole else None
    return Pass(shown, question, reply, scores, reply.usage if reply is not None else Usage())
