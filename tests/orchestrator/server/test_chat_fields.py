"""Every field that the installed OpenAI package can send is known here: taken, or refused by its name."""

from typing import get_args, get_type_hints

import pytest
from openai.types import image_generate_params
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionStreamOptionsParam,
    completion_create_params,
)

from ponder.orchestrator.server import image_wire, wire
from ponder.orchestrator.server.image_wire import ImageRequest
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.wire import ChatRequest, StreamOptions

ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
PARTS = {"text": {}, "image_url": {}, "input_audio": {"input_audio": {}}, "file": {"file": {}}}


def fields(params: type) -> set[str]:
    return set(get_type_hints(params)) - {"stream"}


def chat(**message: object) -> None:
    wire.read_request({"model": "m", "messages": [message]})


def test_each_field_of_a_chat_is_taken_or_refused_by_name() -> None:
    known = ChatRequest.model_fields.keys() | wire.NEUTRAL.keys()
    assert fields(completion_create_params.CompletionCreateParamsBase) <= known
    assert (
        fields(image_generate_params.ImageGenerateParamsBase)
        <= ImageRequest.model_fields.keys() | image_wire.NEUTRAL.keys()
    )
    assert fields(ChatCompletionStreamOptionsParam) <= StreamOptions.model_fields.keys()


@pytest.mark.parametrize("name", sorted(wire.NEUTRAL))
def test_what_is_not_offered_is_refused_by_name(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        wire.read_request({"model": "m", "messages": [{"role": "user", "content": "?"}], name: {"some": "thing"}})
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, name, "unsupported_parameter")


def test_each_field_of_a_message_is_taken_or_refused_by_name() -> None:
    roles = {get_args(get_type_hints(params)["role"])[0]: params for params in get_args(ChatCompletionMessageParam)}
    assert roles.keys() == ROLES
    with pytest.raises(Refusal, match=r"^messages\[0\].role"):
        chat(role="function", content="?")
    for role in ROLES - {"function"}:
        rest = fields(roles[role]) - {"role", "content"}
        assert rest & set(wire.CALLING) == {"assistant": {"tool_calls"}, "tool": {"tool_call_id"}}.get(role, set())
        rest -= set(wire.CALLING)
        assert rest <= set(wire.EMPTY_IN_MESSAGES)
        for name in rest:
            chat(role=role, content="?", **{name: None})
            with pytest.raises(Refusal, match=rf"^messages\[0\].{name}"):
                chat(role=role, content="?", **{name: "x"})


def test_each_kind_of_part_is_taken_or_refused_by_its_place() -> None:
    kinds = {get_args(get_type_hints(params)["type"])[0] for params in get_args(ChatCompletionContentPartParam)}
    assert kinds == set(PARTS)
    chat(role="user", content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])
    for kind in kinds - {"text", "image_url"}:
        with pytest.raises(Refusal, match=r"^messages\[0\].content: .*audio and files are not taken"):
            chat(role="user", content=[{"type": kind, **PARTS[kind]}])
