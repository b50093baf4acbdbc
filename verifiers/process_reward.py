"""A learned judge of every step of an attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from ..orchestrator.engine import Engine, Prompt, Reading
from ..orchestrator.errors import UsageError
from ..orchestrator.types import Candidate, Query, Score, Usage
from ..orchestrator.verifier import Verifier
from .aggregate import Aggregate, aggregate
from .platt import sigmoid

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

DEFAULT_ENGINE = "reward"


class ProcessReward(Verifier):
    """The step scores of a process reward model (Lightman et al. 2023; Wang et al. 2024), and their aggregate.

    There must be one value a step; where the engine gives more or fewer (a mark was lost to truncation, a step holds a
    mark) the attempt is not judged: ``Score(None)``.

    Args:
        engine: the reward model's name among the pipeline's engines.
        aggregate: how step scores make one score.
        link: what turns the model's values into probabilities; None where they are probabilities already.
        separator: the text that ends a step.
    """

    kind: Literal["process_reward"] = "process_reward"
    engine: Annotated[str, Field(min_length=1)] = DEFAULT_ENGINE
    aggregate: Aggregate = "last"
    link: Literal["sigmoid"] | None = None
    separator: Annotated[str, Field(min_length=1)] = "\n"

    @property
    def name(self) -> str:
        """The kind, then the engine and the aggregate where they are not the default."""
        engine = "" if self.engine == DEFAULT_ENGINE else f":{self.engine}"
        return self.kind + engine + ("" if self.aggregate == "last" else f":{self.aggregate}")

    def engine_names(self) -> tuple[str, ...]:
        return (self.engine,)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        if self.engine not in engines:
            known = ", ".join(sorted(engines)) or "none"
            raise UsageError(
                f"{self.kind} must read with one of the pipeline's engines ({known}), got {self.engine!r}; "
                "add it or rename it"
            )
        return engines[self.engine].meter.reading(prompt_tokens + completion_tokens)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        readings = await ctx.read([Prompt(query.messages, text=each.text) for each in candidates], self.engine)
        return [self._judged(each.text, reading, ctx) for each, reading in zip(candidates, readings, strict=True)]

    def _judged(self, text: str, reading: Reading | None, ctx: Judging) -> Score:
        if reading is None:
            return ctx.unanswered(self.engine)
        count = len(split_steps(text, self.separator))
        if len(reading.rows) != count or not count:
            return Score(None, detail=f"{count} steps, but {len(reading.rows)} values were read", usage=reading.usage)
        values = tuple(row[-1] for row in reading.rows)
        values = tuple(map(sigmoid, values)) if self.link == "sigmoid" else values
        if not all(0 <= value <= 1 for value in values):
            wrong_scale = "a value read is not in [0, 1]; set link where the model gives logits"
            return Score(None, detail=wrong_scale, usage=reading.usage)
        return Score(aggregate(values, self.aggregate), values, usage=reading.usage)


def split_steps(text: str, separator: str = "\n") -> list[str]:
    r"""The steps of a text: what is not blank between separators, one separator at the end apart.

    >>> split_steps("a\nb\n"), split_steps("a\n\nb"), split_steps(" ")
    (['a', 'b'], ['a', 'b'], [])
    """
    return [step for step in text.removesuffix(separator).split(separator) if step.strip()]
