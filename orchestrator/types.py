"""The values that flow: what is asked, what is attempted, how it is judged, what it cost.

Everything here is frozen. A partial attempt is a node of a prefix tree: it holds only what it adds to
its parent, and forking is free.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from operator import attrgetter, sub
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .code_tests import AnyCodeTest
from .errors import UsageError
from .image_bytes import ShownImage
from .images import Image, Latent

Stopped = Literal["done", "budget", "deadline", "error", "cancelled"]


def _unicode(text: str) -> str:
    """The text, where it can be written as UTF-8.

    Raises:
        UsageError: it holds half a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"{text[error.start]!r} at {error.start}"
        raise UsageError(
            f"text must be Unicode, but holds half a character ({found}); decode it with errors='replace'"
        ) from None
    return text


UnicodeText = Annotated[str, AfterValidator(_unicode)]


class ToolCall(BaseModel):
    """A call of a tool that a model asks for: the name of the call, the tool's, and its arguments, JSON as written."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: UnicodeText
    name: UnicodeText
    arguments: UnicodeText


class Message(BaseModel):
    """One turn of a conversation, in OpenAI's shape.

    `calls` are the assistant's, which may say nothing besides. A `tool` answers the call that is named `call_id`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: UnicodeText
    calls: Annotated[tuple[ToolCall, ...], Field(exclude_if=operator.not_)] = ()
    call_id: Annotated[UnicodeText, Field(exclude_if=operator.not_)] = ""


class Query(BaseModel):
    """What is asked: a conversation and, where known, the reference answer, facts about it, and tests of a program.

    `id` names the query in reports; two queries with the same messages and images share their samples. `images` are
    shown after the words of the last message wherever a prompt is made of the query; reward models of texts, which read
    its words, do not see them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: UnicodeText
    messages: tuple[Message, ...]
    reference: UnicodeText | None = None
    metadata: Mapping[UnicodeText, UnicodeText | int | float] = {}
    tests: tuple[AnyCodeTest, ...] = ()
    images: Annotated[tuple[ShownImage, ...], Field(exclude_if=operator.not_)] = ()

    @property
    def prompt(self) -> str:
        """The words of its last message: what an image of it should show."""
        return self.messages[-1].content

    @property
    def difficulty(self) -> str:
        """What its metadata calls its difficulty; empty where they do not."""
        return str(self.metadata.get("difficulty", ""))

    @classmethod
    def ask(
        cls,
        text: str,
        *,
        reference: str | None = None,
        tests: Iterable[AnyCodeTest | Mapping[str, Any]] = (),
        id: str = "query",
    ) -> Query:
        """The query of one user message.

        Args:
            text: what is asked.
            reference: the right answer, where it is known.
            tests: tests of a program (see `code_tests`), or tables of such.
            id: names the query in reports.

        Raises:
            UsageError: one of these is not valid.
        """
        asked = {"id": id, "messages": [{"role": "user", "content": text}], "reference": reference}
        try:
            return cls.model_validate({**asked, "tests": tuple(tests)})
        except ValidationError as error:
            raise UsageError.from_validation("the query", error) from None


class Finish(StrEnum):
    """Why a candidate ends where it does. Only `EOS`, `STOP` and `CALLED`, by which tools are asked, are complete."""

    STEP = "step"
    EOS = "eos"
    STOP = "stop"
    STEP_LENGTH = "step_length"
    TOTAL_LENGTH = "total_length"
    ABORTED = "aborted"
    ERROR = "error"
    REPETITION = "repetition"
    CALLED = "tool_calls"

    @property
    def is_complete(self) -> bool:
        return self in (Finish.EOS, Finish.STOP, Finish.CALLED)

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can follow: complete, cut by the total length, or broken."""
        return self not in (Finish.STEP, Finish.STEP_LENGTH)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent, in whole units, from the engine's own counts.

    `prompt_tokens` includes `cached_tokens` (the part the prefix cache served). `calls` counts
    generations, `verifier_calls` judgements by a model; the tokens of both are in the token counts.
    `nfe` counts the rows that a denoiser evaluated, two a step where guidance needs them. `compute_ns` is the time that
    these rows, and what looks at images, take by the engine's calibration. Money is whole nano-dollars and time whole
    nanoseconds, so that sums are exact.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    calls: int = 0
    verifier_calls: int = 0
    nfe: int = 0
    flops: int = 0
    nano_usd: int = 0
    compute_ns: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost_usd(self) -> float:
        return self.nano_usd / 1e9

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.calls + other.calls,
            self.verifier_calls + other.verifier_calls,
            self.nfe + other.nfe,
            self.flops + other.flops,
            self.nano_usd + other.nano_usd,
            self.compute_ns + other.compute_ns,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(*map(sub, _counts(self), _counts(other)))

    def times(self, count: int) -> Usage:
        """So many times as much."""
        return Usage(*[count * amount for amount in _counts(self)])

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        return cls(*map(sum, zip(*map(_counts, usages), strict=True)))

    def as_dict(self) -> dict[str, int]:
        """The counts that are not zero."""
        return {name: value for name, value in zip(COUNTS, _counts(self), strict=True) if value}


COUNTS = tuple(f.name for f in fields(Usage))
_counts = attrgetter(*COUNTS)


@dataclass(frozen=True, slots=True)
class Score:
    """A judgement: `value`, or None for "cannot tell"; never NaN or infinite.

    `steps` holds one value a step where the judge reads steps. `kind` says what the evidence is
    (an exact check, a learned model, the generator itself); `scale` what the number means. `usage` is what it cost.
    """

    value: float | None
    steps: tuple[float, ...] = ()
    kind: Literal["exact", "learned", "self"] = "learned"
    scale: Literal["binary", "probability", "logit", "reward"] = "probability"
    detail: str = ""
    usage: Usage = Usage()

    def __post_init__(self) -> None:
        finite = self.value is not None and math.isfinite(self.value) and all(map(math.isfinite, self.steps))
        if not finite:
            object.__setattr__(self, "value", None)
            object.__setattr__(self, "steps", ())


@dataclass(frozen=True, slots=True)
class Candidate:
    """One attempt, whole or partial: the tokens and text it adds to its parent, and what is known of it.

    Args:
        tokens: ids this node adds; empty where the engine shows no ids.
        piece: the text this node adds.
        finish: why it ends.
        parent: the partial attempt it continues, if any.
        index: the place among the draws of its stream; the last key of every tie.
        logprobs: log-probabilities of `tokens`, in nats, where asked for.
        pieces: with these, what each token adds to the text; None where the engine does not tell.
        confidences: of each token, minus the mean of the ranked log-probabilities there, where asked for.
        answer: the canonical answer, None where none could be read.
        scores: what each verifier said, by the verifier's name.
        critique: what a critic wrote about it.
        unit_tests: checks in words that an answer to its query should pass.
        origin: the structural path of the node of the pipeline that drew it.
        usage: what drawing it cost, judgements apart.
        latent: where its denoising stands.
        image: what it shows; before the end, the data that is expected there.
        calls: the tools that it asks for. They are no part of its text.
    """

    tokens: tuple[int, ...]
    piece: str
    finish: Finish
    parent: Candidate | None = None
    index: int = 0
    logprobs: tuple[float, ...] | None = None
    confidences: tuple[float, ...] | None = None
    answer: str | None = None
    scores: Mapping[str, Score] = field(default_factory=dict)
    critique: str | None = None
    unit_tests: tuple[str, ...] = ()
    origin: str = ""
    usage: Usage = Usage()
    latent: Latent | None = None
    image: Image | None = None
    pieces: tuple[str, ...] | None = None
    calls: tuple[ToolCall, ...] = ()

    def path(self) -> Iterator[Candidate]:
        """The nodes from the root to this one."""
        nodes: list[Candidate] = []
        node: Candidate | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        return reversed(nodes)

    @property
    def text(self) -> str:
        return self.piece if self.parent is None else "".join(node.piece for node in self.path())

    @property
    def path_tokens(self) -> tuple[int, ...]:
        """The ids of the whole path; empty where some of its text has none."""
        if self.parent is None:
            return self.tokens
        nodes = list(self.path())
        is_whole = all(node.tokens or not node.piece for node in nodes)
        return tuple(token for node in nodes for token in node.tokens) if is_whole else ()

    @property
    def seen(self) -> tuple[object, ...]:
        """What a verifier may look at: candidates with the same are judged once, and have the same score."""
        if self.image is not None:
            previews = tuple((node.latent.t, node.image) for node in self.path() if node.latent and node.image)
            return (self.image, self.finish, previews)
        sure = tuple((node.logprobs, node.confidences) for node in self.path())
        return (self.text, self.path_tokens, self.finish, sure)

    @property
    def generated_tokens(self) -> int:
        """Tokens generated along the path, by the engine's count."""
        return sum(node.usage.completion_tokens for node in self.path())

    def with_score(self, verifier: str, score: Score) -> Candidate:
        values = list(_values(self))  # every state of a search is judged: this takes half the time of `replace`
        values[SCORES] = {**self.scores, verifier: score}
        return Candidate(*values)

    def with_answer(self, answer: str | None) -> Candidate:
        return replace(self, answer=answer)

    def with_critique(self, critique: str | None) -> Candidate:
        return replace(self, critique=critique)

    def with_finish(self, finish: Finish) -> Candidate:
        return replace(self, finish=finish)


KNOWN = tuple(f.name for f in fields(Candidate))
SCORES = KNOWN.index("scores")
_values = attrgetter(*KNOWN)


@dataclass(frozen=True, slots=True)
class Result:
    """What a run returns: candidates best first, what making them afresh costs, and why it stopped.

    `usage` counts every effect that the answer rests on once, whether it was paid now or found in the journal, and each
    draw or reading that failed for good at its bound, or at nothing where every attempt was free. Attempts that were
    paid and lost before one succeeded are no part of it: the journal has them, as `lost`.
    """

    query_id: str
    candidates: tuple[Candidate, ...]
    usage: Usage
    stopped: Stopped = "done"
    reason: str = ""
    failures: int = 0

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def text(self) -> str:
        """The text of the best candidate; empty where there is none."""
        return self.best.text if self.best else ""

    @property
    def answer(self) -> str | None:
        """The canonical answer of the best candidate, where one could be read."""
        return self.best.answer if self.best else None

    def summary(self) -> dict[str, Any]:
        """The result as plain data: text, answer, usage and how it ended."""
        return {
            "query": self.query_id,
            "text": self.text,
            "answer": self.answer,
            "usage": self.usage.as_dict(),
            "stopped": self.stopped,
            "reason": self.reason,
            "failures": self.failures,
        }
