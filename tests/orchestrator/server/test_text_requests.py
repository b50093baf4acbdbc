"""What clients may send to ``/v1/responses`` and ``/v1/completions``: it is honoured, asks for nothing, or is named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from image_serving import search
from openai.types import completion_create_params, responses, shared_params
from openai.types.responses import response_create_params, response_input_item_param
from scripted import ScriptedEngine, ScriptedSpec
from serving import Response, ask, single, vote

from ponder.orchestrator.image_bytes import data_url
from ponder.orchestrator.images import Image
from ponder.orchestrator.server import completions_wire, responses_wire
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.in_chat import Words
from ponder.orchestrator.server.responses_wire import ITEM, LOGPROBS, PARTS, REASONING, STREAM, TEXT, THOUGHTS
from ponder.orchestrator.server.served import by_name
from ponder.orchestrator.types import Message

RESPONSES, COMPLETIONS = "/v1/responses", "/v1/completions"
GOOD: Mapping[str, Mapping[str, Any]] = {
    RESPONSES: {"model": "vote", "input": "Problem 3?"},
    COMPLETIONS: {"model": "vote", "prompt": "Problem 3?"},
}
WORDS = {RESPONSES: responses_wire.WORDS, COMPLETIONS: completions_wire.WORDS}
PLAIN = single("plain", ScriptedSpec(name="texts"))
FORMING = single("forming", ScriptedSpec(name="forms", structured=True, image_tokens=9, text='{"sum": 5}'))
BLACK = data_url(Image(2, 2, 1, bytes(4)))


class Door:
    """An application on a loop that stands between requests."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.runner = runner
        self.app = create_app(by_name([vote(n=2), PLAIN, FORMING, search("painter")]))

    def ask(self, path: str, change: Mapping[str, Any]) -> Response:
        body = {**GOOD[path], **change}
        return self.runner.run(ask(self.app, {k: v for k, v in body.items() if v != "absent"}, path=path))


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with asyncio.Runner() as runner:
        door = Door(runner)
        lifespan = door.app.router.lifespan_context(door.app)
        runner.run(lifespan.__aenter__())
        yield door
        runner.run(lifespan.__aexit__(None, None, None))


@pytest.mark.parametrize(
    ("words", "shapes"),
    [
        (WORDS[RESPONSES], [response_create_params.ResponseCreateParamsStreaming]),
        (WORDS[COMPLETIONS], [completion_create_params.CompletionCreateParamsStreaming]),
        (REASONING, [shared_params.Reasoning]),
        (TEXT, [responses.ResponseTextConfigParam]),
        (STREAM, [response_create_params.StreamOptions]),
        (ITEM, [responses.EasyInputMessageParam, response_input_item_param.Message]),
        (ITEM, [responses.ResponseOutputMessageParam]),
        (PARTS["input_text"], [responses.ResponseInputTextParam]),
        (PARTS["output_text"], [responses.ResponseOutputTextParam]),
        (PARTS["input_image"], [responses.ResponseInputImageParam]),
    ],
)
def test_all_that_the_client_can_say_is_known(words: Words, shapes: list[type]) -> None:
    said = {key for shape in shapes for key in shape.__annotations__}
    assert said <= words.taken | words.neutral.keys()


@pytest.mark.parametrize(("path", "key"), [(path, key) for path, words in WORDS.items() for key in words.neutral])
def test_what_is_not_offered_may_ask_for_nothing(door: Door, path: str, key: str) -> None:
    for value in (None, *WORDS[path].neutral[key][0]):
        assert door.ask(path, {key: value}).status == 200
    error = door.ask(path, {key: "something"}).error
    assert (error["param"], error["code"]) == (key, "unsupported_parameter")
    assert error["message"].startswith(f"{key}: it is not offered by this server: ")


def said(*content: Any, **more: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": list(content), **more}]}


BAD = [
    (RESPONSES, {"input": "absent"}, "input"),
    (RESPONSES, {"input": []}, "input"),
    (RESPONSES, {"input": 7}, "input"),
    (RESPONSES, {"input": ["x"]}, "input[0]"),
    (RESPONSES, {"input": [{"role": "user", "content": "x"}] * 1001}, "input"),
    (RESPONSES, {"input": [{"content": "x"}]}, "input[0].role"),
    (RESPONSES, {"input": [{"role": "user"}]}, "input[0].content"),
    (RESPONSES, {"input": [{"role": "judge", "content": "x"}]}, "input[0].role"),
    (RESPONSES, {"input": [{"role": "user", "content": "x", "name": "Ann"}]}, "input[0].name"),
    (RESPONSES, {"input": [{"type": "function_call", "name": "f"}]}, "input[0].type"),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
    (RESPONSES, {"input": [{"type": "reasoning", "summary": [{"text": "hm"}]}]}, "input[0].type"),
    (RESPONSES, {"instructions": "x", **said("x")}, "input[0].content[0]"),
    (RESPONSES, said({"type": "text", "text": "x"}), "input[0].content[0]"),
    (RESPONSES, said({"type": "input_text", "text": 7}), "input[0].content[0].text"),
    (RESPONSES, said({"type": "input_text", "text": "x", "mood": "y"}), "input[0].content[0].mood"),
    (RESPONSES, said({"type": ["input_text"], "text": "x"}), "input[0].content[0]"),
    (RESPONSES, said({"type": "output_text", "text": "x", "annotations": [{}]}), "input[0].content[0].annotations"),
    (RESPONSES, said({"type": "refusal", "refusal": "no"}), "input[0].content[0]"),
    (RESPONSES, {"instructions": ["x"]}, "instructions"),
    (RESPONSES, {"max_output_tokens": 0}, "max_output_tokens"),
    (RESPONSES, {"temperature": 3}, "temperature"),
    (RESPONSES, {"reasoning": "high"}, "reasoning"),
    (RESPONSES, {"reasoning": {"effort": "high"}}, "reasoning.effort"),
    (RESPONSES, {"reasoning": {"effort": "extreme"}}, "reasoning.effort"),
    (RESPONSES, {"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
    (RESPONSES, {"reasoning": {"depth": 3}}, "reasoning.depth"),
    (RESPONSES, {"text": {"verbosity": "low"}}, "text.verbosity"),
    (RESPONSES, {"text": {"format": "json"}}, "text.format"),
    (RESPONSES, {"text": {"format": {"type": "json_schema", "name": "?", "schema": {}}}}, "text.format.name"),
    (RESPONSES, {"text": {"format": {"type": "json_object"}}}, "text.format"),
    (RESPONSES, {"instructions": "x", **said({"type": "input_image", "image_url": BLACK})}, "input[0].content[0]"),
    (RESPONSES, said({"type": "input_image", "image_url": "http://x/y.png"}), "input[0].content[0]"),
    (RESPONSES, said({"type": "input_image", "file_id": "f"}), "input[0].content[0].file_id"),
    (RESPONSES, said({"type": "input_image", "image_url": BLACK, "detail": "all"}), "input[0].content[0].detail"),
    (RESPONSES, {"stream": True, "stream_options": {"include_obfuscation": 1}}, "stream_options.include_obfuscation"),
    (RESPONSES, {"stream": True, "stream_options": {"include_usage": True}}, "stream_options.include_usage"),
    (RESPONSES, {"include": ["web_search_call.results"]}, "include"),
    (RESPONSES, {"include": "message.output_text.logprobs"}, "include"),
    (RESPONSES, {"include": [LOGPROBS], "stream": True}, "include"),
    (RESPONSES, {"include": [LOGPROBS], "model": "plain"}, "include"),
    (RESPONSES, {"messages": []}, "messages"),
    (RESPONSES, {"max_completion_tokens": 9}, "max_completion_tokens"),
    (RESPONSES, {"reasoning_effort": "low"}, "reasoning_effort"),
    (RESPONSES, {"stop": "x"}, "stop"),
    (RESPONSES, {"n": 1}, "n"),
    (RESPONSES, {"ponder": {"budget": {"tokens": 5}}}, "ponder.budget.tokens"),
    (COMPLETIONS, {"prompt": "absent"}, "prompt"),
    (COMPLETIONS, {"prompt": []}, "prompt"),
    (COMPLETIONS, {"prompt": {"text": "x"}}, "prompt"),
    (COMPLETIONS, {"prompt": ["x", "y"]}, "prompt"),
    (COMPLETIONS, {"prompt": [5, 6]}, "prompt"),
    (COMPLETIONS, {"prompt": [[5, 6]]}, "prompt"),
    (COMPLETIONS, {"prompt": [5]}, "prompt"),
    (COMPLETIONS, {"n": 3}, "n"),
    (COMPLETIONS, {"n": 1, "best_of": 2}, "best_of"),
    (COMPLETIONS, {"best_of": True}, "best_of"),
    (COMPLETIONS, {"logprobs": 1}, "logprobs"),
    (COMPLETIONS, {"logprobs": False}, "logprobs"),
    (COMPLETIONS, {"logprobs": 0, "stream": True}, "logprobs"),
    (COMPLETIONS, {"logprobs": 0, "model": "plain"}, "logprobs"),
    (COMPLETIONS, {"max_tokens": 0}, "max_tokens"),
    (COMPLETIONS, {"stop": [""]}, "stop[0]"),
    (COMPLETIONS, {"messages": []}, "messages"),
    (COMPLETIONS, {"top_k": 5}, "top_k"),
    (COMPLETIONS, {"stream_options": {"include_usage": True}}, "stream_options"),
]


@pytest.mark.parametrize(("path", "change", "param"), BAD, ids=lambda value: str(value)[:60])
def test_names_the_parameter_at_fault(door: Door, path: str, change: dict[str, Any], param: str) -> None:
    response = door.ask(path, change)
    assert response.status == 400
    assert response.error["param"] == param
    assert response.error["message"].startswith(f"{param}: ")


def test_who_wants_texts_scored_is_told_what_can_be_run(door: Door) -> None:
    scored = {"prompt": [[5, 6]], "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
    assert "loglikelihood tasks of lm-eval cannot be run here" in door.ask(COMPLETIONS, scored).error["message"]
    assert "tokenized_requests=False" in door.ask(COMPLETIONS, {"prompt": [[5, 6]]}).error["message"]
    assert "batch_size=1" in door.ask(COMPLETIONS, {"prompt": ["x", "y"]}).error["message"]


def test_a_model_of_images_names_its_endpoint(door: Door) -> None:
    for path in GOOD:
        error = door.ask(path, {"model": "painter"}).error
        assert (error["param"], error["code"]) == ("model", "wrong_endpoint")
        assert "not texts; ask it at POST /v1/images/generations" in error["message"]


@pytest.mark.parametrize(
    ("path", "param", "change"),
    [(RESPONSES, "input", {"input": "x" * 5000}), (COMPLETIONS, "prompt", {"prompt": "x" * 5000})],
)
def test_what_the_engine_cannot_hold_is_named(door: Door, path: str, param: str, change: dict[str, Any]) -> None:
    error = door.ask(path, {"model": "plain", **change}).error
    assert (error["param"], error["code"]) == (param, "context_length_exceeded")


def test_sampling_reaches_the_engine(door: Door) -> None:
    drawn = {"model": "plain", "temperature": 0.25, "top_p": 0.5}
    assert door.ask(RESPONSES, {**drawn, "max_output_tokens": 4}).status == 200
    assert door.ask(COMPLETIONS, {**drawn, "max_tokens": 4, "stop": ["END"]}).status == 200
    first, second = (request.sampling for request in ScriptedEngine.opened["texts"].requests[-2:])
    assert (first.temperature, first.top_p, first.max_tokens, first.stop) == (0.25, 0.5, 4, ())
    assert second == first.model_copy(update={"stop": ("END",)})


def test_a_conversation_can_be_sent_back(door: Door) -> None:
    first = door.ask(RESPONSES, {"model": "plain"}).json
    asked = [
        {"type": "message", "role": "developer", "content": "Count."},
        {"role": "user", "content": [{"type": "input_text", "text": "Problem"}, {"type": "input_text", "text": "3"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [], "encrypted_content": None},
        *first["output"],
        {"role": "assistant", "content": "So it is.", "phase": "final_answer"},
        {"role": "user", "content": "And now?"},
    ]
    again = door.ask(RESPONSES, {"model": "plain", "instructions": "Be brief.", "input": asked})
    assert again.json["instructions"] == "Be brief."
    assert ScriptedEngine.opened["texts"].requests[-1].prompt.messages == (
        Message(role="system", content="Be brief."),
        Message(role="developer", content="Count."),
        Message(role="user", content="Problem\n3"),
        Message(role="assistant", content="the answer"),
        Message(role="assistant", content="So it is."),
        Message(role="user", content="And now?"),
    )


def test_images_and_schemas_reach_the_engine(door: Door) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}}
    form = {"type": "json_schema", "name": "sum", "schema": schema, "strict": True}
    words, image = {"type": "input_text", "text": "Add."}, {"type": "input_image", "image_url": BLACK, "detail": "auto"}
    response = door.ask(RESPONSES, {"model": "forming", "text": {"format": form}, **said(words, image)}).json
    (request,) = ScriptedEngine.opened["forms"].requests
    assert orjson.loads(request.sampling.json_schema) == schema
    assert request.prompt.messages == (Message(role="user", content="Add."),)
    assert [(each.width, each.height) for each in request.prompt.images] == [(2, 2)]
    assert (response["text"], response["output"][0]["content"][0]["text"]) == ({"format": form}, '{"sum": 5}')


def test_log_probabilities_are_told_of_whole_answers(door: Door) -> None:
    response = door.ask(RESPONSES, {"include": [THOUGHTS, LOGPROBS], "seed": 5}).json
    (choice,) = door.ask(COMPLETIONS, {"logprobs": 0, "seed": 5}).json["choices"]
    (part,) = response["output"][0]["content"]
    tokens = [each["token"] for each in part["logprobs"]]
    assert "".join(tokens) == part["text"] == choice["text"]
    assert choice["logprobs"] == {
        "tokens": tokens,
        "token_logprobs": [each["logprob"] for each in part["logprobs"]],
        "top_logprobs": None,
        "text_offset": list(range(len(tokens))),
    }
    assert min(choice["logprobs"]["token_logprobs"]) < 0
    assert door.ask(RESPONSES, {"input": [*response["output"], {"role": "user", "content": "?"}]}).status == 200
    assert door.ask(RESPONSES, {"include": [THOUGHTS]}).json["output"][0]["content"][0]["logprobs"] == []


def test_a_prompt_is_one_message_of_a_user(door: Door) -> None:
    assert door.ask(COMPLETIONS, {"model": "plain", "prompt": ["Once"]}).json["choices"][0]["text"] == "the answer"
    assert ScriptedEngine.opened["texts"].requests[-1].prompt.messages == (Message(role="user", content="Once"),)


def test_a_response_repeats_what_was_asked_and_that_nothing_is_stored(door: Door) -> None:
    asked = {"metadata": {"a": "b"}, "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 60, "user": "me"}
    response = door.ask(RESPONSES, {**asked, "store": True, "service_tier": "auto", "seed": 3}).json
    assert {key: response[key] for key in asked} == asked
    assert (response["store"], response["previous_response_id"], response["ponder"]["seed"]) == (False, None, 3)
