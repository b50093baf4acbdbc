"""How the next tokens are drawn."""

from __future__ import annotations

from typing import Annotated

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LONGEST_SCHEMA = 65_536
LONGEST_TOOLS = 65_536
TEMPLATE_OF_TOOLS = 512
SAID_OF_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


def _checked_schema(text: str) -> str:
    """The text, where it is that of a JSON object."""
    if len(text) > LONGEST_SCHEMA or not isinstance(orjson.loads(text), dict):
        raise ValueError(f"a schema must be a JSON object of at most {LONGEST_SCHEMA} characters; shorten it")
    return text


def is_free(asked: str | None) -> bool:
    """Whether no form and no tools are asked for, so that they are no part of what is saved."""
    return asked is None


def _checked_tools(text: str) -> str:
    """The text, where it is what a chat says of tools."""
    said = orjson.loads(text)
    is_told = isinstance(said, dict) and said.keys() <= SAID_OF_TOOLS and isinstance(said.get("tools"), list)
    if len(text) > LONGEST_TOOLS or not is_told or not said["tools"]:
        raise ValueError(
            f"tools must be a JSON object of tools, at least one, and where needed tool_choice and "
            f"parallel_tool_calls, of at most {LONGEST_TOOLS} characters; name fewer"
        )
    return text


def tool_tokens(tools: str | None) -> int:
    """The most tokens that tools take in a prompt: chat templates write them out indented, and say how to call them.

    >>> tool_tokens(None), tool_tokens('{"tools":[{}]}')
    (0, 540)
    """
    return 2 * len(tools.encode()) + TEMPLATE_OF_TOOLS if tools else 0


JsonSchema = Annotated[str, AfterValidator(_checked_schema)]
"""A JSON Schema as JSON text."""
Tools = Annotated[str, AfterValidator(_checked_tools)]
"""Tools that may be called, and how, as JSON text in the words of OpenAI's chat."""


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
        tools: the JSON text of what a chat says of `tools` that may be called, its `tool_choice` and its
            `parallel_tool_calls`, where the engine has `tools`. None has none called.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    logprobs: bool = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    json_schema: JsonSchema | None = Field(None, exclude_if=is_free)
    tools: Tools | None = Field(None, exclude_if=is_free)
