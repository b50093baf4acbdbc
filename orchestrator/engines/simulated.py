"""The simulated engine: an enumerable model with known truth, cost and faults.

It stands in for a real engine wherever the truth must be known or a fault must be had at will: tests, examples,
benchmarks of search. A draw depends on the world, the prompt, the sampling and the seed alone. See
`simulated_world` for the model, `byte_vocabulary` for its tokens, `simulated_faults` for what can go wrong.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from statistics import NormalDist
from typing import Annotated, Literal

from pydantic import Field

from ..canonical import digest, stable_id
from ..engine import (
    Advance,
    Advanced,
    Capabilities,
    Completion,
    EngineSpec,
    Progress,
    Prompt,
    Reading,
    Request,
    Sampling,
    Watch,
    check_fits,
)
from ..flops import ModelShape
from ..meter import Meter
from ..types import Finish, Usage
from ..workspace import Opening, Workspace
from .byte_vocabulary import VOCABULARY, count_messages, decode, encode, whole
from .simulated_faults import Faults, FaultyCalls, nameless
from .simulated_judge import confidences, judged_node, label_logprobs
from .simulated_sharing import Writing, check_opening, opened
from .simulated_tree import Step, logistic, logit, uniform
from .simulated_world import World
from .stop_strings import stopped

SHAPE = ModelShape(hidden=128, layers=4, heads=4, kv_heads=4, head_size=32, ffn=384, vocabulary=VOCABULARY)
DOUBT = 0.01
Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]


class SimulatedSpec(EngineSpec):
    """A simulated engine as data.

    Args:
        world: the model.
        model: the sizes that FLOPs are counted for.
        reward_noise: standard deviation, in logits, of the reward model's error; 0 reads the truth.
        cache_block: tokens in a block of the prefix cache, 0 for no cache. Continuing a text finds every whole
            block of its prompt but the last token's; a first draw finds none, whatever was drawn before.
        context_length: most tokens of prompt and completion together.
        latency_s: seconds a call takes; 0 takes none.
        token_latency_s: seconds more for each generated token.
        jitter_s: up to so many seconds more, evenly, so that calls end in another order than they began.
        streams: whether it tells of each token as its time passes.
        faults: what goes wrong, and how often.
    """

    kind: Literal["simulated"] = "simulated"
    world: World = World()
    model: ModelShape = SHAPE
    reward_noise: Annotated[float, Field(ge=0, le=10)] = 0.0
    cache_block: Annotated[int, Field(ge=0, le=4096)] = 0
    context_length: Annotated[int, Field(ge=16, le=10_000_000)] = 32_768
    latency_s: Seconds = 0.0
    token_latency_s: Seconds = 0.0
    jitter_s: Seconds = 0.0
    streams: bool = True
    faults: Faults = Faults()

    def open(self) -> SimulatedEngine:
        return SimulatedEngine(self)


class SimulatedEngine:
    """The engine of a `SimulatedSpec`.

    >>> from ponder.orchestrator.engine import Sampling
    >>> from ponder.orchestrator.types import Message
    >>> engine = SimulatedSpec(world=World(seed=1)).open()
    >>> prompt = Prompt((Message(role="user", content="Problem 3?"),))
    >>> done = asyncio.run(engine.complete(Request(prompt, Sampling(temperature=0), seed=0)))
    >>> done.text, str(done.finish), done.usage.prompt_tokens, done.usage.completion_tokens
    ('step 1: b\\nstep 2: c\\nstep 3: d\\nanswer: 579\\n', 'eos', 17, 43)
    """

    def __init__(self, spec: SimulatedSpec) -> None:
        self.spec = spec
        self._meter = spec.metered(spec.model)
        self._calls = FaultyCalls(spec.faults)
        self._identity = "simulated:" + stable_id((spec.world, spec.reward_noise, spec.faults.distortions()))

    @property
    def identity(self) -> str:
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            read=True,
            token_ids=True,
            continue_prefix=True,
            logprobs=True,
            labels=True,
            seed=True,
            context_length=self.spec.context_length,
            tokenizer="bytes",
            streams=self.spec.streams,
            shared_cache=True,
        )

    @property
    def meter(self) -> Meter:
        return self._meter

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to stop."""

    async def count(self, prompt: Prompt) -> int:
        return count_messages(prompt.messages) + (len(prompt.tokens) or len(encode(prompt.text)))

    async def encode(self, text: str) -> tuple[int, ...]:
        return encode(text)

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        """One completion; one with labels judges what was generated, see `simulated_judge`."""
        await self._calls.strike(request)
        tokens = await self.count(request.prompt)
        done = self._labelled(request, tokens) if request.labels else self._draw(request, tokens)
        key = digest("time", request) if self.spec.jitter_s else b""
        await self._take_time(key, len(done.tokens) if watch is None else 0)
        if watch is not None:
            await self._tell(done.tokens, watch)
        return done

    async def read(self, prompt: Prompt) -> Reading:
        """One row a whole line of what was generated, of one value: the noisy probability that it ends right."""
        await self._calls.strike(prompt)
        tokens = await self.count(prompt)
        self._check_context(tokens, 0)
        usage = self._meter.reading(tokens, self._cached(prompt, tokens))
        await self._take_time(digest("time", prompt) if self.spec.jitter_s else b"")
        return Reading(self._rows(prompt), usage)

    async def opened(self, opening: Opening) -> int:
        check_opening(opening, self.spec.context_length)
        return opened(opening)

    async def holds(self, session: str, workspace: Workspace) -> bool:
        """Always: it writes from the workspace alone."""
        return True

    async def advance(self, request: Advance) -> Advanced:
        """Some passes of workers, each of which makes an attempt of its own, see `simulated_sharing`."""
        await self._calls.strike(request)
        check_opening(request.workspace.opening, self.spec.context_length)
        writing = Writing.of(request)
        rests = partial(self._rest, writing)
        done = writing.done(rests, self.spec.context_length, self._calls.distortion(request))
        await self._take_time(digest("time", nameless(request)) if self.spec.jitter_s else b"", writing.passes(done))
        return replace(done, usage=writing.usage(done, self._meter, overruns=self._calls.overruns(request)))

    async def release(self, session: str) -> None:
        """Nothing is held."""

    def _rest(self, writing: Writing, worker: int) -> tuple[int, ...]:
        """How a worker's attempt goes on, its end included."""
        return writing.attempt(worker, self.spec.world)

    def _draw(self, request: Request, prompt_tokens: int) -> Completion:
        sampling, prompt = request.sampling, request.prompt
        self._check_context(prompt_tokens, sampling.max_tokens)
        place = self.spec.world.locate(prompt.messages, _generated(prompt))
        leaf = place.node.draw(sampling.temperature, sampling.top_p, request.seed)
        end, finish = _end(leaf.text[place.written :], sampling)
        tokens = leaf.tokens[place.written : place.written + end]
        logprobs = _logprobs(leaf, place.written, end) if sampling.logprobs else None
        ranks = sampling.top_logprobs
        sure = confidences(place.node, leaf, place.written, end, ranks) if ranks else None
        text = leaf.text[place.written : place.written + end]
        done = Completion(tokens, text, finish, Usage(), logprobs, confidences=sure)
        done = self._calls.distort(request, done)
        if done.logprobs is not None:
            done = replace(done, pieces=tuple(decode((token,)) for token in done.tokens))
        generated = sampling.max_tokens + 1 if self._calls.overruns(request) else len(done.tokens)
        cached = self._cached(prompt, prompt_tokens)
        return replace(done, usage=self._meter.generation(prompt_tokens, generated, cached, judging=request.is_judging))

    def _labelled(self, request: Request, prompt_tokens: int) -> Completion:
        self._check_context(prompt_tokens, 1)
        node = judged_node(self.spec.world, request.prompt.messages, _generated(request.prompt))
        chances = label_logprobs(request.labels, self._noisy(node))
        cached = self._cached(request.prompt, prompt_tokens)
        usage = self._meter.generation(prompt_tokens, 1, cached, judging=True)
        best = request.labels[chances.index(max(chances))]
        return Completion((best,), decode((best,)), Finish.TOTAL_LENGTH, usage, None, chances)

    def _rows(self, prompt: Prompt) -> tuple[tuple[float], ...]:
        text, world = _generated(prompt), self.spec.world
        ends = [i + 1 for i, character in enumerate(text) if character == "\n"]
        return tuple((self._noisy(world.locate(prompt.messages, text[:end]).node),) for end in ends)

    def _noisy(self, node: Step) -> float:
        if not self.spec.reward_noise:
            return node.value
        error = NormalDist().inv_cdf(uniform(node.key, "reward") or 0.5) * self.spec.reward_noise
        return logistic(logit(min(max(node.value, DOUBT), 1 - DOUBT)) + error)

    def _cached(self, prompt: Prompt, tokens: int) -> int:
        block = self.spec.cache_block
        return (tokens - 1) // block * block if block and (prompt.tokens or prompt.text) else 0

    def _check_context(self, prompt_tokens: int, max_tokens: int) -> None:
        check_fits(self.capabilities, prompt_tokens, max_tokens, "the simulated engine")

    async def _take_time(self, key: bytes, tokens: int = 0) -> None:
        spec = self.spec
        seconds = spec.latency_s + spec.token_latency_s * tokens
        seconds += spec.jitter_s * uniform(key, "jitter") if spec.jitter_s else 0.0
        if seconds:
            await asyncio.sleep(seconds)

    async def _tell(self, tokens: tuple[int, ...], watch: Watch) -> None:
        """Tell of each token when its time has passed; of all at once where they take none."""
        told = 0
        for count in range(1, len(tokens) + 1) if self.spec.token_latency_s else [len(tokens)]:
            if self.spec.token_latency_s:
                await asyncio.sleep(self.spec.token_latency_s)
            text = whole(tokens[:count])
            watch(Progress(count, text[told:]))
            told = len(text)


def _generated(prompt: Prompt) -> str:
    return decode(prompt.tokens or encode(prompt.text))


def _end(text: str, sampling: Sampling) -> tuple[int, Finish]:
    """How many of the tokens that spell `text` and its end are generated, and why no more.

    The stop string that is complete first wins, also where the length would end the text just there.
    """
    stop = stopped(text, len(text), sampling.stop)
    if stop is not None and stop <= sampling.max_tokens:
        return stop, Finish.STOP
    if sampling.max_tokens <= len(text):
        return sampling.max_tokens, Finish.TOTAL_LENGTH
    return len(text) + 1, Finish.EOS


def _logprobs(leaf: Step, start: int, count: int) -> tuple[float, ...]:
    """Of each token, in nats, at temperature 1: only the letters are uncertain."""
    values = [0.0] * len(leaf.tokens)
    at = -1
    for value in leaf.logprobs:
        at = leaf.text.index("\n", at + 1)
        values[at - 1] = value
    return tuple(values[start : start + count])
