"""The abacus engine draws and reads what transformers makes of the same folders."""

from __future__ import annotations

import asyncio
import math
from itertools import islice
from typing import Any

import pytest
import torch
from abacus import vocabulary
from abacus.engine import AbacusEngine, encode

from ponder.orchestrator.data.abacus import problems
from ponder.orchestrator.engine import Completion, Engine, Prompt, Request, Sampling
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.models import path
from ponder.orchestrator.types import Finish, Message

pytestmark = pytest.mark.usefixtures("one_thread")
PROBLEMS = list(islice(problems(range(1, 9), 7, "test"), 16))
GREEDY = Sampling(temperature=0, max_tokens=110)


@pytest.fixture(scope="module")
def generator() -> AbacusEngine:
    return AbacusEngine("abacus-generator", "cpu")


@pytest.fixture(scope="module")
def reward() -> AbacusEngine:
    return AbacusEngine("abacus-prm", "cpu")


@pytest.fixture(scope="module")
def reference() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(path("abacus-generator"), dtype="float32")


def prompt(text: str, tokens: tuple[int, ...] = ()) -> Prompt:
    return Prompt((Message(role="user", content=text),), tokens, vocabulary.decode(list(tokens)))


async def drawn(engine: Engine, requests: list[Request]) -> list[Completion]:
    return list(await asyncio.gather(*map(engine.complete, requests)))


def test_it_is_an_engine(generator: AbacusEngine, reward: AbacusEngine) -> None:
    assert isinstance(generator, Engine)
    assert generator.identity != reward.identity
    assert generator.capabilities.tokenizer == reward.capabilities.tokenizer


async def test_greedy_texts_are_those_of_transformers(generator: AbacusEngine, reference: Any) -> None:
    made = await drawn(generator, [Request(prompt(each.prompt), GREEDY, 0) for each in PROBLEMS])
    for each, one in zip(PROBLEMS, made, strict=True):
        ids = torch.tensor([vocabulary.encode(each.prompt)])
        wanted = reference.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=110, do_sample=False)[0]
        assert one.tokens == tuple(wanted[ids.shape[1] :].tolist())
        assert one.finish is Finish.EOS
        assert one.usage.completion_tokens == len(one.tokens)


async def test_log_probabilities_are_those_of_transformers(generator: AbacusEngine, reference: Any) -> None:
    sampling = Sampling(max_tokens=1, logprobs=True, top_logprobs=5)
    made = await drawn(generator, [Request(prompt(each.prompt), sampling, 3) for each in PROBLEMS])
    for each, one in zip(PROBLEMS, made, strict=True):
        with torch.no_grad():
            logs = reference(torch.tensor([vocabulary.encode(each.prompt)])).logits[0, -1].log_softmax(-1)
        assert one.logprobs == pytest.approx([logs[one.tokens[0]].item()], abs=1e-3)
        assert one.confidences == pytest.approx([-logs.topk(5).values.mean().item()], abs=1e-3)


async def test_labels_are_those_of_transformers_and_a_verifiers_call(generator: AbacusEngine, reference: Any) -> None:
    written = vocabulary.encode(PROBLEMS[0].solution)
    asked = prompt(PROBLEMS[0].prompt, (*written, vocabulary.EVAL))
    labels = (vocabulary.YES, vocabulary.NO)
    made = await generator.complete(Request(asked, Sampling(max_tokens=1), 0, labels))
    with torch.no_grad():
        ids = torch.tensor([[*vocabulary.encode(PROBLEMS[0].prompt), *written, vocabulary.EVAL]])
        logs = reference(ids).logits[0, -1].log_softmax(-1)
    assert made.label_logprobs == pytest.approx([logs[label].item() for label in labels], abs=1e-3)
    assert (made.usage.calls, made.usage.verifier_calls, made.usage.completion_tokens) == (0, 1, 1)


async def test_step_rewards_are_those_of_transformers(reward: AbacusEngine) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(path("abacus-prm"), dtype="float32")
    asked = [prompt(each.prompt, tuple(vocabulary.encode(each.solution))) for each in PROBLEMS]
    readings = await asyncio.gather(*map(reward.read, asked))
    for each, reading in zip(PROBLEMS, readings, strict=True):
        ids = torch.tensor([vocabulary.encode(each.prompt + each.solution)])
        with torch.no_grad():
            right = model.score(model.model(ids).last_hidden_state)[0].softmax(-1)[:, 1]
        assert len(reading.rows) == each.steps + 1
        assert [row[-1] for row in reading.rows] == pytest.approx(
            right[ids[0] == vocabulary.NEWLINE].tolist(), abs=1e-3
        )
        assert (reading.usage.verifier_calls, reading.usage.prompt_tokens) == (1, ids.shape[1])


async def test_a_draw_does_not_depend_on_its_company(generator: AbacusEngine) -> None:
    warm = [Sampling(max_tokens=limit, temperature=t) for limit, t in ((90, 1.0), (12, 0.7), (40, 1.5))]
    requests = [Request(prompt(each.prompt), warm[i % 3], seed) for seed in range(4) for i, each in enumerate(PROBLEMS)]
    together = await drawn(generator, requests)
    alone = [await generator.complete(request) for request in requests[::7]]
    assert [one.tokens for one in alone] == [one.tokens for one in together[::7]]
    assert len({one.tokens for one in together}) > 40


async def test_a_step_ends_at_its_newline_and_goes_on_from_there(generator: AbacusEngine) -> None:
    step = GREEDY.model_copy(update={"stop": ("\n",)})
    whole = await generator.complete(Request(prompt(PROBLEMS[3].prompt), GREEDY, 0))
    written: tuple[int, ...] = ()
    while True:
        one = await generator.complete(Request(prompt(PROBLEMS[3].prompt, written), step, 0))
        written += one.tokens
        if one.finish is not Finish.STOP:
            break
        assert one.text.endswith("\n") and one.text.count("\n") == 1
    assert written == whole.tokens


async def test_a_stop_of_several_bytes_and_a_length_end_a_draw(generator: AbacusEngine) -> None:
    whole = (await generator.complete(Request(prompt(PROBLEMS[3].prompt), GREEDY, 0))).text
    stop = whole[8:11]
    stopped = GREEDY.model_copy(update={"stop": (stop, "never")})
    short = GREEDY.model_copy(update={"max_tokens": 7})
    by_stop, by_length = await drawn(
        generator, [Request(prompt(PROBLEMS[3].prompt), how, 0) for how in (stopped, short)]
    )
    assert by_stop.text == whole[: whole.index(stop) + 3] and by_stop.finish is Finish.STOP
    assert by_length.text == whole[:7] and by_length.finish is Finish.TOTAL_LENGTH


async def test_a_small_nucleus_is_greedy(generator: AbacusEngine) -> None:
    narrow, greedy = await drawn(
        generator,
        [
            Request(prompt(PROBLEMS[5].prompt), Sampling(max_tokens=60, top_p=top_p, temperature=temperature), 9)
            for top_p, temperature in ((1e-6, 1.0), (1.0, 0.0))
        ],
    )
    assert narrow.tokens == greedy.tokens


async def test_draws_follow_the_models_probabilities(generator: AbacusEngine) -> None:
    """The share of the most frequent first token of 4000 draws, against its probability."""
    asked, sampling = prompt("5+6="), Sampling(max_tokens=1, temperature=1.0)
    made = [one.tokens[0] for one in await drawn(generator, [Request(asked, sampling, seed) for seed in range(4000)])]
    first = max(set(made), key=made.count)
    told = await generator.complete(Request(asked, sampling, 0, (first,)))
    assert told.label_logprobs is not None
    assert made.count(first) / len(made) == pytest.approx(math.exp(told.label_logprobs[0]), abs=0.03)


async def test_flops_are_counted_from_the_shape(generator: AbacusEngine, reward: AbacusEngine) -> None:
    """Seven layers of width 128 and inner width 512, a vocabulary of 261, two operations a multiply-add."""
    linear = 2 * 7 * (4 * 128 * 128 + 3 * 128 * 512)
    attention = 4 * 128 * 7  # a token, for each token it attends to
    short = Sampling(max_tokens=2)
    fresh, continued = await drawn(
        generator, [Request(prompt("5+6="), short, 0), Request(prompt("5+6=", tuple(b"5+6=")), short, 0)]
    )
    seen_fresh = 1 + 2 + 3 + 4 + 5  # four tokens of the prompt and the first of two drawn
    seen_continued = 8 + 9  # the last token of the prompt and the first drawn; seven are in the cache
    assert fresh.usage.flops == 5 * linear + seen_fresh * attention + 2 * 2 * 128 * 261
    assert continued.usage.cached_tokens == 7
    assert continued.usage.flops == 2 * linear + seen_continued * attention + 2 * 2 * 128 * 261
    reading = await reward.read(prompt("5+6=", tuple(b"5+6=11\n")))
    assert reading.usage.flops == 11 * linear + sum(range(1, 12)) * attention


async def test_each_model_refuses_the_others_work(generator: AbacusEngine, reward: AbacusEngine) -> None:
    with pytest.raises(EngineRefused, match="abacus-generator to draw"):
        await reward.complete(Request(prompt("5+6="), GREEDY, 0))
    with pytest.raises(EngineRefused, match="abacus-prm to read"):
        await generator.read(prompt("5+6="))
    with pytest.raises(EngineRefused, match="must fit the context"):
        await generator.complete(Request(prompt("5+6="), Sampling(max_tokens=255), 0))


async def test_the_names_of_special_tokens_are_tokens(generator: AbacusEngine) -> None:
    assert await generator.encode("6*7=<eval>") == (*b"6*7=", vocabulary.EVAL)
    assert encode("<yes><no>") == (vocabulary.YES, vocabulary.NO)
    assert encode("") == ()
