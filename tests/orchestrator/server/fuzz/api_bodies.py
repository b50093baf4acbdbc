"""Bodies for each endpoint: good ones, and good ones with fields drawn from the API's own schema, right or wrong."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai.types import completion_create_params, image_generate_params
from openai.types.chat import completion_create_params as chat_create_params
from openai.types.responses import response_create_params
from pydantic import TypeAdapter
from schema_values import Values

from ponder.orchestrator.pipeline import STRATEGIES
from ponder.orchestrator.server.asked import Extension
from ponder.verifiers import VERIFIERS

CHAT, RESPONSES, COMPLETIONS = "/v1/chat/completions", "/v1/responses", "/v1/completions"
IMAGES = "/v1/images/generations"

Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Api:
    """An endpoint as its clients know it.

    Args:
        path: where it is.
        schema: of what the installed openai package may send it.
        good: bodies that it answers.
    """

    path: str
    schema: Schema
    good: Sequence[Mapping[str, Any]]

    @property
    def needed(self) -> frozenset[str]:
        """What no body does without."""
        return frozenset.intersection(*(frozenset(body) for body in self.good))

    def changed(self, rng: random.Random, wrong: float) -> tuple[dict[str, Any], list[str]]:
        """A good body with one to three fields drawn anew, and these; often one that no API has."""
        values, body = Values(rng, wrong), dict(rng.choice(self.good))
        fields = rng.sample([*self.schema["properties"], "ponder"], rng.choice((1, 1, 1, 2, 3)))
        if rng.random() < 0.1:
            fields = ["ponder"]
        if rng.random() < 0.05:
            fields.append(rng.choice(("top_k", "shown", "\ud800", "", "__class__", "model_fields", "x" * 500)))
        for field in fields:
            body[field] = self._value(field, values)
        if rng.random() < 0.05:
            body.pop(rng.choice(list(body)))
        return body, fields

    def _value(self, field: str, values: Values) -> Any:
        if field == "ponder":
            return extension(values)
        if field == "model" and values.rng.random() < 0.7:
            return values.rng.choice(MODELS)
        inner = self.schema["properties"].get(field)
        return values.any() if inner is None else values.fitting(inner, self.schema)


def extension(values: Values) -> Any:
    """What only ponder knows: a budget, a strategy, or both."""
    given = values.fitting(EXTENSION, EXTENSION)
    if isinstance(given, dict) and values.rng.random() < 0.5:
        given["strategy"] = _strategy(values)
    return given


def _strategy(values: Values) -> Any:
    schema = values.rng.choice(STRATEGY_SCHEMAS)
    drawn = values.fitting(schema, schema)
    if isinstance(drawn, dict):
        drawn.setdefault("kind", schema["properties"]["kind"]["const"])
        if "verifier" in drawn or values.rng.random() < 0.2:
            drawn["verifier"] = {"kind": values.rng.choice(VERIFIERS.names())}
    return drawn


SERVED = ("single", "vote", "best", "dial", "dial-1", "image", "steps")
MODELS = (*SERVED, "", "gpt-4o", "Single")
QUESTION = [{"role": "user", "content": "Problem 3: which number do the steps lead to?"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAIAAAB7QOjdAAAAD0lEQVR4nGP4z8DA8J8BAAf/Af8Bf4mnAAAAAElFTkSuQmCC"
SHOWN = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}}
PART = {"type": "text", "text": "Problem 5?"}
INPUT = [{"role": "user", "content": [{"type": "input_text", "text": "Problem 4?"}]}]
SHORT: dict[str, Any] = {"model": "single", "max_tokens": 6}
EXTENSION = Extension.model_json_schema()
STRATEGY_SCHEMAS = [STRATEGIES[kind].model_json_schema() for kind in STRATEGIES.names()]


def _schema(kind: Any) -> Schema:
    return TypeAdapter(kind).json_schema()


APIS = (
    Api(
        CHAT,
        _schema(chat_create_params.CompletionCreateParamsNonStreaming),
        [
            {**SHORT, "messages": QUESTION},
            {**SHORT, "messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}},
            {**SHORT, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [PART]}]},
            {"model": "vote", "messages": QUESTION, "max_completion_tokens": 5, "n": 2, "seed": 7, "stop": ["9", "x"]},
            {"model": "best", "messages": QUESTION, "max_tokens": 4, "temperature": 0.5, "top_p": 0.9, "stop": []},
            {"model": "dial", "messages": QUESTION, "max_tokens": 4, "reasoning_effort": "low", "metadata": {"a": "b"}},
            {**SHORT, "messages": QUESTION, "ponder": {"budget": {"total_tokens": 90, "seconds": 5}}},
            {
                **SHORT,
                "messages": QUESTION,
                "ponder": {"strategy": {"kind": "self_consistency", "n": 2, "max_tokens": 5}},
            },
        ],
    ),
    Api(
        RESPONSES,
        _schema(response_create_params.ResponseCreateParamsNonStreaming),
        [
            {"model": "single", "input": "Problem 3?", "max_output_tokens": 6},
            {"model": "single", "input": INPUT, "max_output_tokens": 6, "stream": True, "instructions": "Be brief."},
            {"model": "dial", "input": INPUT, "max_output_tokens": 4, "reasoning": {"effort": "low"}},
            {
                "model": "vote",
                "input": "x",
                "max_output_tokens": 4,
                "text": {"format": {"type": "text"}},
                "store": False,
            },
        ],
    ),
    Api(
        COMPLETIONS,
        _schema(completion_create_params.CompletionCreateParamsNonStreaming),
        [
            {**SHORT, "prompt": "Problem 3?"},
            {**SHORT, "prompt": ["Problem 3?"], "stream": True},
            {"model": "vote", "prompt": "x", "max_tokens": 4, "n": 2, "best_of": 2, "echo": False, "suffix": ""},
        ],
    ),
    Api(
        IMAGES,
        _schema(image_generate_params.ImageGenerateParamsNonStreaming),
        [
            {"model": "image", "prompt": "a cat"},
            {
                "model": "image",
                "prompt": "a cat",
                "n": 2,
                "size": "3x2",
                "response_format": "b64_json",
                "quality": "auto",
            },
            {"model": "steps", "prompt": "two cats", "seed": 3, "ponder": {"budget": {"nfe": 60}}},
        ],
    ),
)
