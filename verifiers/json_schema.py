"""Whether the JSON of an attempt is valid under a schema."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from ..orchestrator.canonical import stable_id
from ..orchestrator.errors import UsageError
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .child_processes.child_pool import CpuSeconds, pool_of
from .naming import digits
from .rule_score import rule_score
from .strict_json import DEEPEST, is_within_limits, parsed

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging

WORKER = "text_worker"
LONGEST_SCHEMA = 100_000
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def draft_of(schema: Any) -> Any:
    """The class of validators for a schema: that of the draft which it names, or of 2020-12.

    Raises:
        UsageError: jsonschema is not installed.
        ValueError: it is no object, or names another draft.
    """
    try:
        from jsonschema.validators import Draft202012Validator, validator_for
    except ImportError:
        remedy = 'pip install "ponder[json]"'
        raise UsageError(f"schemas of JSON need jsonschema, which is not installed; {remedy}") from None
    if not isinstance(schema, dict):
        raise ValueError(f"a schema must be an object, got {type(schema).__name__}")
    named = schema.get("$schema", Draft202012Validator.META_SCHEMA["$id"])
    draft = validator_for({"$schema": str(named)}, default=None)
    if draft is None:
        raise ValueError(f"$schema must be a published draft, got {named!r}; leave it out for 2020-12")
    return draft


def _text_of(schema: object) -> object:
    """A schema as JSON text, from a mapping or such a text."""
    if not isinstance(schema, Mapping | str):
        return schema
    try:
        text = schema if isinstance(schema, str) else json.dumps(dict(schema), allow_nan=False, ensure_ascii=False)
    except TypeError as error:
        raise ValueError(f"a schema must be JSON, but: {error}; write it as JSON has it") from None
    if len(text) > LONGEST_SCHEMA or not is_within_limits(text):
        raise ValueError(f"a schema must have at most {LONGEST_SCHEMA} characters, nested {DEEPEST} deep; shorten it")
    return json.dumps(parsed(text), ensure_ascii=False, sort_keys=True)


def _checked(text: str) -> str:
    schema = json.loads(text)
    draft = draft_of(schema)
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        draft.check_schema(schema)
        _follow_references(schema, draft)
    except SchemaError as error:
        problem = f"{error.json_path}: {error.message}"[:200]
        raise ValueError(f"it must be a JSON Schema, but at {problem}; mend it there") from None
    except Unresolvable as error:
        rule = "every reference must lead to a part of the schema itself, since nothing is fetched"
        raise ValueError(f"{rule}, but {error.ref!r} does not; put what it means under $defs") from None
    return text


def _follow_references(schema: Any, draft: Any) -> None:
    """Look up every reference in a schema, and in what it leads to.

    Raises:
        Unresolvable: one leads out of it.
    """
    from jsonschema_specifications import REGISTRY
    from referencing import Resource
    from referencing.jsonschema import specification_with

    rules = specification_with(draft.ID_OF(draft.META_SCHEMA))
    root = rules.create_resource(schema)
    waiting, seen = [(root, REGISTRY.resolver_with_root(root))], {id(schema)}
    while waiting:
        part, resolver = waiting.pop()
        parts = [(each, resolver.in_subresource(each)) for each in part.subresources()]
        named = [part.contents.get(name) for name in REFERENCES] if isinstance(part.contents, dict) else []
        found = [resolver.lookup(name) for name in named if isinstance(name, str)]
        parts += [(Resource.from_contents(each.contents, rules), each.resolver) for each in found]
        waiting += [(each, its) for each, its in parts if id(each.contents) not in seen]
        seen |= {id(each.contents) for each, _ in parts}


class JsonSchema(Verifier):
    """1 where the JSON of an attempt is valid under a schema, else 0, with the path of the first error.

    The last closed block between fences of three backticks is read, or the whole text without one. It must be JSON
    that all programs read alike (I-JSON, RFC 7493): no name twice, no NaN, no number beyond a double, no lone
    surrogate. What has more than a million characters or nests more than 64 deep is not judged, and neither is what
    takes longer than `cpu_s` in the child process where it is done: ``Score(None)``.

    Evidence: the text of the attempt alone.
    When to trust it: it tells form, and of meaning what the schema says: an attempt that says nothing useful may be
        valid.
    Cost: no tokens; about a millisecond of a child process.
    Source: JSON Schema, draft 2020-12 or the one that ``$schema`` names, by the package jsonschema.
    Departs: ``format`` is an annotation and is not checked, as the draft has it; a reference out of the schema is
        refused, so that nothing is ever fetched; the published drafts themselves may be referred to.

    Args:
        json_schema: the schema, as a mapping or as JSON text, which is what is saved; at most 100,000 characters.
        cpu_s: CPU seconds that one text may take.
    """

    kind: Literal["json_schema"] = "json_schema"
    json_schema: Annotated[str, BeforeValidator(_text_of), AfterValidator(_checked)]
    cpu_s: CpuSeconds = 1.0

    @property
    def name(self) -> str:
        """The kind, six digits that name the schema, and six for what else is not the default."""
        return f"{self.kind}:{stable_id(self.json_schema)[:6]}{digits(self, 'json_schema')}"

    @property
    def score_scale(self) -> Scale:
        return "binary"

    @property
    def is_recorded(self) -> bool:
        return True

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return list(await asyncio.gather(*(self._judged(each.text) for each in candidates)))

    async def _judged(self, text: str) -> Score:
        reply = await pool_of(WORKER).ask("conforms", cpu_s=self.cpu_s, schema=self.json_schema, text=text)
        if reply.problem:
            return rule_score(None, reply.problem)
        return rule_score(1.0) if reply.value is True else rule_score(0.0, str(reply.value))
