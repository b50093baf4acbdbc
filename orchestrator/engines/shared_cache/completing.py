"""Completing: an ordinary request is one worker on a chain of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...engine import LOWEST_LOGPROB, Completion, Progress, Request, Watch
from ...meter import Meter
from ...types import Finish
from ..chat_tokens import ChatTokens
from ..stop_strings import stopped
from ..vllm_output import cut_at_stop
from .advancing import read
from .batching import Batcher
from .row import Row
from .sampling import chance, draw
from .session import MOST_TOKENS
from .slab import Slab
from .spelling import Spelling


@dataclass(frozen=True, slots=True)
class Choice:
    """One drawn token, and what was asked of the distribution it comes from: the model's own, in nats.

    Args:
        confidence: minus the mean log-probability of the likeliest tokens.
        labels: the log-probabilities of the request's labels.
    """

    token: int
    logprob: float | None
    confidence: float | None
    labels: tuple[float, ...] | None


class Completing:
    """One request being drawn.

    Args:
        request: what is asked.
        ids: of its prompt.
        slab: an empty cache of one chain.
        chat: spells what is drawn.
        ends: the end-of-text tokens.
        watch: told of each token.
    """

    def __init__(
        self,
        request: Request,
        ids: Sequence[int],
        slab: Slab,
        chat: ChatTokens,
        *,
        ends: frozenset[int],
        watch: Watch | None = None,
    ) -> None:
        self._request, self._chat, self._ends, self._watch = request, chat, ends, watch
        self._slab, self._view = slab, (slab.new_block(),)
        self._spelling = Spelling(chat, ids)
        self._prompt = len(ids)
        self._ids = list(ids)
        self._choices: list[Choice] = []
        self._text = ""

    async def run(self, batcher: Batcher, meter: Meter) -> Completion:
        """Draw to the end."""
        while len(self._ids) > MOST_TOKENS:
            await read(batcher, [self._row(MOST_TOKENS, predicts=False)])
        while (finish := self._finish()) is None:
            choice = await batcher.compute([self._row(MOST_TOKENS)], self._chosen)
            self._choices.append(choice)
            self._ids.append(choice.token)
            new = "" if choice.token in self._ends else self._spelling.add((choice.token,))
            before, self._text = len(self._text), self._text + new
            self._text = self._text[: stopped(self._text, len(new), self._request.sampling.stop)]
            if self._watch is not None:
                self._watch(Progress(len(self._choices), self._text[before:]))
        return self._completion(finish, meter)

    def _row(self, most: int, predicts: bool = True) -> Row:
        """What is fed next, which is not waiting any more."""
        row = Row(self._slab, tuple(self._ids[:most]), self._view, predicts)
        del self._ids[:most]
        return row

    def _finish(self) -> Finish | None:
        """Why it ends here, if it does."""
        if not self._choices:
            return None
        if self._choices[-1].token in self._ends:
            return Finish.EOS
        sampling = self._request.sampling
        if self._text.endswith(sampling.stop):
            return Finish.STOP
        return Finish.TOTAL_LENGTH if len(self._choices) == sampling.max_tokens else None

    def _chosen(self, logits: Tensor) -> Choice:
        """The next token and what is told of it, from ``[1, vocabulary]`` logits."""
        sampling, i = self._request.sampling, len(self._choices)
        (token,) = draw(logits, [sampling], [chance(self._request.seed, i)])
        labels = self._request.labels if i == 0 else ()
        if not (sampling.logprobs or sampling.top_logprobs or labels):
            return Choice(token, None, None, None)
        told = torch.log_softmax(logits[0], dim=-1).clamp(min=LOWEST_LOGPROB)
        sure = -float(told.topk(sampling.top_logprobs).values.mean()) if sampling.top_logprobs else None
        asked = tuple(told[list(labels)].tolist()) if labels else None
        return Choice(token, float(told[token]) if sampling.logprobs else None, sure, asked)

    def _completion(self, finish: Finish, meter: Meter) -> Completion:
        request, choices = self._request, self._choices
        usage = meter.generation(self._prompt, len(choices), 0, judging=request.is_judging)
        ids = tuple(choice.token for choice in choices)
        logprobs = tuple(c.logprob for c in choices if c.logprob is not None) if request.sampling.logprobs else None
        if finish is Finish.STOP:
            ids, logprobs = cut_at_stop(ids, self._text, logprobs, self._chat)
        sure = tuple(c.confidence for c in choices if c.confidence is not None)
        confidences = sure if request.sampling.top_logprobs else None
        pieces = None if logprobs is None else self._chat.pieces(ids)
        return Completion(ids, self._text, finish, usage, logprobs, choices[0].labels, confidences, pieces)
