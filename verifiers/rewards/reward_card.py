"""Reward card: how a reward model wants its text laid out, and how its answer becomes a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...orchestrator.engine import LOWEST_LOGPROB, Prompt
from ...orchestrator.meter import Meter
from ...orchestrator.prompting import question_of
from ...orchestrator.types import Message, Query, Usage
from ..reliability.platt import sigmoid
from .aggregate import Aggregate
from .step_splitting import split_steps, without

Label = Annotated[str, Field(min_length=1)]
Row = Sequence[float]
TURN_TOKENS = 16
"""Most tokens that a chat template puts around a turn."""
LAYOUT_TOKENS = 64
"""Most tokens that laying a conversation out in another way adds."""
INSTRUCTING = ("system", "developer")


class RewardCard(BaseModel):
    """What a reward model reads, and how its answer becomes a number.

    Steps are what is not blank between separators. A step that holds the text of the mark has it taken out, so that no
    response can forge a step. Where the card puts words of its own around the question, system turns are left out.

    Args:
        layout: ``chat`` renders the conversation and lets the response follow as the assistant's; ``text`` is one plain
            text with the tokenizer's own special tokens and no template; ``turns`` makes each step a user turn that an
            assistant turn of the mark answers.
        system: the system text of a ``chat``, instead of the conversation's own; None leaves that as it is.
        opening: what a ``text`` begins with.
        joint: between the question and the first step, in ``text`` and ``turns``.
        separator: what parts the steps of a response; None for a model that reads the response once, as a whole.
        mark: put after each step instead of the separator; None reads the response as it stands, its separators being
            the marks.
        gap: between a mark and the next step.
        closing: after a response that is read at its end, e.g. the token that ends a turn.
        labels: good and bad, as the model says them after a mark, each known by its first token: one decode step a
            mark, and the softmax over the two. None reads the row that a pooling model gives at each mark.
        column: of the row, counted from 0; -1 is the last.
        link: what turns a row into probabilities: ``none`` where it holds them already, as vLLM's rows do, ``sigmoid``
            of each value, or ``softmax`` over the row.
        scale: ``reward`` for a model, read once, whose values are no probabilities.
        aggregate: how step scores make one score, where the verifier does not say.
        most_steps: attempts of more steps are not judged; at most 4096.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    layout: Literal["chat", "text", "turns"] = "chat"
    system: str | None = None
    opening: str = ""
    joint: str = " "
    separator: Label | None = None
    mark: Label | None = None
    gap: str = ""
    closing: str = ""
    labels: tuple[Label, Label] | None = None
    column: Annotated[int, Field(ge=-1)] = -1
    link: Literal["none", "sigmoid", "softmax"] = "none"
    scale: Literal["probability", "reward"] = "probability"
    aggregate: Aggregate = "last"
    most_steps: Annotated[int, Field(ge=1, le=4096)] = 64

    @model_validator(mode="after")
    def _hangs_together(self) -> RewardCard:
        has_labels, is_whole = self.labels is not None, self.separator is None
        rules = {
            "a mark comes with the separator it replaces": self.mark is None or not is_whole,
            "labels are told after a mark, with no closing": not has_labels or bool(self.mark and not self.closing),
            "labels differ, and have no column and no link": self.labels is None
            or (self.labels[0] != self.labels[1] and (self.column, self.link) == (-1, "none")),
            "turns are answered by labels": has_labels or self.layout != "turns",
            "a system text belongs to a chat": self.system is None or self.layout == "chat",
            "rewards are of a model read once, without a link": self.scale == "probability"
            or (is_whole and self.link == "none"),
        }
        if broken := [rule for rule, is_kept in rules.items() if not is_kept]:
            raise ValueError(f"the fields of a reward card must fit together: {'; '.join(broken)}")
        return self

    def steps(self, text: str) -> list[str]:
        r"""The steps of a response.

        >>> RewardCard(separator="\n", mark="<x>").steps("1\n<x>\n\n2 <<x>x>< 3\n")
        ['1', '2 < 3']
        """
        if self.separator is None:
            return [text] if text.strip() else []
        parts = split_steps(text, self.separator)
        if self.mark is None or self.layout == "turns":
            return parts
        return [step for part in parts if (step := without(part, self.mark)).strip()]

    def prompts(self, query: Query, steps: Sequence[str], text: str) -> tuple[Prompt, ...]:
        """What is asked about the response `text` of these steps: one prompt a step where labels are told, else one."""
        counts = range(1, len(steps) + 1) if self.labels else [len(steps)]
        if self.layout == "turns":
            return tuple(Prompt(self._turns(query, steps[:count])) for count in counts)
        bodies = [self._body(steps[:count], text) for count in counts]
        if self.layout == "text":
            edges = (len(self.opening), len(self.closing))
            return tuple(Prompt((), text=self._lead(query) + body, edges=edges) for body in bodies)
        messages = query.messages
        if self.system is not None:
            messages = (Message(role="system", content=self.system), *_uninstructed(query).messages)
        return tuple(Prompt(messages, text=body, edges=(0, len(self.closing))) for body in bodies)

    def rows_before(self, query: Query) -> int:
        """How many rows of a reading stand before those of the steps: marks that the question holds.

        Those of a conversation an engine leaves out itself.
        """
        mark = self.mark or self.separator
        return self._lead(query).count(mark) if mark and self.layout == "text" else 0

    def value(self, row: Row) -> float | None:
        """The number that a row tells; None where it has no such column."""
        if not -len(row) <= self.column < len(row):
            return None
        return LINKS[self.link](row)[self.column]

    def chance(self, logprobs: Row | None) -> float | None:
        """The chance of the good label against the bad one; None where neither can follow."""
        if logprobs is None or max(logprobs) <= LOWEST_LOGPROB:
            return None
        return softmax(logprobs)[0]

    def bound(self, meter: Meter, prompt_tokens: int, completion_tokens: int) -> Usage:
        """The most it costs to read a response of `completion_tokens` to a prompt of `prompt_tokens`."""
        tokens = prompt_tokens + completion_tokens
        if self.labels is None:
            return meter.reading(tokens + self._words(self.most_steps))
        steps = range(1, self.most_steps + 1)
        return Usage.total(meter.generation(tokens + self._words(step), 1, judging=True) for step in steps)

    def _words(self, steps: int) -> int:
        """The most tokens of a prompt that holds so many steps, beyond those of question and response."""
        if self.layout == "chat" and self.system is None and self.mark is None:
            return len(self.closing.encode())
        around = sum(len(part.encode()) for part in (self.system or "", self.opening, self.joint, self.closing))
        marking = 1 if self.labels is None else len((self.mark or "").encode())
        between = 2 * TURN_TOKENS if self.layout == "turns" else len(self.gap.encode())
        return LAYOUT_TOKENS + around + (steps * (marking + between) if self.mark else 0)

    def _lead(self, query: Query) -> str:
        return self.opening + question_of(_uninstructed(query)) + self.joint

    def _body(self, steps: Sequence[str], text: str) -> str:
        body = text if self.mark is None else self.gap.join(step + self.mark for step in steps)
        return body + self.closing

    def _turns(self, query: Query, steps: Sequence[str]) -> tuple[Message, ...]:
        asked = [self._lead(query) + steps[0].strip(), *(step.strip() for step in steps[1:])]
        answer = Message(role="assistant", content=self.mark or "")
        turns = [turn for step in asked for turn in (Message(role="user", content=step), answer)]
        return tuple(turns[:-1])


def softmax(row: Row) -> list[float]:
    """Chances in proportion to the exponentials of logits.

    >>> softmax([0.0, 0.0]), softmax([-1e6, 1e6])
    ([0.5, 0.5], [0.0, 1.0])
    """
    weights = [math.exp(value - max(row)) for value in row]
    return [weight / math.fsum(weights) for weight in weights]


def _uninstructed(query: Query) -> Query:
    """The query without its system turns, where it has others."""
    turns = tuple(message for message in query.messages if message.role not in INSTRUCTING)
    return query.model_copy(update={"messages": turns or query.messages})


LINKS: dict[str, Callable[[Row], Sequence[float]]] = {
    "none": lambda row: row,
    "sigmoid": lambda row: [sigmoid(value) for value in row],
    "softmax": softmax,
}
