"""What a client may send to ``/v1/completions``: everything is honoured or refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import wire
from .asked import refuse
from .in_chat import Words, names
from .refusal import Refusal

UNSCORED = "texts are written, not scored, so loglikelihood tasks of lm-eval cannot be run here, but generate_until can"
FIXED = "the pipeline fixes its penalties"

WORDS = Words(
    taken=names(
        "model prompt n best_of max_tokens temperature top_p stop seed stream stream_options logprobs",
        "reasoning_effort metadata user ponder",
    ),
    neutral={
        "echo": ((False,), UNSCORED),
        "frequency_penalty": ((0,), FIXED),
        "logit_bias": (({},), "the pipeline fixes its logits"),
        "presence_penalty": ((0,), FIXED),
        "suffix": (("",), "texts go on at their end alone"),
    },
    from_chat={"messages": "prompt"},
)


def read_request(data: Mapping[str, Any]) -> wire.ChatRequest:
    """The request in a parsed body: its prompt is one message of a user.

    Raises:
        Refusal: a parameter is missing, unknown, of a wrong type, out of range, or asks for what is not offered.
    """
    given = WORDS.given(data)
    logprobs = _tells_logprobs(given.pop("logprobs", None))
    prompt, best_of = _prompt(given.pop("prompt", None)), given.pop("best_of", None)
    try:
        asked = wire.read_request({**given, "logprobs": logprobs, "messages": [{"role": "user", "content": prompt}]})
    except Refusal as refusal:
        raise WORDS.told(refusal, ["prompt"]) from None
    if best_of is not None and (isinstance(best_of, bool) or best_of != asked.n):
        rule = "it must be n, because the pipeline fixes how many answers it chooses from; leave it out"
        raise refuse("best_of", rule, "unsupported_parameter")
    return asked


def _tells_logprobs(logprobs: Any) -> bool:
    if logprobs is None:
        return False
    if isinstance(logprobs, bool) or logprobs != 0:
        raise refuse("logprobs", f"it must be 0, for the tokens of the answer alone: {UNSCORED}", "unsupported_value")
    return True


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, list) and prompt and all(isinstance(each, str) for each in prompt):
        raise refuse("prompt", "it must be one text; send each in a request of its own (lm-eval: batch_size=1)")
    if isinstance(prompt, list) and prompt:
        raise refuse("prompt", "it must be a text, not tokens; send the text (lm-eval: tokenized_requests=False)")
    raise refuse("prompt", "it must be a text; send one")
