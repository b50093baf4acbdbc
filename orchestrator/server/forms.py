"""The form of an answer, as a client asks for it: ``response_format``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..sampling import LONGEST_SCHEMA

DEEPEST = 32
OBJECT = '{"type":"object"}'
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class NamedSchema(BaseModel):
    """A JSON Schema and what it is called. Answers are held to it whether `strict` or not.

    Args:
        name: has no effect.
        description: what the form is for; it becomes the schema's own where that has none.
        schema: the schema: an object of at most 65,536 characters, nested 32 deep, with no references out of it.
        strict: has no effect.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Annotated[str, Field(max_length=1024)] | None = None
    form: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None

    @model_validator(mode="after")
    def _is_bounded(self) -> Self:
        if len(self.text) > LONGEST_SCHEMA:
            raise ValueError(f"schema must have at most {LONGEST_SCHEMA} characters; shorten it")
        checked(self.form)
        return self

    @property
    def text(self) -> str:
        """The schema as JSON text, its properties in their order."""
        told = {} if self.description is None else {"description": self.description}
        return orjson.dumps(told | self.form).decode()


class ResponseFormat(BaseModel):
    """What an answer must be: any text, a JSON object, or JSON under a schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: NamedSchema | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema must come with type json_schema, and with it alone; send both or neither")
        return self

    @property
    def schema_text(self) -> str | None:
        """The JSON text of the schema of answers; None where any text will do."""
        if self.json_schema is not None:
            return self.json_schema.text
        return OBJECT if self.type == "json_object" else None


def checked(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema.

    Raises:
        ValueError: it is nested too deep, or refers out of itself.
    """
    layer: list[Any] = [schema]
    for _ in range(DEEPEST):
        layer = [value for part in layer for value in _inside(part)]
    if layer:
        raise ValueError(f"schema must be nested at most {DEEPEST} deep; flatten it")
    return schema


def _inside(part: Any) -> list[Any]:
    """What an object or a list holds; its references must stay within the schema."""
    if isinstance(part, dict):
        if any(isinstance(part.get(name), str) and not part[name].startswith("#") for name in REFERENCES):
            raise ValueError("schema must not refer out of itself, since nothing is fetched; use $defs")
        return list(part.values())
    return part if isinstance(part, list) else []
