"""Every registered strategy runs for real: on the abacus models, by vLLM or by torch, or on the model of digits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel
from real_vllm import quiet_imports
from test_strategies import CASES

from ponder.orchestrator.canonical import canonical_json
from ponder.orchestrator.data.abacus import problems
from ponder.orchestrator.engines.denoisers import Digits
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import PixelClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.engines.torch import TorchSpec
from ponder.orchestrator.engines.vllm import VLLMEngine
from ponder.orchestrator.journal import Memory
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.prompting import Template
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.shape import Medium, Shape
from ponder.orchestrator.types import Query
from ponder.strategies import Hogwild, Strategy
from ponder.verifiers import AbacusAnswer, AnswerKey

pytestmark = [pytest.mark.vllm, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]
GENERATORS = ("generator", "second", "third", "judge")


@pytest.fixture(scope="session")
def runtime(abacus_generator: VLLMEngine, abacus_reward: VLLMEngine) -> Runtime:
    """The abacus models: the generator under every name that a case draws from, and the reward model."""
    engines = {**dict.fromkeys(GENERATORS, abacus_generator), "reward": abacus_reward}
    return Runtime(engines, store=Memory())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sharing() -> AsyncIterator[Runtime]:
    """The abacus generator where workers can share one cache, which they cannot on vLLM."""
    generator = TorchSpec(model="abacus-generator", device="cpu").open()
    with quiet_imports():
        await generator.start()
    yield Runtime({"generator": generator}, store=Memory())
    await generator.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pictures() -> AsyncIterator[Runtime]:
    """The model of digits, and a classifier that judges what it makes."""
    reward = ImageRewardSpec(model=PixelClassifier())
    engines = {"generator": DiffusionSpec(denoiser=Digits(device="cpu")), "reward": reward}
    async with Runtime(engines, store=Memory()) as runtime:
        yield runtime


def shares_a_cache(strategy: Strategy) -> bool:
    return isinstance(strategy, Hogwild) and strategy.layout not in ("steps", "fork_join")


def abacus(part: Any) -> Any:
    """A case as the abacus models can run it: their way of answering, and prompts that fit their 256 tokens."""
    if isinstance(part, tuple):
        return tuple(map(abacus, part))
    if isinstance(part, AnswerKey):
        return AbacusAnswer()
    if not isinstance(part, BaseModel):
        return part
    changes = {}
    for name, field in type(part).model_fields.items():
        template = next((each for each in field.metadata if isinstance(each, Template)), None)
        changes[name] = _short(template) if template else abacus(getattr(part, name))
    return part.model_copy(update=changes)


def is_asked_in_words(part: Any) -> bool:
    """Whether a prompt is made of the question somewhere in a strategy: the abacus models may have no answer to it."""
    if isinstance(part, tuple):
        return any(map(is_asked_in_words, part))
    if not isinstance(part, BaseModel):
        return False
    fields = type(part).model_fields
    has_prompt = any(isinstance(each, Template) for field in fields.values() for each in field.metadata)
    return has_prompt or any(is_asked_in_words(getattr(part, name)) for name in fields)


def _short(template: Template) -> str:
    """The places alone; the question last, so that what follows it is an answer to it."""
    places = sorted(template.places, key=lambda place: place == "question")
    return "\n".join(f"{{{place}}}" for place in places)


def makes(strategy: Strategy) -> Medium:
    return strategy.infer(Shape(), Plan()).medium


TEXTS = [name for name, strategy in CASES.items() if makes(strategy) == "text"]
IMAGES = [name for name, strategy in CASES.items() if makes(strategy) == "image"]


@pytest.mark.parametrize("name", TEXTS)
async def test_it_runs_and_is_replayed(runtime: Runtime, sharing: Runtime, name: str) -> None:
    strategy = abacus(CASES[name])
    host = sharing if shares_a_cache(strategy) else runtime
    asked = [next(problems((steps,), seed, "test")) for steps, seed in ((1, 0), (1, 1), (2, 2))]
    for query in [Query.ask(each.prompt, id=each.prompt, reference=each.answer) for each in asked]:
        task = Task(id=f"{name} {query.id}", strategy=strategy, query=query)
        first, again = await host.execute(task, task.budget), await host.execute(task, task.budget)
        assert first.result.stopped == "done", first.result.reason
        assert first.result.candidates
        assert first.result.text or is_asked_in_words(strategy) or getattr(strategy, "abstain", False)
        assert first.result.usage.completion_tokens > 0
        assert canonical_json(again.result) == canonical_json(first.result)
        assert again.paid.total_tokens == 0


@pytest.mark.parametrize("name", IMAGES)
async def test_it_makes_images_and_is_replayed(pictures: Runtime, name: str) -> None:
    query = Query.ask("a handwritten 3")
    task = Task(id=name, strategy=CASES[name], query=query)
    first, again = await pictures.execute(task, task.budget), await pictures.execute(task, task.budget)
    assert first.result.stopped == "done", first.result.reason
    assert first.result.best is not None
    assert (first.result.best.image.width, first.result.best.image.height) == (8, 8)
    assert first.result.usage.nfe > 0
    assert canonical_json(again.result) == canonical_json(first.result)
    assert again.paid.nfe == 0
