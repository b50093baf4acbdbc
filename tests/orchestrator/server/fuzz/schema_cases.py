"""The endpoints as an OpenAPI document of what the openai package may send, for schemathesis to draw cases from."""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from api_bodies import APIS, SERVED, Api
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet


def cases(api: Api, mode: GenerationMode) -> SearchStrategy[Any]:
    """Cases of an endpoint: all as its schema has it, or not."""
    return DOCUMENT[api.path]["POST"].as_strategy(generation_mode=mode)


def sent(api: Api, case: Case) -> bytes:
    """The body of a case, without the fields that no API has; some wrong ones have none, or one that is no JSON."""
    if isinstance(case.body, NotSet):
        return b""
    if isinstance(case.body, bytes):
        return case.body
    known = api.schema["properties"]
    fields = isinstance(case.body, dict) and {key: value for key, value in case.body.items() if key in known}
    return json.dumps(fields or case.body).encode()


def _document() -> dict[str, Any]:
    parts: dict[str, Any] = {}
    paths = {api.path: {"post": _operation(api, parts)} for api in APIS}
    about = {"openapi": "3.1.0", "info": {"title": "ponder", "version": "1"}}
    return {**about, "paths": paths, "components": {"schemas": parts}}


def _operation(api: Api, parts: dict[str, Any]) -> dict[str, Any]:
    """One endpoint; the definitions of its schema go into `parts`, under names of their own."""
    tag = api.path.replace("/", "_") + "_"
    body = json.loads(json.dumps(api.schema).replace("#/$defs/", f"#/components/schemas/{tag}"))
    parts |= {tag + name: part for name, part in body.pop("$defs", {}).items()}
    body["properties"]["model"] = {"enum": list(SERVED)}
    content = {"application/json": {"schema": body}}
    return {"requestBody": {"required": True, "content": content}, "responses": {"200": {"description": "an answer"}}}


DOCUMENT = schemathesis.openapi.from_dict(_document())
