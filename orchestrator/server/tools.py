"""Tools in a chat: those that may be called, and the turns in which some were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..sampling import LONGEST_TOOLS
from ..types import ToolCall
from .asked import refuse
from .forms import checked

MOST_TOOLS = 128
MOST_CALLS = 128
CHOICES = ("none", "auto", "required")


class Function(BaseModel):
    """A function that may be called.

    Args:
        name: what it is called.
        description: what it is for.
        parameters: the schema of its arguments, nested 32 deep, with no references out of it.
        strict: whether arguments must be valid under it, where the engine can see to that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(checked)] | None = None
    strict: bool | None = None


class Tool(BaseModel):
    """A tool that may be called: a function."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["function"]
    function: Function


class Called(BaseModel):
    """The function of a call, and its arguments, JSON as the model wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=256)]
    arguments: str


class AskedCall(BaseModel):
    """A call in a conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: Annotated[str, Field(min_length=1, max_length=256)]
    type: Literal["function"]
    function: Called

    @property
    def call(self) -> ToolCall:
        return ToolCall(id=self.id, name=self.function.name, arguments=self.function.arguments)


Tools = Annotated[list[Tool], Field(max_length=MOST_TOOLS)]
Calls = Annotated[list[AskedCall], Field(max_length=MOST_CALLS)]


def chosen(choice: Any) -> Any:
    """What a client says of which tool is to be called.

    Raises:
        ValueError: it says nothing that can be done.
    """
    if isinstance(choice, dict) and choice.keys() == {"type", "function"} and choice["type"] == "function":
        function = choice["function"]
        if isinstance(function, dict) and function.keys() == {"name"} and isinstance(function["name"], str):
            return choice
    elif choice in CHOICES:
        return choice
    shape = '{"type": "function", "function": {"name": "..."}}'
    raise ValueError(f"it must be {', '.join(CHOICES)} or {shape}")


Choice = Annotated[Any, AfterValidator(chosen)]


def tools_text(tools: Sequence[Tool], choice: Any, is_parallel: bool | None) -> str | None:
    """What is said of tools, as JSON; None where there are none.

    Raises:
        Refusal: it is too long, two are called the same, or none is called what is chosen.
    """
    names = [tool.function.name for tool in tools]
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise refuse("tool_choice", "it must name one of tools; name one that is there")
    if not tools:
        if choice == "required":
            raise refuse("tool_choice", "it must come with tools; send some, or leave it out")
        return None
    if twice := next((i for i, name in enumerate(names) if name in names[:i]), None):
        raise refuse(f"tools[{twice}].function.name", "each tool must have a name of its own; rename one")
    said = {"tools": [tool.model_dump(exclude_unset=True) for tool in tools]}
    told = {"tool_choice": choice, "parallel_tool_calls": is_parallel}
    text = orjson.dumps(said | {key: value for key, value in told.items() if value is not None}).decode()
    if len(text) > LONGEST_TOOLS:
        raise refuse("tools", f"they must have at most {LONGEST_TOOLS} characters as JSON; name fewer")
    return text


def check_answered(turns: Sequence[tuple[str, Sequence[str], str | None]]) -> None:
    """Refuse a conversation in which calls and what they returned do not fit together.

    Args:
        turns: of each message its role, the ids of its calls, and the id of the call that it answers.

    Raises:
        Refusal: a call has no answer before the next turn, an answer no call, or a turn calls that cannot.
    """
    open_calls: list[str] = []
    for i, (role, calls, answers) in enumerate(turns):
        place = f"messages[{i}]"
        if calls and role != "assistant":
            raise refuse(f"{place}.tool_calls", "only the assistant calls tools; leave it out")
        if (answers is not None) != (role == "tool"):
            raise refuse(f"{place}.tool_call_id", "it must come with each message of role tool, and with no other")
        if answers is not None:
            if answers not in open_calls:
                raise refuse(f"{place}.tool_call_id", "it must be the id of a call before it that nothing answered yet")
            open_calls.remove(answers)
        elif open_calls:
            raise refuse(place, "each call before it must be answered by a message of role tool first; send them all")
        else:
            open_calls = list(calls)
    if open_calls:
        raise refuse("messages", "each call must be answered by a message of role tool; send them all")
