"""An attempt that has ended, as one that can go on."""

from __future__ import annotations

from dataclasses import replace

from .types import Candidate, Finish


def reopened(candidate: Candidate) -> Candidate:
    """The attempt without the end token that it generated, so that a text put after it still belongs to it.

    Its text and usage stay: the end token was paid for. One that has not ended by itself keeps its tokens.

    >>> ended = Candidate((7, 2), "a", Finish.EOS)
    >>> reopened(ended).tokens, reopened(ended).finish, reopened(ended).text
    ((7,), <Finish.STEP: 'step'>, 'a')
    """
    if candidate.finish is not Finish.EOS:
        return candidate.with_finish(Finish.STEP)
    return replace(
        candidate,
        tokens=candidate.tokens[:-1],
        finish=Finish.STEP,
        logprobs=candidate.logprobs and candidate.logprobs[:-1],
        confidences=candidate.confidences and candidate.confidences[:-1],
    )
