"""Log-probabilities of the answers that are given, token by token, or a refusal by name."""

from __future__ import annotations

import openai
from scripted import ScriptedSpec
from serving import QUESTION, ask, pipeline, serving, single, vote

from ponder.orchestrator.server.app import create_app
from ponder.orchestrator.server.served import by_name
from ponder.strategies import BestOfN, BudgetForcing
from ponder.verifiers import SelfCertainty


def asked(model: str = "vote", **more: object) -> dict[str, object]:
    return {"model": model, "messages": QUESTION, "seed": 5, "logprobs": True, **more}


async def test_each_token_of_each_answer_is_told_its_log_probability() -> None:
    app = create_app(by_name([vote(n=4)]))
    async with app.router.lifespan_context(app):
        told = await ask(app, asked(n=2, top_logprobs=0))
        plain = await ask(app, asked(logprobs=False))
        cut = await ask(app, asked(stop=["\n"]))
    for choice in told.json["choices"]:
        content = choice["logprobs"]["content"]
        assert "".join(each["token"] for each in content) == choice["message"]["content"]
        assert b"".join(bytes(each["bytes"]) for each in content).decode() == choice["message"]["content"]
        assert all(each["logprob"] <= 0 and each["top_logprobs"] == [] for each in content)
        assert min(each["logprob"] for each in content) < 0
    assert plain.json["choices"][0]["logprobs"] is None
    (choice,) = cut.json["choices"]
    assert "".join(each["token"] for each in choice["logprobs"]["content"]) == choice["message"]["content"] != ""


async def test_what_cannot_tell_them_refuses_by_name() -> None:
    silent, forced = single("silent", ScriptedSpec(name="silent")), pipeline("forced", BudgetForcing(max_tokens=4096))
    app = create_app(by_name([vote(n=4), silent, forced]))
    async with app.router.lifespan_context(app):
        found = [await ask(app, body) for body in (asked("silent"), asked("forced"), asked(stream=True))]
        ranked = await ask(app, asked(top_logprobs=3))
    assert [(each.status, each.error["param"]) for each in found] == [(400, "logprobs")] * 3
    assert (ranked.status, ranked.error["param"]) == (400, "top_logprobs")


def test_the_real_client_reads_them() -> None:
    with serving([pipeline("best", BestOfN(n=2, verifier=SelfCertainty()))]) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        done = client.chat.completions.create(model="best", messages=QUESTION, logprobs=True)
    content = done.choices[0].logprobs.content
    assert "".join(each.token for each in content) == done.choices[0].message.content
