"""Real vLLM on CPU: what it draws equals transformers, what it counts is exact, and it comes back when it dies."""

from __future__ import annotations

import asyncio
import multiprocessing.spawn
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from real_vllm import asked, quiet_imports, running

from ponder.orchestrator.engine import Completion, Engine, Progress, Prompt, Request, Sampling
from ponder.orchestrator.engines.vllm import VLLMEngine, VLLMSpec
from ponder.orchestrator.errors import EngineRefused, EngineUnavailable
from ponder.orchestrator.types import Finish

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="session")]
LONG = "what is 12+12-7+5*3-1+2? show every step of the way, one a line."
GREEDY = Sampling(temperature=0, max_tokens=24)
NUMBER = '{"enum": [12, 345]}'


async def draw(engine: Engine, prompt: Prompt, seed: int = 0, **knobs: Any) -> Completion:
    return await engine.complete(Request(prompt, Sampling(**{"max_tokens": 24, **knobs}), seed))


@pytest.fixture(scope="session")
def reference(generator_folder: Path) -> Any:
    """The same weights in transformers, and its tokenizer."""
    with quiet_imports():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        return AutoModelForCausalLM.from_pretrained(generator_folder), AutoTokenizer.from_pretrained(generator_folder)


def expected_prompt(tokenizer: Any, prompt: Prompt) -> list[int]:
    turns = [message.model_dump() for message in prompt.messages]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False).input_ids)


@pytest.mark.parametrize("text", ["what is 1+1?", "a", LONG])
async def test_greedy_ids_are_those_of_transformers(generator: VLLMEngine, reference: Any, text: str) -> None:
    import torch

    model, tokenizer = reference
    ids = expected_prompt(tokenizer, asked(text))
    with quiet_imports():
        made = model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)[0, len(ids) :].tolist()
    completion = await generator.complete(Request(asked(text), GREEDY, 0))
    assert list(completion.tokens) == made
    assert completion.text == tokenizer.decode(made, skip_special_tokens=True)
    assert completion.finish is (Finish.EOS if made[-1] == tokenizer.eos_token_id else Finish.TOTAL_LENGTH)
    assert completion.usage.completion_tokens == len(made)
    assert completion.usage.prompt_tokens == len(ids) == await generator.count(asked(text))


async def test_log_probabilities_are_those_of_transformers(generator: VLLMEngine, reference: Any) -> None:
    import torch

    model, tokenizer = reference
    completion = await draw(generator, asked("what is 2+2?"), seed=5, temperature=1.0, logprobs=True)
    ids = expected_prompt(tokenizer, asked("what is 2+2?"))
    with torch.no_grad():
        logits = model(torch.tensor([[*ids, *completion.tokens]])).logits[0]
    table = torch.log_softmax(logits.float(), -1)
    wanted = [table[len(ids) - 1 + i, token].item() for i, token in enumerate(completion.tokens)]
    assert completion.logprobs == pytest.approx(wanted, abs=1e-3)

    labels = (9, 4, 20)
    probe = Request(asked("what is 2+2?"), Sampling(temperature=0, max_tokens=1), 0, labels)
    answer = await generator.complete(probe)
    assert answer.label_logprobs == pytest.approx([table[len(ids) - 1, label].item() for label in labels], abs=1e-3)
    assert answer.logprobs is None and answer.usage.completion_tokens == 1
    assert (answer.usage.calls, answer.usage.verifier_calls) == (0, 1)


async def test_confidence_is_the_mean_of_exactly_the_ranked_log_probabilities(
    generator: VLLMEngine, reference: Any
) -> None:
    import torch

    model, tokenizer = reference
    completion = await draw(generator, asked("what is 2+2?"), seed=6, temperature=1.5, top_logprobs=5)
    ids = expected_prompt(tokenizer, asked("what is 2+2?"))
    with torch.no_grad():
        logits = model(torch.tensor([[*ids, *completion.tokens]])).logits[0]
    ranked = torch.log_softmax(logits.float(), -1).topk(5).values[len(ids) - 1 : -1]
    assert completion.confidences == pytest.approx((-ranked.mean(-1)).tolist(), abs=1e-3)
    assert completion.logprobs is None


async def test_text_is_encoded_as_the_tokenizer_does_without_marks(generator: VLLMEngine, reference: Any) -> None:
    _, tokenizer = reference
    assert list(await generator.encode("ab 12")) == tokenizer.encode("ab 12", add_special_tokens=False)


async def test_labels_and_chosen_log_probabilities_come_together(generator: VLLMEngine) -> None:
    sampling = Sampling(max_tokens=4, logprobs=True)
    both = await generator.complete(Request(asked("b"), sampling, 3, (4, 5)))
    alone = await generator.complete(Request(asked("b"), sampling, 3))
    assert both.tokens == alone.tokens
    assert both.logprobs == pytest.approx(alone.logprobs, abs=1e-5)
    assert len(both.label_logprobs or ()) == 2


async def test_a_second_call_finds_its_prompt_cached(generator: VLLMEngine) -> None:
    prompt = asked("once. " + LONG)
    first, second = await draw(generator, prompt, seed=1), await draw(generator, prompt, seed=1)
    assert first.usage.cached_tokens == 0
    assert second.usage.cached_tokens == (second.usage.prompt_tokens - 1) // 32 * 32 > 0
    assert second.usage.flops < first.usage.flops
    assert second.tokens == first.tokens


async def test_a_prefix_is_continued_by_its_tokens(generator: VLLMEngine) -> None:
    whole = await draw(generator, asked("go"), temperature=0.0, max_tokens=12)
    head = await draw(generator, asked("go"), temperature=0.0, max_tokens=5)
    tail = await draw(generator, asked("go", head.tokens, head.text), temperature=0.0, max_tokens=7)
    assert head.tokens + tail.tokens == whole.tokens
    assert head.finish is Finish.TOTAL_LENGTH
    assert tail.usage.prompt_tokens == head.usage.prompt_tokens + 5


async def test_an_id_beyond_the_vocabulary_does_not_end_a_continuation(generator: VLLMEngine) -> None:
    head = await draw(generator, asked("go"), temperature=0.0, max_tokens=5)
    tail = await draw(generator, asked("go", head.tokens, head.text), temperature=0.0, max_tokens=7)
    prompt = asked("go", (*head.tokens, 10**6), head.text)
    beyond = await draw(generator, prompt, temperature=0.0, max_tokens=7)
    assert beyond.tokens == tail.tokens
    assert await generator.count(prompt) == beyond.usage.prompt_tokens


async def test_stop_strings_stay_in_the_text_and_the_tokens_spell_the_text(
    generator: VLLMEngine, reference: Any
) -> None:
    _, tokenizer = reference
    draws = [draw(generator, asked("stop"), seed=i, stop=("a", "1"), logprobs=True) for i in range(48)]
    stopped = [c for c in await asyncio.gather(*draws) if c.finish is Finish.STOP]
    assert len(stopped) > 10
    for completion in stopped:
        assert completion.text[-1] in "a1"
        assert not {"a", "1"} & set(completion.text[:-1])
        assert tokenizer.decode(completion.tokens, skip_special_tokens=True) == completion.text
        assert len(completion.logprobs or ()) == len(completion.tokens)
    joined = tokenizer.convert_tokens_to_ids("ab")
    assert not any(joined in completion.tokens for completion in stopped)


async def test_a_watched_draw_is_the_same_and_told_as_it_goes(generator: VLLMEngine) -> None:
    most = 0
    for seed in range(8):
        heard: list[Progress] = []
        asked_for = Request(asked("watch"), Sampling(max_tokens=24, stop=("a",), logprobs=True), seed)
        alone = await generator.complete(asked_for)
        watched = await generator.complete(asked_for, heard.append)
        assert replace(watched, usage=alone.usage) == alone
        counts = [each.tokens for each in heard]
        assert counts == sorted(set(counts)) and counts[-1] == watched.usage.completion_tokens
        assert "".join(each.text for each in heard) == watched.text
        most = max(most, len(heard))
    assert most > 1


async def test_prompts_of_one_salt_share_a_prefix_cache_of_their_own(generator: VLLMEngine) -> None:
    prompts = [replace(asked("salted. " + LONG), salt=salt) for salt in ("", "mine", "mine", "yours", "")]
    made = [await draw(generator, prompt, seed=1) for prompt in prompts]
    whole = (made[0].usage.prompt_tokens - 1) // 32 * 32
    assert [each.usage.cached_tokens for each in made] == [0, 0, whole, 0, whole]
    assert len({each.tokens for each in made}) == 1


async def test_seeds_reproduce_and_differ(generator: VLLMEngine) -> None:
    again = [(await draw(generator, asked("dice"), seed=7)).tokens for _ in range(2)]
    others = {(await draw(generator, asked("dice"), seed=i)).tokens for i in range(8)}
    assert again[0] == again[1]
    assert len(others) > 6


async def test_many_at_once_are_each_counted_exactly(generator: VLLMEngine) -> None:
    made = await asyncio.gather(*(draw(generator, asked(f"number {i}"), seed=i) for i in range(64)))
    for i, completion in enumerate(made):
        assert completion.usage.prompt_tokens == await generator.count(asked(f"number {i}"))
        assert completion.usage.completion_tokens == len(completion.tokens)
        assert completion.usage.calls == 1
        assert (completion.finish is Finish.EOS) == (completion.tokens[-1] == 2)


async def test_more_prompts_than_one_step_computes_are_all_drawn(generator: VLLMEngine) -> None:
    """Some would be computed in two steps, which kills vLLM on CPU where requests have seeds."""
    core = generator._core
    made = await asyncio.gather(*(draw(generator, asked(f"{i}: {LONG}"), seed=i, max_tokens=2) for i in range(200)))
    assert sum(each.usage.prompt_tokens - each.usage.cached_tokens for each in made) > 8192
    assert generator._core is core


async def test_cancelling_a_call_aborts_the_work(generator: VLLMEngine) -> None:
    llm = generator._core.llm
    sampling = {"max_tokens": 400, "temperature": 2.0}
    tasks = [asyncio.create_task(draw(generator, asked("endless"), seed=i, **sampling)) for i in range(16)]
    while llm.get_num_unfinished_requests() < 4:
        await asyncio.sleep(0.001)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) >= 4
    assert llm.get_num_unfinished_requests() == 0


async def test_what_is_too_long_or_not_its_work_is_refused(generator: VLLMEngine, reader: VLLMEngine) -> None:
    with pytest.raises(EngineRefused, match=r"must fit the context .* \(512 tokens\)"):
        await draw(generator, asked("x" * 600))
    with pytest.raises(EngineRefused, match="must have runner 'pooling'"):
        await generator.read(asked("x"))
    with pytest.raises(EngineRefused, match="must have runner 'generate'"):
        await draw(reader, asked("x"))
    with pytest.raises(EngineRefused, match="token_id"):
        await generator.complete(Request(asked("x"), GREEDY, 0, (10_000,)))


async def test_readings_are_those_of_transformers(reader: VLLMEngine, reward_folder: Path) -> None:
    import torch

    with quiet_imports():
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(reward_folder)
        tokenizer = AutoTokenizer.from_pretrained(reward_folder)
    steps = "1+1=2\n2*3=6\n6-1=5\n"
    prompt = asked("two\nlines?", (1, 2, 3), steps)
    ids = [*expected_prompt(tokenizer, prompt), *tokenizer.encode(steps, add_special_tokens=False)]
    with torch.no_grad():
        hidden = model.model(torch.tensor([ids])).last_hidden_state
        wanted = torch.softmax(model.score(hidden), -1)[0, :, 1]
    marks = [i for i, token in enumerate(ids) if token == 3][-3:]
    reading = await reader.read(prompt)
    assert [row[-1] for row in reading.rows] == pytest.approx([wanted[i].item() for i in marks], abs=1e-4)
    assert reading.usage.prompt_tokens == len(ids)
    assert (reading.usage.verifier_calls, reading.usage.completion_tokens, reading.usage.calls) == (1, 0, 0)
    assert (await reader.read(asked("no steps"))).rows == ()


async def test_the_first_steps_read_the_same_alone(reader: VLLMEngine) -> None:
    both = await reader.read(asked("q", (), "1+1=2\n2*3=6\n"))
    first = await reader.read(asked("q", (), "1+1=2\n"))
    assert first.rows[0] == pytest.approx(both.rows[0], abs=1e-4)


async def test_the_callers_process_is_left_as_it_was(generator: VLLMEngine, reader: VLLMEngine) -> None:
    for name in ("OMP_NUM_THREADS", "GOMP_CPU_AFFINITY", "VLLM_LOGGING_LEVEL", "VLLM_ENABLE_V1_MULTIPROCESSING"):
        assert name not in os.environ
    assert os.fsdecode(multiprocessing.spawn.get_executable()) == sys.executable
    for engine in (generator, reader):
        assert os.sched_getaffinity(engine._core.processes[0].pid) == {engine.spec.core}


async def test_a_model_vllm_cannot_run_is_refused_with_the_reason(
    generator_folder: Path, generator: VLLMEngine
) -> None:
    spec = VLLMSpec(model=str(generator_folder), extra={"no_such_argument": 1})
    with pytest.raises((EngineRefused, EngineUnavailable), match="no_such_argument"), quiet_imports():
        await spec.open().start()


async def test_a_start_that_takes_too_long_leaves_nothing(
    generator_folder: Path, generator: VLLMEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, before = sys.modules["__main__"], set(multiprocessing.active_children())
    monkeypatch.setattr(main, "__file__", __file__, raising=False)  # hidden from the processes that are started
    spec = VLLMSpec(model=str(generator_folder), start_timeout_s=0.05)
    with pytest.raises(EngineUnavailable, match=r"ready within 0\.05 s"), quiet_imports():
        await spec.open().start()
    assert set(multiprocessing.active_children()) == before
    assert main.__file__ == __file__


async def test_a_killed_process_is_replaced(generator: VLLMEngine) -> None:
    before = await draw(generator, asked("again"), seed=3)
    dead = generator._core.processes[0]
    calls = [asyncio.create_task(draw(generator, asked("lost"), seed=i, max_tokens=400)) for i in range(4)]
    while generator._core.llm.get_num_unfinished_requests() < 2:
        await asyncio.sleep(0.001)
    os.kill(dead.pid, signal.SIGKILL)
    with quiet_imports():
        lost = await asyncio.gather(*calls, return_exceptions=True)
        assert any(isinstance(outcome, EngineUnavailable) for outcome in lost)
        assert all(isinstance(outcome, EngineUnavailable | Completion) for outcome in lost)
        after = await asyncio.gather(*(draw(generator, asked("again"), seed=3) for _ in range(3)))
    assert {completion.tokens for completion in after} == {before.tokens}
    assert generator._core.processes[0].pid != dead.pid


async def test_a_process_that_stalls_is_replaced(generator: VLLMEngine) -> None:
    os.kill(generator._core.processes[0].pid, signal.SIGSTOP)
    with quiet_imports():
        with pytest.raises(EngineUnavailable, match="being replaced"):
            await draw(generator, asked("asleep"))
        assert (await draw(generator, asked("awake"))).usage.calls == 1


async def test_a_closed_engine_says_so(generator_folder: Path) -> None:
    engine = VLLMSpec(model=str(generator_folder)).open()
    await engine.close()
    with pytest.raises(EngineRefused, match="was closed"):
        await draw(engine, asked("x"))


async def test_a_reward_model_without_a_mark_is_read_once_and_closing_fails_what_waits(
    tmp_path: Path, generator: VLLMEngine
) -> None:
    import tiny_llama

    spec = VLLMSpec(
        model=str(tiny_llama.make(tmp_path / "outcome", labels=2)), runner="pooling", kv_cache_gib=0.25, core=0
    )
    async with running(spec) as engine:
        reading = await engine.read(asked("q", (), "1+1=2\n2+2=4\n"))
        flood = [asyncio.create_task(engine.read(asked("x" * 400))) for _ in range(256)]
        await asyncio.sleep(0.02)
    with quiet_imports():
        lost = await asyncio.wait_for(asyncio.gather(*flood, return_exceptions=True), timeout=20)
    assert any(isinstance(outcome, EngineUnavailable) for outcome in lost)
    assert len(reading.rows) == 1 and 0 < reading.rows[0][-1] < 1


async def test_a_form_is_held_to_or_refused(abacus_generator: VLLMEngine) -> None:
    drawn = [
        await draw(abacus_generator, asked("12+7*3"), seed, temperature=2, json_schema=NUMBER) for seed in range(4)
    ]
    assert {each.text for each in drawn} <= {"12", "345"} and {each.finish for each in drawn} == {Finish.EOS}
    for bad in ('{"type": "strange"}', '{"not": {}}', '{"$ref": "http://127.0.0.1/x"}'):
        with pytest.raises(EngineRefused, match="Grammar error"):
            await draw(abacus_generator, asked("12+7*3"), json_schema=bad)


async def test_each_token_tells_what_it_adds_to_the_text(generator: VLLMEngine) -> None:
    for stop in ((), ("a",)):
        drawn = await draw(generator, asked(LONG), 3, temperature=2, logprobs=True, stop=stop)
        assert drawn.pieces and drawn.logprobs and len(drawn.pieces) == len(drawn.logprobs) == len(drawn.tokens)
        assert "".join(drawn.pieces) == drawn.text
    assert (await draw(generator, asked(LONG), 3)).pieces is None
