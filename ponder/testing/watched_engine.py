"""A simulated engine that is watched at work, and can be made to behave badly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..orchestrator.canonical import digest
from ..orchestrator.engine import Advance, Advanced, Capabilities, Completion, Prompt, Reading, Request, Watch
from ..orchestrator.engines.byte_vocabulary import END, decode, encode
from ..orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ..orchestrator.types import Finish, Message
from ..orchestrator.workspace import Opening
from .watched_calls import Watched

LIKELY = 0.9
IMAGE_TOKENS = 7


class WatchedEngine(SimulatedEngine):
    """A simulated engine that is watched."""

    def __init__(self, spec: SimulatedSpec, watched: Watched) -> None:
        super().__init__(spec)
        self._manner, self._seen, self._call = watched.manner, watched.seen, watched.call
        self._draws: Counter[bytes] = Counter()

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"image_tokens": IMAGE_TOKENS})

    async def count(self, prompt: Prompt) -> int:
        return await super().count(self._heard(prompt)) + IMAGE_TOKENS * len(prompt.images)

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        if self._manner.judge or self._manner.says:
            watch = None  # what is said instead may be shorter than what is drawn
        if request.is_judging:
            self._seen.judging.append(request.prompt.messages)
            self._seen.written += not request.labels
            async with self._call(request, "judging"):
                done = self._judged(request, await super().complete(self._asked(request), watch))
                self._seen.served += done.usage
                return done
        self._seen.prompts.append(request.prompt.messages)
        self._seen.samplings.append(request.sampling)
        async with self._call(request, "drawing"):
            done = self._judged(request, await super().complete(self._asked(request), watch))
            self._seen.served += done.usage
            self._seen.answered += 1
            is_sound = done.usage.completion_tokens <= request.sampling.max_tokens
            self._seen.attempts += is_sound and request.prompt.messages == self._seen.query.messages
            return done

    async def opened(self, opening: Opening) -> int:
        return await super().opened(self._heard_at_first(opening))

    async def advance(self, request: Advance) -> Advanced:
        opening = request.workspace.opening
        self._seen.prompts.append(opening.messages)
        self._seen.samplings += filter(None, request.samplings)
        async with self._call(request, "drawing"):
            done = await super().advance(self._heard_together(request))
            self._seen.served += done.usage + done.rebuilding
            self._seen.answered += 1
            most = sum(sampling.max_tokens for sampling in request.samplings if sampling is not None)
            is_sound = any(done.texts) and done.usage.completion_tokens <= most
            self._seen.attempts += is_sound and opening.messages == self._seen.query.messages
            return done

    async def read(self, prompt: Prompt) -> Reading:
        self._seen.judging.append(prompt.messages)
        async with self._call(prompt, "judging"):
            reading = await super().read(self._heard(prompt))
            if self._manner.reads:
                reading = Reading(tuple(map(tuple, self._manner.reads(prompt.text))), reading.usage)
            if self._manner.breaks == "judging":
                reading = Reading(tuple((math.nan,) * len(row) for row in reading.rows), reading.usage)
            self._seen.served += reading.usage
            return reading

    def _heard(self, prompt: Prompt) -> Prompt:
        """The prompt without what the engine is deaf to, and with the responses in it in an order of their own.

        Its salt goes too: it names the strategy's own place.
        """
        noise, judge, query = self._manner.deaf_to, self._manner.judge, self._seen.query
        messages = prompt.messages
        if noise:
            messages = tuple(m.model_copy(update={"content": m.content.replace(noise, "")}) for m in messages)
        if judge and len(shown := judge.shown(messages)) > 1:
            messages = (*query.messages, Message(role="user", content="\n".join(sorted(shown))))
        return replace(prompt, messages=messages, salt="")

    def _asked(self, request: Request) -> Request:
        """The request as it is heard; its seed, which holds the whole prompt, by what is heard alone."""
        if not self._manner.deaf_to and not self._manner.judge:
            return request
        heard = replace(request, prompt=self._heard(request.prompt), seed=0)
        key = digest(self.identity, heard)
        self._draws[key] += 1
        return replace(heard, seed=int.from_bytes(digest(key, self._draws[key])[:6], "big"))

    def _heard_at_first(self, opening: Opening) -> Opening:
        return replace(opening, messages=self._heard(Prompt(opening.messages)).messages)

    def _heard_together(self, request: Advance) -> Advance:
        """The advance as its conversation is heard, with seeds by what is heard alone."""
        if not self._manner.deaf_to and not self._manner.judge:
            return request
        opening = self._heard_at_first(request.workspace.opening)
        keys = [digest(self.identity, opening, worker) for worker in range(opening.workers)]
        seeds = tuple(int.from_bytes(key[:6], "big") for key in keys)
        return replace(request, workspace=replace(request.workspace, opening=opening), seeds=seeds)

    def _judged(self, request: Request, done: Completion) -> Completion:
        """The completion, or what a judge of this scene says instead."""
        manner, messages = self._manner, request.prompt.messages
        if request.labels and manner.breaks == "judging":
            return replace(done, label_logprobs=(math.nan,) * len(request.labels))
        if manner.says and request.is_judging:
            pictures = "".join(f"\n{digest(image).hex()}" for image in request.prompt.images)
            text = manner.says("\n".join(message.content for message in messages) + request.prompt.text + pictures)
            if request.labels:
                return replace(done, label_logprobs=likely(text, request.labels))
            return self._written(text, request, done)
        judge = manner.judge
        if request.labels or judge is None or judge.reply == "as drawn" or messages == self._seen.query.messages:
            return done
        return self._written(judge.says(judge.shown(messages)), request, done)

    def _written(self, text: str, request: Request, done: Completion) -> Completion:
        most = request.sampling.max_tokens
        tokens = (*encode(text), END)[:most]
        finish = Finish.EOS if tokens[-1] == END else Finish.TOTAL_LENGTH
        usage = self.meter.generation(
            done.usage.prompt_tokens, len(tokens), done.usage.cached_tokens, judging=request.is_judging
        )
        return Completion(tokens, decode(tokens), finish, usage)


def likely(text: str, labels: Sequence[int]) -> tuple[float, ...]:
    """The log-probabilities of labels where the one that `text` begins with is likely."""
    first = encode(text)[:1]
    return tuple(math.log(LIKELY if (label,) == first else (1 - LIKELY) / len(labels)) for label in labels)
