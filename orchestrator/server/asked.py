"""What every request that a run answers has in common, and how one is read: all is honoured or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..budget import NANO, Budget
from ..canonical import stable_id
from ..images import Image
from ..types import Message, Query
from .dial import Effort
from .refusal import SHOWN, Refusal

MOST_ANSWERS = 128
MOST_AMOUNT = 1e9

RULES = {
    "missing": "it must be given",
    "bool_type": "it must be true or false",
    "dict_type": "it must be an object",
    "float_type": "it must be a number",
    "int_parsing_size": "it must be a whole number of at most 64 bits",
    "int_type": "it must be a whole number, written without a point or quotes",
    "list_type": "it must be a list",
    "model_type": "it must be an object",
    "string_type": "it must be a string",
}
"""What must hold, by the kind of problem that pydantic names."""

Neutral = Mapping[str, tuple[tuple[Any, ...], str]]
"""Parameters that may be sent only with one of some values that ask for nothing, and why."""


class Extension(BaseModel):
    """What only ponder knows: ``extra_body={"ponder": {"budget": {"total_tokens": 20000}}}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    budget: Budget = Budget()
    strategy: Mapping[str, Any] | None = None


class Asked(BaseModel):
    """A request in OpenAI's words. The last block is taken and has no effect on the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    model: str
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] = 1
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    reasoning_effort: Effort | None = None
    ponder: Extension = Extension()

    metadata: dict[str, str] = {}
    safety_identifier: str = ""
    user: str = ""

    @property
    def conversation(self) -> tuple[Message, ...]:
        """What is asked, as the pipeline gets it."""
        raise TypeError(f"{type(self).__name__} must implement conversation")

    @property
    def images(self) -> tuple[Image, ...]:
        """What is shown after the words of its last message."""
        return ()

    @property
    def query(self) -> Query:
        """What is asked; its id names it, whoever asks."""
        messages, images = self.conversation, self.images
        return Query(id=stable_id((messages, images) if images else messages), messages=messages, images=images)


A = TypeVar("A", bound=Asked)


def read(kind: type[A], data: Mapping[str, Any], neutral: Neutral) -> A:
    """The request in a parsed body; null stands for absent, as in OpenAI's API.

    Raises:
        Refusal: a parameter is missing, unknown, of a wrong type, out of range, or asks for what is not offered.
    """
    known = (neutral, kind.model_fields)
    said = [(key, value) for key, value in data.items() if value is not None or not any(key in each for each in known)]
    given = {key: value for key, value in said if not asks_nothing(key, value, neutral)}
    try:
        asked = kind.model_validate(given, strict=True)
    except ValidationError as error:
        raise _refused(error) from None
    for name in ("seconds", *NANO):
        if (getattr(asked.ponder.budget, name) or 0) > MOST_AMOUNT:
            raise refuse(f"ponder.budget.{name}", f"it must be at most {MOST_AMOUNT:g}; leave it out for no limit")
    return asked


def refuse(param: str, rule: str, code: str = "invalid_value") -> Refusal:
    """The refusal of one parameter; raise it."""
    return Refusal(400, f"{param}: {rule}", param=param, code=code)


def asks_nothing(key: str, value: Any, neutral: Neutral, place: str = "") -> bool:
    """Whether a parameter that is not offered is sent with a value that asks for nothing.

    Args:
        key: what it is called.
        value: as it came.
        neutral: what may be sent.
        place: of what holds it, with a dot at its end.

    Raises:
        Refusal: it asks for something.
    """
    if key not in neutral:
        return False
    allowed, reason = neutral[key]
    if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in allowed):
        raise refuse(place + key, f"it is not offered by this server: {reason}; leave it out", "unsupported_parameter")
    return True


def _refused(error: ValidationError) -> Refusal:
    """The first problem, by the name of its parameter; the values that came are not repeated."""
    issue = error.errors(include_url=False, include_context=False, include_input=False)[0]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN]}" for part in issue["loc"])
    if issue["type"] == "extra_forbidden":
        known = f"; it may hold {', '.join(Budget.model_fields)}" if issue["loc"][:2] == ("ponder", "budget") else ""
        rule = f"it is not a parameter of this server; leave it out{known}"
        return refuse(param[1:], rule, "unknown_parameter")
    rule = issue["msg"].removeprefix("Value error, ").replace("Input should be", "it must be", 1)
    return refuse(param[1:], RULES.get(issue["type"], rule))
