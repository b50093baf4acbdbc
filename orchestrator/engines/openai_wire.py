"""What goes over the wire to an OpenAI-compatible server, and what comes back: pure functions of bytes.

Shapes follow OpenAI's chat completions and completions; the optional fields are vLLM's (0.32), which SGLang and
others share in part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from ..engine import LOWEST_LOGPROB, Capabilities, Completion, Prompt, Reading, Request
from ..errors import EngineRefused, EngineUnavailable
from ..image_bytes import data_url
from ..meter import Meter
from ..sampling import Sampling
from ..tool_turns import of_tools
from ..types import Finish, Message, Usage
from .openai_calls import calls_in, told_calls

API = Literal["chat", "completions"]
Reads = Literal["pooling", "classify", "score"]
PLAIN = frozenset({"seed", "logprobs", "max_tokens", "response_format", "tools"})
NEEDED = frozenset({"logprobs", "logprob_token_ids", "continue_final_message", "response_format", "tools"})
"""Optional fields without which an answer would be another one."""
STREAMING = frozenset({"stream", "stream_options", "return_token_ids"})
"""Optional fields with which a stream counts its tokens, and tells what the whole cost."""
OPTIONAL = PLAIN | NEEDED | STREAMING | {"include_stop_str_in_output", "cache_salt"}
FINISHES = {
    "length": Finish.TOTAL_LENGTH,
    "abort": Finish.ABORTED,
    "repetition": Finish.REPETITION,
    "stop_sequence": Finish.STOP,
    "eos": Finish.EOS,
    "eos_token": Finish.EOS,
    "end_turn": Finish.EOS,
    "tool_calls": Finish.EOS,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a server understands.

    Args:
        api: the route that draws.
        fields: the optional request fields it takes; what it refuses once is not sent again.
        generates: whether it has that route.
        reads: the route that reads as a reward model: vLLM's ``/pooling``, ``/classify`` or ``/score``; None without.
        tokenizes: whether it has vLLM's ``/tokenize``.
        continues_ids: whether it continues token ids that it made itself.
    """

    api: API
    fields: frozenset[str] = PLAIN
    generates: bool = True
    reads: Reads | None = None
    tokenizes: bool = False
    continues_ids: bool = False

    def without(self, field: str) -> Dialect:
        return replace(self, fields=self.fields - {field})

    @property
    def streams(self) -> bool:
        return self.generates and self.fields >= STREAMING

    def capabilities(self, context_length: int, image_tokens: int = 0) -> Capabilities:
        """The same in the words of strategies."""
        takes = self.fields if self.generates else frozenset()
        return Capabilities(
            generate=self.generates,
            read=self.reads is not None,
            token_ids="return_token_ids" in takes,
            continue_prefix=self.generates
            and (self.api == "completions" or self.continues_ids or "continue_final_message" in takes),
            logprobs="logprobs" in takes,
            labels={"logprobs", "logprob_token_ids"} <= takes,
            seed="seed" in takes,
            context_length=context_length,
            exact_count=self.tokenizes,
            streams=self.streams,
            image_tokens=image_tokens if self.api == "chat" and self.generates else 0,
            structured=self.api == "chat" and "response_format" in takes,
            tools=self.api == "chat" and "tools" in takes,
        )


def body(
    request: Request, model: str, dialect: Dialect, ids: Sequence[int] = (), is_streamed: bool = False
) -> dict[str, Any]:
    """The request without its seed: all draws of one prompt share it.

    With `ids`, the prompt as token ids, it is one for the route ``completions``.

    Raises:
        EngineRefused: it needs a field that the server does not take.
    """
    sampling, is_chat = request.sampling, dialect.api == "chat" and not ids
    made: dict[str, Any] = {"model": model, **({"prompt": ids} if ids else _asked(request.prompt, dialect))}
    made["max_tokens" if "max_tokens" in dialect.fields else "max_completion_tokens"] = sampling.max_tokens
    made["temperature"] = sampling.temperature
    made["top_p"] = sampling.top_p
    if sampling.stop:
        made["stop"] = sampling.stop
        if "include_stop_str_in_output" in dialect.fields:
            made["include_stop_str_in_output"] = True
    if "return_token_ids" in dialect.fields:
        made["return_token_ids"] = True
    if request.prompt.salt and "cache_salt" in dialect.fields:
        made["cache_salt"] = request.prompt.salt
    if is_streamed:
        made |= {"stream": True, "stream_options": {"include_usage": True}}
    ranks = sampling.top_logprobs
    if sampling.logprobs or ranks or request.labels:
        made["logprobs"] = _needed(dialect, "logprobs", "log-probabilities", is_chat or ranks or 1)
    if ranks and is_chat:
        made["top_logprobs"] = ranks
    made |= _shaped(sampling, dialect)
    if request.labels:
        made["logprob_token_ids"] = _needed(dialect, "logprob_token_ids", "chosen log-probabilities", request.labels)
        made["return_tokens_as_token_ids"] = True
    return made


def reading_body(prompt: Prompt, model: str, route: Reads, ids: Sequence[int] = ()) -> dict[str, Any]:
    """The request to read a prompt with a reward model, or its `ids` where they are known; without a chat template
    where it holds no messages.

    Raises:
        EngineRefused: the route scores a question and a response, and there is no question.
    """
    made: dict[str, Any] = {"model": model}
    if route == "score":
        if not prompt.messages:
            raise EngineRefused("the route /score must have a question and a response; use /pooling, or a chat's card")
        return made | {"text_1": joined(prompt.messages), "text_2": prompt.text}
    if ids or not prompt.messages:
        return made | {"input": ids or prompt.text}
    turns = messages_of(prompt.messages)
    if prompt.text:
        turns.append({"role": "assistant", "content": prompt.text})
        made |= {"continue_final_message": True, "add_generation_prompt": False}
    return made | {"messages": turns}


def dumps(value: Mapping[str, Any]) -> bytes:
    """JSON.

    Raises:
        EngineRefused: a text is not valid Unicode.
    """
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise EngineRefused(f"a prompt must be valid Unicode, but: {error}; replace lone surrogates") from None


def completion(raw: bytes, request: Request, meter: Meter, prompt_bound: int) -> Completion:
    """The one completion in a server's answer.

    An answer without usage is charged at the bound: `prompt_bound` and every token that was allowed.

    Raises:
        EngineUnavailable: it is no such answer; what it cost is not known.
    """
    try:
        answer = orjson.loads(raw)
        choices = answer["choices"]
        if len(choices) != 1:
            raise EngineUnavailable(f"the server must answer one choice, got {len(choices)}")
        choice = choices[0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        calls = calls_in(choice.get("message", choice))
        text, finish = _ended(text or "", choice, request.sampling.stop)
        is_told = choice.get("logprobs") is not None or not calls
        return Completion(
            tuple(choice.get("token_ids") or ()),
            text,
            Finish.CALLED if calls and finish.is_complete else finish,
            _usage(answer.get("usage"), meter, prompt_bound, request),
            _chosen(choice) if request.sampling.logprobs and is_told else None,
            _labels(choice, request.labels) if request.labels else None,
            _confidences(choice, request.sampling.top_logprobs) if request.sampling.top_logprobs and is_told else None,
            _pieces(choice) if request.sampling.logprobs and not request.labels and is_told else None,
            calls,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise broken(raw, error) from None


def reading(raw: bytes, route: Reads, meter: Meter, prompt_bound: int) -> Reading:
    """The rows in a route's answer: one a step mark, or one for the whole where that is what the model gives.

    Raises:
        EngineUnavailable: it is no such answer.
    """
    try:
        answer = orjson.loads(raw)
        values = tuple(tuple(map(float, row)) for row in _rows(answer["data"][0], route))
        if not all(math.isfinite(value) for row in values for value in row):
            raise ValueError("a value is not finite")
        counted = answer.get("usage")
        tokens = _count(counted["prompt_tokens"]) if counted else prompt_bound
        return Reading(values, meter.reading(tokens, _cached(counted or {}, tokens)))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise broken(raw, error) from None


def _rows(told: Mapping[str, Any], route: Reads) -> list[list[float]]:
    if route == "classify":
        return [told["probs"]]
    if route == "score":
        return [[told["score"]]]
    rows = told["data"]
    return rows if not rows or isinstance(rows[0], list) else [rows]


def broken(raw: bytes, error: Exception) -> EngineUnavailable:
    """The error for an answer that cannot be understood."""
    start = raw[:80].decode("utf-8", "replace")
    return EngineUnavailable(f"the server must answer as OpenAI's does, but got {start!r} ({type(error).__name__})")


def _asked(prompt: Prompt, dialect: Dialect) -> dict[str, Any]:
    if dialect.api == "completions":
        if prompt.images:
            raise EngineRefused('images must be shown in a chat, but the route is completions; set api = "chat"')
        return {"prompt": joined(prompt.messages) + prompt.text}
    if not prompt.messages:
        raise EngineRefused('a text without messages must be continued by completions; set api = "completions"')
    messages = messages_of(prompt.messages)
    if prompt.images:
        messages[-1]["content"] = _parts(prompt)
    if not prompt.text:
        return {"messages": messages}
    messages.append({"role": "assistant", "content": prompt.text})
    goes_on = _needed(dialect, "continue_final_message", "continuing a text", True)
    return {"messages": messages, "continue_final_message": goes_on, "add_generation_prompt": False}


def _shaped(sampling: Sampling, dialect: Dialect) -> dict[str, Any]:
    """What must be said of the form of an answer, and of tools that it may call."""
    made: dict[str, Any] = {}
    if sampling.json_schema is not None:
        made["response_format"] = _needed(dialect, "response_format", "a form", _form(sampling.json_schema))
    if sampling.tools is not None:
        made |= _needed(dialect, "tools", "calls of tools", orjson.loads(sampling.tools))
    return made


def _form(schema: str) -> dict[str, Any]:
    """A schema as servers take it; that of any object is theirs to know."""
    form = orjson.loads(schema)
    if form == {"type": "object"}:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form, "strict": True}}


def joined(messages: Sequence[Message]) -> str:
    """A conversation as one text, an empty line between its turns."""
    return "\n\n".join(message.content for message in messages)


def messages_of(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """A conversation as the wire has it."""
    return [
        {"role": message.role, "content": message.content, **(told_calls(message) if of_tools(message) else {})}
        for message in messages
    ]


def _parts(prompt: Prompt) -> list[dict[str, Any]]:
    """The last message of a prompt, and its images after it."""
    shown = [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in prompt.images]
    return [{"type": "text", "text": prompt.messages[-1].content}, *shown]


def _needed(dialect: Dialect, field: str, purpose: str, value: Any) -> Any:
    if field not in dialect.fields:
        raise EngineRefused(
            f"{purpose} must be had from the server by its field {field!r}, which it does not take; "
            "use a server that does, such as vLLM, or a strategy that does without"
        )
    return value


def _ended(text: str, choice: Mapping[str, Any], stops: Sequence[str]) -> tuple[str, Finish]:
    """The text, its stop string included where it is known, and why it ends."""
    reason, by = choice["finish_reason"], choice.get("stop_reason")
    if reason != "stop":
        return text, FINISHES.get(reason, Finish.ERROR)
    if isinstance(by, str):
        return (text if text.endswith(by) else text + by), Finish.STOP
    return text, Finish.STOP if stops and text.endswith(tuple(stops)) else Finish.EOS


def _usage(counted: Any, meter: Meter, prompt_bound: int, request: Request) -> Usage:
    is_judging = request.is_judging
    if not counted:
        return meter.generation(prompt_bound, request.sampling.max_tokens, judging=is_judging)
    prompt = _count(counted["prompt_tokens"])
    generated = _count(counted["completion_tokens"])
    return meter.generation(prompt, generated, _cached(counted, prompt), judging=is_judging)


def _cached(counted: Mapping[str, Any], prompt: int) -> int:
    details = counted.get("prompt_tokens_details")
    return min(prompt, _count(details.get("cached_tokens") or 0)) if details else 0


def _count(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    raise ValueError(f"a token count must be a whole number, got {value!r}")


def _chosen(choice: Mapping[str, Any]) -> tuple[float, ...]:
    listed = choice["logprobs"]
    if "content" in listed:
        return tuple(_finite(each["logprob"]) for each in listed["content"] or ())
    return tuple(map(_finite, listed["token_logprobs"]))


def _pieces(choice: Mapping[str, Any]) -> tuple[str, ...]:
    listed = choice["logprobs"]
    return tuple(each["token"] for each in listed["content"] or ()) if "content" in listed else tuple(listed["tokens"])


def _confidences(choice: Mapping[str, Any], ranks: int) -> tuple[float, ...]:
    """Of each token; a server may list the chosen token beside the likeliest `ranks`, which is left out."""
    listed = choice["logprobs"]
    if "content" in listed:
        positions = [[_finite(each["logprob"]) for each in token["top_logprobs"]] for token in listed["content"] or ()]
    else:
        positions = [list(map(_finite, position.values())) for position in listed["top_logprobs"]]
    ranked = [sorted(position, reverse=True)[:ranks] for position in positions]
    return tuple(-sum(position) / len(position) for position in ranked)


def _labels(choice: Mapping[str, Any], labels: Sequence[int]) -> tuple[float, ...]:
    listed = choice["logprobs"]
    if "content" in listed:
        first = {each["token"]: each["logprob"] for each in listed["content"][0]["top_logprobs"]}
    else:
        first = listed["top_logprobs"][0]
    return tuple(_finite(first[f"token_id:{label}"]) for label in labels)


def _finite(logprob: float | None) -> float:
    """A log-probability; null is how servers write minus infinity."""
    return LOWEST_LOGPROB if logprob is None else max(LOWEST_LOGPROB, float(logprob))
