"""Between our requests and vLLM's: sampling parameters one way, completions and readings the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..engine import LOWEST_LOGPROB, Completion, Progress, Request, Watch
from ..errors import EngineUnavailable
from ..meter import Meter
from ..types import Finish
from .chat_tokens import ChatTokens

FINISHES = {"length": Finish.TOTAL_LENGTH, "abort": Finish.ABORTED, "repetition": Finish.REPETITION}


def sampling_params(request: Request, is_watched: bool = False) -> Any:
    """vLLM's `SamplingParams` for one draw; one that is watched gives an output whenever it has come further.

    Stop strings stay in the text. The log-probabilities are of the model itself, before temperature and nucleus.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling = request.sampling
    return SamplingParams(
        n=1,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=request.seed,
        stop=list(sampling.stop) or None,
        include_stop_str_in_output=True,
        logprobs=_ranks(request),
        logprob_token_ids=list(request.labels) or None,
        output_kind=RequestOutputKind.CUMULATIVE if is_watched else RequestOutputKind.FINAL_ONLY,
        structured_outputs=_form(sampling.json_schema),
        skip_clone=True,
    )


def _form(schema: str | None) -> Any:
    if schema is None:
        return None
    from vllm.sampling_params import StructuredOutputsParams

    return StructuredOutputsParams(json=schema)


def _ranks(request: Request) -> int | None:
    sampling = request.sampling
    is_wanted = (sampling.logprobs or sampling.top_logprobs) and not request.labels
    return sampling.top_logprobs if is_wanted else None


def pooling_params(task: str) -> Any:
    """vLLM's `PoolingParams` for one reading, as probabilities."""
    from vllm import PoolingParams

    return PoolingParams(task=task, use_activation=True)


def teller(watch: Watch) -> Callable[[Any], None]:
    """Tells a watch what each cumulative output of one request adds."""
    told = 0

    def tell(output: Any) -> None:
        nonlocal told
        made = output.outputs[0]
        watch(Progress(len(made.token_ids), made.text[told:]))
        told = len(made.text)

    return tell


def completion(output: Any, request: Request, meter: Meter, chat: ChatTokens) -> Completion:
    """The completion in vLLM's final output of one request.

    Raises:
        EngineUnavailable: vLLM reports that the request failed.
    """
    made = output.outputs[0]
    finish = finish_of(made.finish_reason, made.stop_reason)
    if finish is Finish.ERROR:
        raise EngineUnavailable("vLLM reports that the request failed inside the engine")
    ids = tuple(made.token_ids)
    prompt, cached = len(output.prompt_token_ids), output.num_cached_tokens or 0
    usage = meter.generation(prompt, len(ids), cached, judging=request.is_judging)
    chosen = chosen_logprobs(ids, made.logprobs) if request.sampling.logprobs else None
    ranks = request.sampling.top_logprobs
    sure = tuple(confidence(position, ranks) for position in made.logprobs) if ranks and made.logprobs else None
    labels = None
    if request.labels and made.logprobs:
        labels = chosen_logprobs(request.labels, [made.logprobs[0]] * len(request.labels))
    if finish is Finish.STOP:
        ids, chosen = cut_at_stop(ids, made.text, chosen, chat)
    pieces = None if chosen is None else chat.pieces(ids)
    return Completion(ids, made.text, finish, usage, chosen, labels, sure, pieces)


def finish_of(reason: str | None, stop: int | str | None) -> Finish:
    """Why a generation ended.

    >>> finish_of("stop", 2), finish_of("stop", None), finish_of("stop", "END")
    (<Finish.EOS: 'eos'>, <Finish.EOS: 'eos'>, <Finish.STOP: 'stop'>)
    """
    if reason == "stop":
        return Finish.STOP if isinstance(stop, str) else Finish.EOS
    return FINISHES.get(reason or "", Finish.ERROR)


def chosen_logprobs(ids: tuple[int, ...], positions: Any) -> tuple[float, ...]:
    """The log-probability of each chosen token."""
    return tuple(_finite(position[token].logprob) for token, position in zip(ids, positions, strict=True))


def _finite(logprob: float) -> float:
    return max(LOWEST_LOGPROB, logprob)


def confidence(position: Any, ranks: int) -> float:
    """Minus the mean log-probability of the `ranks` likeliest tokens; vLLM adds the chosen one, which is left out."""
    ranked: list[float] = [_finite(each.logprob) for each in position.values() if each.rank <= ranks]
    return -sum(ranked) / len(ranked)


def cut_at_stop(
    ids: tuple[int, ...], text: str, logprobs: tuple[float, ...] | None, chat: ChatTokens
) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
    """The ids whose text is `text`, where a stop string ended it in the middle of the last token.

    What is left of that token is encoded afresh. Its log-probability goes to the first of the new ids and the others
    get zero, so that the sum is still that of what was sampled.
    """
    full = chat.decode(list(ids))
    if len(full) <= len(text) or not full.startswith(text):
        return ids, logprobs
    kept = len(ids) - 1
    while kept and not text.startswith(chat.decode(list(ids[:kept]))):
        kept -= 1
    tail = chat.encode(text[len(chat.decode(list(ids[:kept]))) :]) if kept else chat.encode(text)
    cut = (*ids[:kept], *tail)
    if logprobs is None:
        return cut, None
    return cut, (*logprobs[:kept], *_spread(sum(logprobs[kept:]), len(tail)))


def _spread(total: float, count: int) -> tuple[float, ...]:
    return (total, *[0.0] * (count - 1)) if count else ()
