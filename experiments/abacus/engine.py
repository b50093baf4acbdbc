"""The abacus models as engines of this process: torch on a CPU or a GPU, no server, requests batched as they come.

For studies that draw tens of millions of tokens through ponder's own runtime. What vLLM would draw and read from the
same folders is drawn and read here, with the same token counts; the tests compare with transformers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import load_file

from ponder.orchestrator.engine import Capabilities, Completion, Prompt, Reading, Request, Sampling, check_fits
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.flops import ModelShape
from ponder.orchestrator.meter import Meter
from ponder.orchestrator.models import path
from ponder.orchestrator.types import Finish, Message

from . import vocabulary
from .decoding import Drawn, Row, draw, read
from .llama import Generator, Shape, StepScorer

QUIET = 24  # turns of the event loop without a new request after which all that can be asked has been asked
SPECIAL = re.compile("|".join(map(re.escape, vocabulary.SPECIAL)))
Asked = TypeVar("Asked")
Told = TypeVar("Told")


class Batches(Generic[Asked, Told]):
    """Gathers what is asked until the event loop has nothing else to do, then computes all of it at once.

    The computing blocks the event loop: everything that could have been asked is waiting for it anyway.
    """

    def __init__(self, compute: Callable[[Sequence[Asked]], Sequence[Told]]) -> None:
        self._compute = compute
        self._waiting: list[tuple[Asked, asyncio.Future[Told]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def ask(self, one: Asked) -> Told:
        """What the batch with `one` in it says of it."""
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, told))
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        return await told

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._gathered()
                batch, self._waiting = [each for each in self._waiting if not each[1].cancelled()], []
                self._tell(batch)
        finally:
            self._serving = None

    async def _gathered(self) -> None:
        """Return when nobody has asked anything more for a while."""
        seen, quiet = len(self._waiting), 0
        while quiet < QUIET:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == seen else 0
            seen = len(self._waiting)

    def _tell(self, batch: Sequence[tuple[Asked, asyncio.Future[Told]]]) -> None:
        try:
            answers = self._compute([one for one, _ in batch])
        except Exception as error:
            for _, told in batch:
                told.set_exception(error)
        else:
            for (_, told), answer in zip(batch, answers, strict=True):
                told.set_result(answer)


class AbacusEngine:
    """One embedded abacus model as an engine; which it is decides whether it generates or reads.

    Usage counts a prefix cache as if it never forgot: a text that continues another computes only the last token of
    its prompt (the one that was sampled but never fed back), the first draw of a prompt finds nothing, and the reward
    model reads everything anew each time.

    Args:
        name: ``abacus-generator`` or ``abacus-prm``.
        device: torch's name of the device; the GPU where there is one.
    """

    def __init__(self, name: str = "abacus-generator", device: str | None = None) -> None:
        self._folder = path(name)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._config: dict[str, Any] = json.loads((self._folder / "config.json").read_text())
        self._drawing: Batches[Row, Drawn] = Batches(lambda rows: draw(self._generator, rows))
        self._reading: Batches[tuple[int, ...], list[float]] = Batches(lambda prompts: read(self._scorer, prompts))
        self.generates = self._config["architectures"] == ["LlamaForCausalLM"]

    @cached_property
    def identity(self) -> str:
        """The weights: they alone decide what is drawn and read."""
        weights = (self._folder / "model.safetensors").read_bytes()
        return f"abacus-torch:{hashlib.sha256(weights).hexdigest()[:16]}"

    @cached_property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            generate=self.generates,
            read=not self.generates,
            token_ids=self.generates,
            continue_prefix=True,
            logprobs=self.generates,
            labels=self.generates,
            seed=self.generates,
            context_length=vocabulary.MAX_LENGTH,
            tokenizer="abacus",
        )

    @cached_property
    def meter(self) -> Meter:
        return Meter(model=ModelShape.from_config(self._config))

    async def start(self) -> None:
        """Load the weights."""
        assert self._generator if self.generates else self._scorer

    async def close(self) -> None:
        """Nothing to stop."""

    async def count(self, prompt: Prompt) -> int:
        return len(self._ids(prompt))

    async def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text, names of special tokens as those tokens."""
        return encode(text)

    async def complete(self, request: Request) -> Completion:
        """Draw one completion, from the request's own seed.

        Raises:
            EngineRefused: this model does not generate, or prompt and completion are too long for it.
        """
        if not self.generates:
            raise EngineRefused("the engine must be abacus-generator to draw, got abacus-prm, which reads")
        ids, sampling = self._ids(request.prompt), request.sampling
        check_fits(self.capabilities, len(ids), 1 if request.labels else sampling.max_tokens, "the abacus generator")
        made = await self._drawing.ask(Row(ids, sampling, request.seed, request.labels))
        cached = len(ids) - 1 if request.prompt.tokens or request.prompt.text else 0
        usage = self.meter.generation(len(ids), len(made.tokens), cached, judging=request.is_judging)
        text = vocabulary.decode(list(made.tokens))
        finish = _finish(made.tokens, text, sampling)
        return Completion(made.tokens, text, finish, usage, made.logprobs, made.label_logprobs, made.confidences)

    async def read(self, prompt: Prompt) -> Reading:
        """The probability that the answer can still be reached, at each step mark.

        Raises:
            EngineRefused: this model does not read, or the prompt is too long for it.
        """
        if self.generates:
            raise EngineRefused("the engine must be abacus-prm to read, got abacus-generator, which draws")
        ids = (*encode(_question(prompt.messages)), *encode(prompt.text))
        check_fits(self.capabilities, len(ids), 0, "the abacus reward model")
        return Reading(tuple((value,) for value in await self._reading.ask(ids)), self.meter.reading(len(ids)))

    def _ids(self, prompt: Prompt) -> tuple[int, ...]:
        written = prompt.tokens if self.generates and prompt.tokens else encode(prompt.text)
        return (*encode(_question(prompt.messages)), *written)

    @cached_property
    def _generator(self) -> Generator:
        return _loaded(Generator(self._shape), self._folder, self._device)

    @cached_property
    def _scorer(self) -> StepScorer:
        return _loaded(StepScorer(self._shape), self._folder, self._device)

    @property
    def _shape(self) -> Shape:
        config = self._config
        return Shape(
            width=config["hidden_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            inner=config["intermediate_size"],
            theta=config["rope_theta"],
            epsilon=config["rms_norm_eps"],
        )


def encode(text: str) -> tuple[int, ...]:
    """Ids of a text; the name of a special token is that token.

    >>> encode("6*7=<eval>")
    (54, 42, 55, 61, 258)
    """
    ids: list[int] = []
    start = 0
    for found in SPECIAL.finditer(text):
        ids += [*vocabulary.encode(text[start : found.start()]), vocabulary.SPECIAL[found[0]]]
        start = found.end()
    return (*ids, *vocabulary.encode(text[start:]))


M = TypeVar("M", Generator, StepScorer)


def _loaded(model: M, folder: Path, device: str) -> M:
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.to(device).eval()


def _question(messages: Sequence[Message]) -> str:
    """The chat template: the last user turn and nothing else."""
    return next((message.content for message in reversed(messages) if message.role == "user"), "")


def _finish(tokens: Sequence[int], text: str, sampling: Sampling) -> Finish:
    if tokens and tokens[-1] == vocabulary.EOS:
        return Finish.EOS
    return Finish.STOP if sampling.stop and text.endswith(sampling.stop) else Finish.TOTAL_LENGTH
