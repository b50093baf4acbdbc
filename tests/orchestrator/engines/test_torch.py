"""The torch engine: its draws equal transformers, sessions and requests share passes, and memory is kept to."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from real_vllm import asked, quiet_imports

from ponder.orchestrator.engine import (
    Advance,
    Advanced,
    Completion,
    Progress,
    Request,
    Sampling,
    SharedEngine,
)
from ponder.orchestrator.engines.torch import TorchEngine, TorchSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.models import abacus_generator
from ponder.orchestrator.types import Finish, Message
from ponder.orchestrator.workspace import LAYOUTS, Opening, Said, Workspace

pytestmark = pytest.mark.asyncio(loop_scope="session")
PROBLEM = "37+52*4-19="
LONG = "what is 12+12-7+5*3-1+2? show every step of the way, one a line."


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tiny(generator_folder: Path) -> AsyncIterator[TorchEngine]:
    engine = TorchSpec(model=str(generator_folder), cache_gib=0.01, page_size=8).open()
    with quiet_imports():
        await engine.start()
    yield engine
    await engine.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def abacus() -> AsyncIterator[TorchEngine]:
    engine = TorchSpec(model="abacus-generator").open()
    with quiet_imports():
        await engine.start()
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def reference(generator_folder: Path) -> Any:
    """The same weights in transformers."""
    with quiet_imports():
        from transformers import AutoModelForCausalLM

        return AutoModelForCausalLM.from_pretrained(generator_folder)


async def draw(engine: TorchEngine, text: str, seed: int = 0, **knobs: Any) -> Completion:
    return await engine.complete(Request(asked(text), Sampling(**{"max_tokens": 24, **knobs}), seed))


def shared(text: str, workers: int, layout: str = "contiguous", room: int = 100) -> Workspace:
    messages = (Message(role="user", content=text),)
    at = Workspace.opened(Opening(messages, LAYOUTS[layout], ("",) * workers, room))
    return at.then(*(Said(worker, (9, 10 + worker)) for worker in range(workers)))


async def advance(engine: TorchEngine, session: str, at: Workspace, tokens: int, temperature: float = 1.0) -> Advanced:
    workers = at.opening.workers
    sampling = Sampling(max_tokens=tokens, temperature=temperature)
    return await engine.advance(Advance(session, at, (sampling,) * workers, tuple(range(workers))))


async def test_greedy_ids_of_a_trained_model_are_those_of_transformers(abacus: TorchEngine) -> None:
    import torch

    with quiet_imports():
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(abacus_generator())
        for problem in (PROBLEM, "8*7+6=", "12+34-5*2+60="):
            ids = (await abacus._chat()).prompt(asked(problem))
            made = model.generate(torch.tensor([ids]), max_new_tokens=100, do_sample=False)[0, len(ids) :].tolist()
            done = await draw(abacus, problem, temperature=0, max_tokens=100)
            assert (list(done.tokens), done.finish) == (made, Finish.EOS)
            assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (len(ids), len(made))


async def test_one_worker_writes_what_an_ordinary_draw_does(abacus: TorchEngine) -> None:
    messages = asked(PROBLEM).messages
    whole = await draw(abacus, PROBLEM, seed=3, max_tokens=64)
    for layout in ("contiguous", "interleaved"):
        at = Workspace.opened(Opening(messages, LAYOUTS[layout], ("",), 64))
        done = await abacus.advance(Advance(layout, at, (Sampling(max_tokens=64),), (3,)))
        await abacus.release(layout)
        assert (done.tokens[0], done.texts[0], done.finishes) == (whole.tokens[:-1], whole.text, (Finish.EOS,))
        assert done.usage == whole.usage


async def test_log_probabilities_are_those_of_transformers(tiny: TorchEngine, reference: Any) -> None:
    import torch

    done = await draw(tiny, "what is 2+2?", seed=5, logprobs=True, top_logprobs=5)
    ids = (await tiny._chat()).prompt(asked("what is 2+2?"))
    with torch.no_grad():
        logits = reference(torch.tensor([[*ids, *done.tokens]])).logits[0]
    table = torch.log_softmax(logits.float(), -1)[len(ids) - 1 : -1]
    assert done.logprobs == pytest.approx([table[i, token].item() for i, token in enumerate(done.tokens)], abs=1e-4)
    assert done.confidences == pytest.approx((-table.topk(5).values.mean(-1)).tolist(), abs=1e-4)

    labels = (9, 4, 20)
    answer = await tiny.complete(Request(asked("what is 2+2?"), Sampling(temperature=0, max_tokens=1), 0, labels))
    assert answer.label_logprobs == pytest.approx([table[0, label].item() for label in labels], abs=1e-4)
    assert (answer.usage.calls, answer.usage.verifier_calls, answer.logprobs) == (0, 1, None)


async def test_stop_strings_stay_in_the_text_and_the_tokens_spell_it(tiny: TorchEngine) -> None:
    chat = await tiny._chat()
    draws = [draw(tiny, "stop", seed=i, stop=("a", "1"), logprobs=True) for i in range(48)]
    stopped = [done for done in await asyncio.gather(*draws) if done.finish is Finish.STOP]
    assert len(stopped) > 10
    for done in stopped:
        assert done.text[-1] in "a1"
        assert not {"a", "1"} & set(done.text[:-1])
        assert chat.decode(list(done.tokens)) == done.text
        assert len(done.logprobs or ()) == len(done.tokens)


async def test_a_watch_is_told_each_token(tiny: TorchEngine) -> None:
    told: list[Progress] = []
    request = Request(asked("b"), Sampling(max_tokens=24, stop=("a",)), 4)
    watched = await tiny.complete(request, told.append)
    assert watched == await tiny.complete(request)
    assert [progress.tokens for progress in told] == list(range(1, watched.usage.completion_tokens + 1))
    assert "".join(progress.text for progress in told) == watched.text


async def test_a_prefix_is_continued_by_its_tokens(tiny: TorchEngine) -> None:
    whole = await draw(tiny, "go", temperature=0, max_tokens=12)
    head = await draw(tiny, "go", temperature=0, max_tokens=5)
    rest = Request(asked("go", head.tokens, head.text), Sampling(temperature=0, max_tokens=7), 0)
    assert head.tokens + (await tiny.complete(rest)).tokens == whole.tokens
    assert await tiny.count(rest.prompt) == whole.usage.prompt_tokens + 5


async def test_sessions_and_requests_draw_together_what_they_draw_alone(tiny: TorchEngine) -> None:
    spaces = {"one": shared("what is 1+1?", 3), "two": shared(LONG, 2, "combined")}
    alone = {}
    for name, at in spaces.items():
        alone[name] = await advance(tiny, name, at, 16)
        await tiny.release(name)
    texts = ("a", "what is 2+2?", LONG * 4)
    alone_drawn = [await draw(tiny, text, seed=i, max_tokens=20) for i, text in enumerate(texts)]
    sessions = [advance(tiny, name, at, 16) for name, at in spaces.items()]
    drawn = [draw(tiny, text, seed=i, max_tokens=20) for i, text in enumerate(texts)]
    *together, one, two = await asyncio.gather(*drawn, *sessions)
    for name in spaces:
        await tiny.release(name)
    assert together == alone_drawn
    assert {"one": one, "two": two} == alone


async def test_what_does_not_fit_beside_the_others_waits_its_turn(tiny: TorchEngine) -> None:
    host = await tiny._hosted()
    most = host._settings.memory // host._decoder.shape.bytes_per_token
    room = most * 2 // 3
    at = {name: shared("a", 2, room=room) for name in ("first", "second")}
    first = await advance(tiny, "first", at["first"], 3)
    waiting = asyncio.create_task(advance(tiny, "second", at["second"], 3))
    small = asyncio.create_task(draw(tiny, "a", max_tokens=2))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert not small.done()  # it would fit, but came later
    assert host.taken < host._settings.memory
    await tiny.release("first")
    assert (await waiting).tokens == first.tokens
    assert len((await small).tokens) == 2
    await tiny.release("second")
    assert host.taken == 0


async def test_what_never_fits_is_refused_with_the_figures(tiny: TorchEngine) -> None:
    with pytest.raises(EngineRefused, match=r"3 workers that write 1000000 tokens .* raise cache_gib"):
        await advance(tiny, "large", shared("a", 3, room=1_000_000), 3)
    with pytest.raises(EngineRefused, match=r"must fit the context of torch:.* \(512 tokens\)"):
        await draw(tiny, "a", max_tokens=600)
    assert (await tiny._hosted()).taken == 0


async def test_cancelling_lets_go_of_memory_and_leaves_the_others_alone(tiny: TorchEngine) -> None:
    host = await tiny._hosted()
    alone = await draw(tiny, "a", seed=1, max_tokens=30)
    cut = [
        asyncio.create_task(advance(tiny, "cut", shared("a", 2), 90)),
        asyncio.create_task(draw(tiny, "b", max_tokens=400)),
    ]
    left = asyncio.create_task(draw(tiny, "a", seed=1, max_tokens=30))
    await asyncio.sleep(0.02)
    for task in cut:
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*cut, return_exceptions=True))
    assert await left == alone
    assert host.taken == 0
    assert not await tiny.holds("cut", shared("a", 2))


async def test_it_says_what_it_is(tiny: TorchEngine) -> None:
    assert isinstance(tiny, SharedEngine)
    assert tiny.capabilities.shared_cache
    assert tiny.capabilities.streams
    assert tiny.capabilities.context_length == 512
    assert tiny.identity.startswith("torch:generator@")
    assert tiny.identity != TorchSpec(model=tiny.spec.model, dtype="bfloat16").open().identity
    assert TorchSpec(model="m", device="cpu", threads=3).resources() == {"num_cpus": 3}
    assert TorchSpec(model="m", device="cuda").resources() == {"num_cpus": 1, "num_gpus": 1}
    with pytest.raises(EngineRefused, match="must be a reward model to read"):
        await tiny.read(asked("a"))


async def test_a_tokenizer_with_more_ids_than_the_model_is_refused(generator_folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = shutil.copytree(generator_folder, tmp_path / "wide")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["more"])
    tokenizer.save_pretrained(folder)
    engine = TorchSpec(model=str(folder)).open()
    with quiet_imports(), pytest.raises(EngineRefused, match=r"below the model's vocabulary \(51\), got one of 51"):
        await engine.start()
    await engine.close()
    with pytest.raises(EngineRefused, match="must be open, but was closed"):
        await engine.start()


async def test_every_end_of_text_that_the_files_name_ends_a_draw(generator_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(generator_folder, tmp_path / "ends")
    greedy = {"temperature": 0, "max_tokens": 6}
    engine = TorchSpec(model=str(folder)).open()
    with quiet_imports():
        third = (await draw(engine, "a", **greedy)).tokens[2]
    await engine.close()
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, third]}))
    engine = TorchSpec(model=str(folder)).open()
    with quiet_imports():
        done = await draw(engine, "a", **greedy)
    await engine.close()
    assert (done.tokens[-1], done.finish, third in done.tokens[:-1]) == (third, Finish.EOS, False)
