"""How the next tokens are drawn."""

from __future__ import annotations

from typing import Annotated

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LONGEST_SCHEMA = 65_536


def _checked_schema(text: str) -> str:
    """The text, where it is that of a JSON object."""
    if len(text) > LONGEST_SCHEMA or not isinstance(orjson.loads(text), dict):
        raise ValueError(f"a schema must be a JSON object of at most {LONGEST_SCHEMA} characters; shorten it")
    return text


def is_free(schema: str | None) -> bool:
    """Whether no form is asked for, so that it is no part of what is saved."""
    return schema is None


JsonSchema = Annotated[str, AfterValidator(_checked_schema)]
"""A JSON Schema as JSON text."""


class Sampling(BaseModel):
    """How the next tokens are drawn.

    Args:
        temperature: softmax temperature; 0 is greedy.
        top_p: nucleus mass kept.
        max_tokens: most tokens to generate.
        stop: strings that end a candidate; kept in its text.
        logprobs: whether to return the log-probability of each chosen token.
        top_logprobs: how many ranked log-probabilities a token's confidence is the mean of; 0 returns none.
        json_schema: the JSON text of the schema (an object) that what is generated must be valid under, where the
            engine is `structured`; it may still be cut. The order of properties is kept. None leaves the form free.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    json_schema: JsonSchema | None = Field(None, exclude_if=is_free)
