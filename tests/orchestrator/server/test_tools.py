"""Tools that a chat brings are called through strategies that read no answer, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import orjson
import pytest
from pydantic import BaseModel
from scripted import ScriptedEngine, ScriptedSpec
from serving import QUESTION, ask, pipeline, serving, single, vote
from starlette.applications import Starlette

from ponder.orchestrator.engines.openai import OpenAISpec
from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.refusal import Refusal
from ponder.orchestrator.server.served import by_name
from ponder.orchestrator.server.wire import read_request
from ponder.strategies import Sample, Vote

ARGUMENTS = '{"city": "Zürich"}'
CALLER = ScriptedSpec(name="caller", calls=ARGUMENTS, text="It is sunny.")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
OTHER = {"type": "function", "function": {"name": "news"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}
CALLED = [*QUESTION, {"role": "assistant", "tool_calls": [CALL]}]
ANSWERED = [*CALLED, {"role": "tool", "content": "sunny", "tool_call_id": "call_1"}]


class Place(BaseModel):
    city: str


def body(model: str = "caller", messages: Any = QUESTION, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": messages, **more}


def application() -> Starlette:
    votes = pipeline("votes", Sample(n=2), Vote(), engine=CALLER)
    return create_app(by_name([single("caller", CALLER), votes, vote("vote", 2, CALLER), single("free")]))


async def test_calls_are_answers_and_what_tools_return_is_read() -> None:
    app = application()
    async with app.router.lifespan_context(app):
        found = await ask(app, body(tools=[TOOL, OTHER], tool_choice="auto", parallel_tool_calls=False))
        named = {"type": "function", "function": {"name": "news"}}
        chosen = await ask(app, body(tools=[TOOL, OTHER], tool_choice=named))
        done = await ask(app, body(messages=ANSWERED, tools=[TOOL]))
        plain = await ask(app, body(messages=ANSWERED))
        cards = {card["id"]: card["ponder"] for card in (await ask(app, path="/v1/models", method="GET")).json["data"]}
    (choice,) = found.json["choices"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    (call,) = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": ARGUMENTS} and call["type"] == "function" and call["id"]
    assert chosen.json["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "news"
    for each in (done, plain):
        assert each.json["choices"][0]["finish_reason"] == "stop"
        assert each.json["choices"][0]["message"] == {"role": "assistant", "content": CALLER.text, "refusal": None}
    assert {name: card["calls_tools"] for name, card in cards.items()} == {
        "caller": True,
        "votes": False,
        "vote": False,
        "free": False,
    }
    first, *_, read, _ = ScriptedEngine.opened["caller"].requests
    said = {"tools": [TOOL, OTHER], "tool_choice": "auto", "parallel_tool_calls": False}
    assert orjson.loads(first.sampling.tools or "") == said and first.prompt.tools == first.sampling.tools
    assert [(each.role, each.content, each.call_id) for each in read.prompt.messages[1:]] == [
        ("assistant", "", ""),
        ("tool", "sunny", "call_1"),
    ]
    (told,) = read.prompt.messages[1].calls
    assert (told.id, told.name, told.arguments) == ("call_1", "weather", ARGUMENTS)


@pytest.mark.parametrize("model", ["votes", "vote", "free"])
async def test_what_reads_its_draws_or_calls_nothing_refuses(model: str) -> None:
    app = application()
    async with app.router.lifespan_context(app):
        refused = await ask(app, body(model, tools=[TOOL]))
        read = await ask(app, body(model, ANSWERED))
    assert (refused.status, refused.error["param"], refused.error["code"]) == (400, "tools", "unsupported_parameter")
    assert (read.status, read.error["param"]) == (400, "messages[1]")


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


def tool(**function: Any) -> list[dict[str, Any]]:
    return [TOOL, {"type": "function", "function": {"name": "f", **function}}]


def turns(*more: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [*CALLED, *more]}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"tools": "weather"}, "tools"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [TOOL, TOOL]}, "tools[1].function.name"),
        ({"tools": tool(name="two words")}, "tools[1].function.name"),
        ({"tools": tool(more=1)}, "tools[1].function.more"),
        ({"tools": tool(strict="yes")}, "tools[1].function.strict"),
        ({"tools": tool(parameters=[])}, "tools[1].function.parameters"),
        ({"tools": tool(parameters=nested(33))}, "tools[1].function.parameters"),
        ({"tools": tool(parameters={"$ref": "http://127.0.0.1/"})}, "tools[1].function.parameters"),
        ({"tools": tool(description="x" * 65_536)}, "tools"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "news"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": []}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        (turns(), "messages"),
        (turns(QUESTION[0]), "messages[2]"),
        (turns({"role": "tool", "content": "x"}), "messages[2].tool_call_id"),
        (turns({"role": "tool", "content": "x", "tool_call_id": "call_2"}), "messages[2].tool_call_id"),
        (turns({"role": "tool", "tool_call_id": "call_1"}), "messages[2].content"),
        (turns(ANSWERED[-1], ANSWERED[-1]), "messages[3].tool_call_id"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [CALL]}]}, "messages[0].tool_calls"),
        ({"messages": [{"role": "user", "content": "x", "tool_call_id": "call_1"}]}, "messages[0].tool_call_id"),
        ({"messages": [*QUESTION, {"role": "assistant", "tool_calls": []}]}, "messages[1].content"),
        ({"messages": [*QUESTION, {"role": "assistant", "tool_calls": [CALL] * 129}]}, "messages[1].tool_calls"),
        (
            {"messages": [*QUESTION, {"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}]},
            "messages[1].tool_calls[0].type",
        ),
        (
            {"messages": [*QUESTION, {"role": "assistant", "tool_calls": [{**CALL, "id": "x" * 257}]}]},
            "messages[1].tool_calls[0].id",
        ),
    ],
)
def test_what_is_no_tool_or_no_call_is_refused_by_name(change: dict[str, Any], param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_request(body(**{"messages": QUESTION, **change}))
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """A server that passes on what another one calls."""
    with serving([single("caller", CALLER)]) as back:
        spec = OpenAISpec(base_url=f"{back.url}/v1", model="caller")
        with serving([single("caller", spec)]) as front:
            yield f"{front.url}/v1"


def test_the_real_client_goes_round(upstream: str) -> None:
    client = openai.OpenAI(base_url=upstream, api_key="none", max_retries=0)
    messages: list[Any] = [*QUESTION]
    done = client.chat.completions.create(model="caller", messages=messages, tools=[TOOL], n=1)  # type: ignore[list-item]
    assert done.choices[0].finish_reason == "tool_calls" and done.choices[0].message.tool_calls
    (call,) = done.choices[0].message.tool_calls
    assert call.type == "function" and orjson.loads(call.function.arguments) == {"city": "Zürich"}
    messages += [done.choices[0].message, {"role": "tool", "content": "sunny", "tool_call_id": call.id}]
    done = client.chat.completions.create(model="caller", messages=messages, tools=[TOOL])  # type: ignore[list-item]
    assert (done.choices[0].message.content, done.choices[0].message.tool_calls) == (CALLER.text, None)
    with client.chat.completions.stream(model="caller", messages=QUESTION, tools=[TOOL]) as stream:  # type: ignore[list-item]
        whole = stream.get_final_completion().choices[0]
    assert (whole.finish_reason, whole.message.content or "") == ("tool_calls", "") and whole.message.tool_calls
    assert whole.message.tool_calls[0].function.arguments == ARGUMENTS
    with client.chat.completions.stream(model="caller", messages=messages, tools=[TOOL]) as stream:  # type: ignore[list-item]
        assert stream.get_final_completion().choices[0].message.content == CALLER.text


def test_agents_call_their_tools_and_get_what_they_ask_for(upstream: str) -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("caller", provider=OpenAIProvider(base_url=upstream, api_key="none"))
    asked: list[str] = []

    def weather(city: str) -> str:
        """The weather there."""
        asked.append(city)
        return "sunny"

    assert Agent(model, tools=[weather]).run_sync("Will it rain?").output == CALLER.text
    assert asked == ["Zürich"]
    assert Agent(model, output_type=Place).run_sync("Where?").output == Place(city="Zürich")
