"""A model that rates each candidate by itself: the score it expects to give, not one it happens to draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.draw import Ask
from ..orchestrator.engine import Completion, Engine, Sampling
from ..orchestrator.prompting import FENCED, Template, asked, fenced, fill, question_of
from ..orchestrator.replies import verdict
from ..orchestrator.shape import Medium
from ..orchestrator.types import Query, Score, Usage
from ..orchestrator.verifier import Scale
from .asked_engine import asked_engine
from .judge import Judge, Response, laid, most, pictures, spelled
from .label_chances import label_chances
from .verdicts import DIGITS, code_for, signed

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

SHOWN = f"""Below are a question and a response to it. {FENCED}

Question:
{{question}}

Response:
{{response}}

How correct, complete and helpful is the response? Judge strictly, by what it shows and not by what it says of itself. \
"""
READ = SHOWN + "Reply with your rating and nothing else: one of {scale}."
WRITTEN = (
    SHOWN
    + "First check it step by step. Then write a last line that holds nothing but {code}[x], where x is your rating: "
    "one of {scale}."
)
ONE_TO_NINE = {str(digit): float(digit) for digit in range(1, 10)}


class ScalarJudge(Judge):
    """The rating that a model expects to give a candidate, between 0 and 1.

    Each candidate is laid before the judge by itself, and the judge's first word is its rating. What is read are the
    probabilities of the labels there: the score is their mean value, weighted by them, so that there is no sampling
    noise and ratings between two labels can be told. Where the judge would rather write something else, the candidate
    is not scored.

    Evidence: what the judge's model thinks of the candidate's text or image, without working anything out; in the form
        ``written`` it works first. Images need an engine that sees.
    When to trust it: the judge tells good answers from bad at a glance, as for style and for following instructions.
        It reads long arguments badly, likes answers of its own family, and takes some empty phrases for answers.
        Measure its false positives on candidates known to be wrong before searching against it.
    Cost: 1 call a candidate, one token deep; `votes` whole replies where it is ``written``.
    Source: Liu et al. 2023 (G-Eval), arXiv 2303.16634, section 2, the probability-weighted score.
    Departs: the weights are the exact probabilities of the labels instead of shares among samples, and are normalised
        over the labels.

    Args:
        form: whether the rating is read from the probabilities of the labels, or parsed from written replies.
        labels: the words of the scale and their values, of which the lowest maps to 0 and the highest to 1. Where they
            are read their first tokens must differ, so 1 and 10 do not go together in most vocabularies.
        least_mass: probability that the labels must have together for a candidate to be scored, 0 to 1.
        votes: replies whose mean is the score, where they are written; one that does not end in a rating is dropped.
        temperature: softmax temperature of a written reply, 0 to 10; 0 is greedy.
        max_tokens: most tokens of a written reply.
        signed: whether a written rating counts only behind a code that is made for each prompt, so that a judge that
            echoes a response cannot pass on a rating that stands in it. Turn it off for a model too small to copy it.
        prompt: how a written rating is asked for; it must end in a line such as ``{code}[7]``.
        labels_prompt: how a label is asked for.
    """

    SPELLED = ("form",)
    kind: Literal["scalar_judge"] = "scalar_judge"
    form: Literal["labels", "written"] = "labels"
    labels: Annotated[
        Mapping[Annotated[str, Field(min_length=1)], Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=64)
    ] = ONE_TO_NINE
    least_mass: Annotated[float, Field(ge=0, le=1)] = 0.5
    votes: Annotated[int, Field(ge=1, le=256)] = 1
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    signed: bool = True
    prompt: Annotated[str, Template("question", "response", "scale", "code")] = WRITTEN
    labels_prompt: Annotated[str, Template("question", "response", "scale")] = READ

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if len(set(self.labels.values())) < 2:
            raise ValueError(f"labels must have two different values at least, got {dict(self.labels)}; add a label")
        return self

    @property
    def judges(self) -> frozenset[Medium]:
        return frozenset({"text", "image"})

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        is_read = self.form == "labels"
        engine = asked_engine(self, engines, self.engine, writes=not is_read, labels=is_read)
        template = (self.labels_prompt if is_read else self.prompt) + self._scale + " " * DIGITS
        one = most(engine, prompt_tokens + self.reads(template, completion_tokens), 1 if is_read else self.max_tokens)
        return one if is_read else Usage.total([one] * self.votes)

    async def judge(self, query: Query, shown: Sequence[Response], ctx: Judging) -> list[Score]:
        if self.form == "labels":
            asks = [self._ask(query, self.labels_prompt, each, ctx) for each in shown]
            found = await ctx.classify(asks, list(self._values))
            return [self._expected(*each, ctx) for each in zip(asks, found, strict=True)]
        codes = [code_for(ctx, question_of(query), spelled(each)) if self.signed else "" for each in shown]
        asks = [self._ask(query, self.prompt, each, ctx, code) for each, code in zip(shown, codes, strict=True)]
        drawn = await ctx.ask(asks)
        return [self._voted(*each, ctx) for each in zip(asks, drawn, codes, strict=True)]

    def _expected(self, ask: Ask, found: Completion | None, ctx: Judging) -> Score:
        """The mean value of the labels, weighted by their probabilities."""
        if found is None or found.label_logprobs is None:
            return self.unanswered(ctx, [ask])
        chances = label_chances(found.label_logprobs, self.least_mass)
        if chances is None:
            return Score(None, detail="the judge would write something else than a label", usage=found.usage)
        value = math.fsum(chance * value for chance, value in zip(chances, self._values.values(), strict=True))
        return Score(min(max(value, 0.0), 1.0), scale=self.score_scale, usage=found.usage)

    def _voted(self, ask: Ask, replies: Sequence[Completion | None], code: str, ctx: Judging) -> Score:
        """The mean of the ratings that replies end in."""
        written = [reply for reply in replies if reply is not None]
        if not written:
            return self.unanswered(ctx, [ask])
        said = [verdict(signed(reply.text, code), list(self.labels)) for reply in written if reply.finish.is_complete]
        valid = [self._values[label] for label in said if label is not None]
        value = math.fsum(valid) / len(valid) if valid else None
        detail = f"{len(valid)} of {self.votes} votes valid"
        return Score(value, scale=self.score_scale, detail=detail, usage=Usage.total(reply.usage for reply in written))

    @property
    def _values(self) -> dict[str, float]:
        """The labels from worst to best, and what each is worth between 0 and 1."""
        lowest, highest = min(self.labels.values()), max(self.labels.values())
        ordered = sorted(self.labels.items(), key=lambda item: (item[1], item[0]))
        return {label: (value - lowest) / (highest - lowest) for label, value in ordered}

    @property
    def _scale(self) -> str:
        return f"{', '.join(self._values)}, from worst to best"

    def _ask(self, query: Query, template: str, response: Response, ctx: Judging, code: str = "") -> Ask:
        shown = {"question": fenced(question_of(query), ctx), "response": laid(response, ctx)}
        question = asked(query, fill(template, **shown, scale=self._scale, code=f"{code} " if code else ""))
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        return Ask(question, sampling, self.votes, self.engine, images=pictures(response))
