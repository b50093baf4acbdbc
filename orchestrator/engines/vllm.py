"""The vLLM engine: one model, generating or reading, in a process of its own on this machine.

Written on `vllm.v1.engine.async_llm.AsyncLLM` of vLLM 0.32 and 0.33. Continuous batching, chunked prefill and prefix
caching are vLLM's own. A seed gives the same text again alone and in company as far as the arithmetic allows: a batch
of another size may round the last bit otherwise, so vLLM's draws are reproduced from the journal, not drawn again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from ..canonical import stable_id
from ..engine import Capabilities, Completion, Engine, EngineSpec, Prompt, Reading, Request, Watch, check_fits
from ..errors import EngineRefused, EngineUnavailable
from ..meter import Meter
from . import vllm_process
from .chat_tokens import ChatTokens
from .vllm_model import ModelFiles, is_cpu_build
from .vllm_output import completion, pooling_params, sampling_params, teller
from .vllm_process import Core, Launch

GIB = 1 << 30
FORMS = {"backend": "guidance", "disable_any_whitespace": True}
"""The backend that refuses what it cannot hold to (others generate freely there); small models fill spaces forever."""
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class VLLMSpec(EngineSpec):
    """A model run by vLLM in a process of its own on this machine.

    Args:
        model: a folder, an embedded name such as ``abacus-generator``, or a name on the hub.
        revision: of a model on the hub.
        runner: ``generate`` draws text; ``pooling`` reads it as a reward model.
        step_mark: the token id after which a process reward model is read; by default the ``step_mark`` of the
            model's config.json, or what is known of an embedded model. A reward model without one is read once.
        dtype: of weights and arithmetic; ``auto`` is float32 on CPU, the model's own on GPU.
        max_num_seqs: most requests computed together.
        max_model_len: longest context in tokens; by default the model's own.
        block_size: tokens a block of the prefix cache; by default 32 on CPU, vLLM's own on GPU.
        kv_cache_gib: memory of the key-value cache; by default 1 on CPU, vLLM's own on GPU.
        threads: processor threads on CPU; more than one is rarely worth it for small models.
        core: the first processor core to bind those threads to; None binds none.
        tensor_parallel: GPUs (on CPU: processes) to split the model over.
        gpu_memory_utilization: the share of GPU memory vLLM may take.
        extra: further arguments of vLLM's `AsyncEngineArgs`.
        stall_timeout_s: seconds without any progress after which a busy engine is replaced.
    """

    kind: Literal["vllm"] = "vllm"
    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    runner: Literal["generate", "pooling"] = "generate"
    step_mark: Annotated[int, Field(ge=0)] | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    max_num_seqs: Annotated[int, Field(ge=1, le=65536)] = 256
    max_model_len: Annotated[int, Field(ge=1)] | None = None
    block_size: Annotated[int, Field(ge=1)] | None = None
    kv_cache_gib: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    threads: Annotated[int, Field(ge=1)] = 1
    core: Annotated[int, Field(ge=0)] | None = None
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] | None = None
    extra: Mapping[str, Any] = {}
    stall_timeout_s: Seconds = 120.0

    def open(self) -> Engine:
        """The engine, not started yet."""
        return VLLMEngine(self)

    def resources(self) -> dict[str, float]:
        """Its processor threads on CPU, its GPUs otherwise."""
        if is_cpu_build():
            return {"num_cpus": self.threads * self.tensor_parallel}
        return {"num_cpus": 1, "num_gpus": self.tensor_parallel}


class VLLMEngine:
    """vLLM in a process of its own; replaces that process when it dies or stalls.

    Use it from one event loop. A call in flight when the process dies raises `EngineUnavailable`; the next call waits
    for the new process.
    """

    def __init__(self, spec: VLLMSpec) -> None:
        self.spec = spec
        self._files = ModelFiles(spec.model, spec.revision)
        self._core: Core | None = None
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._names = map(str, itertools.count())
        self._finished = 0
        self._is_closed = False

    @cached_property
    def identity(self) -> str:
        """The model, its weights and whatever else changes what is drawn or read."""
        spec = self.spec
        rest = (spec.runner, self._step_mark, spec.dtype, spec.extra)
        return f"vllm:{self._files.fingerprint}:{stable_id(rest)}"

    @cached_property
    def capabilities(self) -> Capabilities:
        generates = self.spec.runner == "generate"
        return Capabilities(
            generate=generates,
            read=not generates,
            token_ids=generates,
            continue_prefix=True,
            logprobs=generates,
            labels=generates,
            seed=generates,
            context_length=self.spec.max_model_len or self._files.context_length,
            tokenizer=self._files.tokenizer,
            streams=generates,
            structured=generates,
        )

    @cached_property
    def meter(self) -> Meter:
        return self.spec.metered(self._files.shape)

    async def start(self) -> None:
        """Start the process and wait until it is ready; a second call does nothing.

        Raises:
            EngineRefused: vLLM is not installed, the model is not there, or vLLM will never run it.
            EngineUnavailable: the process failed to start, or not in time.
        """
        await self._running()

    async def close(self) -> None:
        """Stop the process and wait until it is gone."""
        self._is_closed = True
        async with self._starting:
            if self._watching is not None:
                self._watching.cancel()
            if self._core is not None:
                self._retire(self._core)
            await asyncio.gather(*self._closing)

    async def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt, exactly."""
        return len(self._ids(prompt, await self._chat()))

    async def encode(self, text: str) -> tuple[int, ...]:
        """The ids of a text that continues something; none where the engine reads."""
        return tuple((await self._chat()).encode(text)) if self.capabilities.token_ids else ()

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        """Draw one completion.

        Raises:
            EngineUnavailable: the process died, stalled or is too busy.
            EngineRefused: it is too long, or not what this engine does.
        """
        self._check(self.capabilities.generate, "generate text", "generate")
        chat = await self._chat()
        ids = self._ids(request.prompt, chat)
        check_fits(self.capabilities, len(ids), request.sampling.max_tokens, self.identity)

        def send(llm: Any, name: str) -> Any:
            return llm.generate(_input(ids, request.prompt), sampling_params(request, watch is not None), name)

        output = await self._final(send, teller(watch) if watch is not None else None)
        return completion(output, request, self.meter, chat)

    async def read(self, prompt: Prompt) -> Reading:
        """Read a prompt: the probability of each label at each step mark after the conversation.

        Raises:
            EngineUnavailable: the process died, stalled or is too busy.
            EngineRefused: it is too long, or this engine does not read.
        """
        self._check(self.capabilities.read, "read as a reward model", "pooling")
        chat = await self._chat()
        ids = self._ids(prompt, chat)
        check_fits(self.capabilities, len(ids), 0, self.identity)

        def send(llm: Any, name: str) -> Any:
            return llm.encode(_input(ids, prompt), pooling_params(self._task), name)

        output = await self._final(send)
        usage = self.meter.reading(len(output.prompt_token_ids), output.num_cached_tokens or 0)
        rows = output.outputs.data.reshape(-1, output.outputs.data.shape[-1])
        skipped = chat.conversation(prompt.messages).count(self._step_mark) if self._step_mark is not None else 0
        return Reading(tuple(tuple(map(float, row)) for row in rows[skipped:]), usage)

    @cached_property
    def _step_mark(self) -> int | None:
        """The token id after which steps are read; None where the runner generates or reads once."""
        if self.spec.runner == "generate":
            return None
        return self._files.step_mark if self.spec.step_mark is None else self.spec.step_mark

    @property
    def _task(self) -> Literal["classify", "token_classify"]:
        return "classify" if self._step_mark is None else "token_classify"

    async def _chat(self) -> ChatTokens:
        if "_loaded_chat" not in self.__dict__:
            await asyncio.to_thread(lambda: self._loaded_chat)
        return self._loaded_chat

    @cached_property
    def _loaded_chat(self) -> ChatTokens:
        return ChatTokens.of(self._files)

    def _ids(self, prompt: Prompt, chat: ChatTokens) -> list[int]:
        """The token ids of a prompt. A reward model reads the text: its vocabulary need not be the generator's."""
        return chat.prompt(prompt) if self.spec.runner == "generate" else chat.reading(prompt, self._step_mark)

    def _check(self, can: bool, what: str, runner: str) -> None:
        if not can:
            raise EngineRefused(f"{self.identity} must have runner {runner!r} to {what}, got {self.spec.runner!r}")

    async def _final(
        self, send: Callable[[Any, str], AsyncGenerator[Any, None]], tell: Callable[[Any], None] | None = None
    ) -> Any:
        """The last output of one request, after `tell` heard of each; cancelling the call aborts it."""
        core = await self._running()
        final = None
        try:
            async with contextlib.aclosing(send(core.llm, next(self._names))) as outputs:
                async for final in outputs:
                    if tell is not None:
                        tell(final)
        except Exception as error:
            raise self._explained(error, core) from error
        self._finished += 1
        if final is None:
            raise EngineUnavailable(f"{self.identity} ended a request without an answer")
        return final

    def _explained(self, error: Exception, core: Core) -> EngineRefused | EngineUnavailable:
        from vllm.exceptions import GracefulHTTPError, VLLMClientError

        if isinstance(error, VLLMClientError):
            return EngineRefused(f"vLLM refuses the request: {error}")
        if isinstance(error, GracefulHTTPError):
            return EngineUnavailable(f"vLLM is too busy: {error}", is_free=True)
        if core.is_dead:
            why = core.last_words() or "it ended without a word"
            self._retire(core)
            return EngineUnavailable(f"vLLM's process for {self.spec.model!r} died and is being replaced: {why}")
        return EngineUnavailable(f"vLLM failed on the request: {error.__cause__ or error}")

    async def _running(self) -> Core:
        """A live core, started if need be: by one caller, while the others wait."""
        if self._core is not None and not self._core.is_dead:
            return self._core
        async with self._starting:
            if self._is_closed:
                raise EngineRefused(f"engine {self.spec.model!r} must be open, but was closed; open a new one")
            if self._core is not None and self._core.is_dead:
                self._retire(self._core)
            if self._core is None:
                self._core = await self._begun()
                self._watching = self._watching or asyncio.create_task(self._watch())
            return self._core

    async def _begun(self) -> Core:
        """A new core that has computed its first token: what it cannot do shows at the start, not in the first draw."""
        core = await vllm_process.start(self._launch())
        from vllm import SamplingParams
        from vllm.inputs import tokens_input

        try:
            async with asyncio.timeout(self.spec.start_timeout_s):
                if self.capabilities.generate:
                    outputs = core.llm.generate(tokens_input([0]), SamplingParams(max_tokens=1), "first")
                else:
                    outputs = core.llm.encode(tokens_input([0]), pooling_params(self._task), "first")
                async for _ in outputs:
                    pass
        except BaseException as error:
            why = core.last_words() or str(error)
            await core.close()
            if isinstance(error, Exception):
                raise EngineRefused(f"vLLM cannot compute a first token of {self.spec.model!r}: {why}") from error
            raise
        return core

    def _retire(self, core: Core) -> None:
        """Close a core in the background; once."""
        if self._core is core:
            self._core = None
            core.fail_pending()
            task = asyncio.create_task(core.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _watch(self) -> None:
        """Kill a core that has work and shows no progress: a token, or an answer."""
        last, patience = None, self.spec.stall_timeout_s
        while True:
            await asyncio.sleep(self.spec.stall_timeout_s / 4)
            if self._core is None or not self._core.llm.get_num_unfinished_requests():
                last, patience = None, self.spec.stall_timeout_s
                continue
            states = self._core.llm.output_processor.request_states.values()
            tokens = sum(state.detokenizer.num_output_tokens() for state in states if state.detokenizer)
            now = (id(self._core), self._finished, tokens)
            patience = self.spec.stall_timeout_s if now != last else patience - self.spec.stall_timeout_s / 4
            last = now
            if patience <= 0:
                self._core.kill()

    def _launch(self) -> Launch:
        """How to start vLLM for this spec on the build that is installed."""
        spec = self.spec
        arguments: dict[str, Any] = {
            "model": self._files.source,
            "revision": spec.revision,
            "runner": spec.runner,
            "dtype": spec.dtype,
            "max_num_seqs": spec.max_num_seqs,
            "max_model_len": self.capabilities.context_length,
            "tensor_parallel_size": spec.tensor_parallel,
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
        }
        if spec.runner == "generate":
            arguments["structured_outputs_config"] = FORMS
        else:
            steps = {"tok_pooling_type": "STEP", "step_tag_id": self._step_mark}
            arguments["pooler_config"] = {"task": self._task, **({} if self._step_mark is None else steps)}
        if spec.block_size is not None:
            arguments["block_size"] = spec.block_size
        if spec.gpu_memory_utilization is not None:
            arguments["gpu_memory_utilization"] = spec.gpu_memory_utilization
        if spec.kv_cache_gib is not None:
            arguments["kv_cache_memory_bytes"] = int(spec.kv_cache_gib * GIB)
        if not is_cpu_build():
            return Launch({**arguments, **spec.extra}, {}, {}, spec.start_timeout_s)
        return self._on_cpu(arguments)

    def _on_cpu(self, arguments: dict[str, Any]) -> Launch:
        spec = self.spec
        defaults = {"block_size": 32, "kv_cache_memory_bytes": GIB, "enforce_eager": True}
        if spec.runner == "generate":  # on CPU vLLM dies of a prompt computed in two steps whose request has a seed
            defaults["enable_chunked_prefill"] = False
        arguments = {**defaults, **arguments, "dtype": "float32" if spec.dtype == "auto" else spec.dtype}
        parent = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
        child = {"OMP_NUM_THREADS": str(spec.threads)}
        if spec.tensor_parallel > 1:
            arguments["distributed_executor_backend"] = "mp"
        if spec.core is not None:
            first = range(spec.core, spec.core + spec.threads * spec.tensor_parallel, spec.threads)
            ranks = [range(start, start + spec.threads) for start in first]
            child["GOMP_CPU_AFFINITY"] = " ".join(map(str, ranks[0]))
            parent["VLLM_CPU_OMP_THREADS_BIND"] = "|".join(",".join(map(str, rank)) for rank in ranks)
        return Launch({**arguments, **spec.extra}, parent, child, spec.start_timeout_s)


def _input(ids: list[int], prompt: Prompt) -> Any:
    from vllm.inputs import tokens_input

    return tokens_input(ids, cache_salt=prompt.salt or None)
