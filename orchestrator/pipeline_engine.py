"""A pipeline as an engine: what one strategy draws is what a whole pipeline answers.

Each draw is a run of the inner pipeline, on engines of its own, with the draw's seed. It pays from what the draw has
reserved, which is the most that such a run may cost (see `pipeline_meter`), so that no budget is overrun in any
dimension, and its usage is all that the run has spent. Whoever draws sees one draw: its text, and what it cost. The
journal records just that: what happened within is not shared with other draws, and a run that was cut off begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import model_validator

from .budget import Budget
from .canonical import stable_id
from .engine import (
    FREE,
    Capabilities,
    Completion,
    Engine,
    EngineSpec,
    Facts,
    Prompt,
    Reading,
    Request,
    Sampling,
    check_form,
)
from .errors import BudgetExceeded, EngineRefused, EngineUnavailable, UsageError
from .journal import Retries
from .meter import Meter
from .parts import needing_reference
from .pipeline import Pipeline
from .pipeline_meter import PipelineMeter, as_judgement
from .plan import Plan
from .recent import Recent
from .redrawn import redrawn, writers
from .resources import taken_together
from .runtime import Done, Runtime, Task
from .shape import Shape
from .types import COUNTS, Candidate, Finish, Query, Usage

KNOBS = frozenset({"temperature", "top_p", "stop", "json_schema"})
"""What a request may change of the draws within, beside their length."""


class PipelineEngineSpec(EngineSpec):
    """A pipeline that stands in for a model: each draw is the best answer of one run of it.

    Args:
        pipeline: what runs, with engines of its own.
        budget: hard limits of each run; where they end it, the best answer so far is drawn. None by default: the most
            that the pipeline may cost is reserved for each draw.
        max_in_flight: most runs at once.
    """

    kind: Literal["pipeline"] = "pipeline"
    pipeline: Pipeline
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _writes_alone(self) -> Self:
        self.pipeline.check()
        name = self.pipeline.name
        if self.prompt_price or self.cached_price or self.completion_price:
            raise UsageError(f"the prices of pipeline {name!r} must be those of its own engines; name them there")
        made = self.pipeline.infer(Shape(), Plan())
        if made.medium != "text" or made.is_empty:
            what = f"makes {made.medium}s" if made.most else "draws nothing"
            raise UsageError(f"a pipeline must write text to be an engine, but {name!r} {what}; use another")
        if (verifier := needing_reference(self.pipeline)) is not None:
            raise UsageError(
                f"a pipeline must judge without a reference answer to be an engine, but {name!r} uses "
                f"{verifier.name!r}, which needs one; judge with a reward model or by vote"
            )
        return self

    def open(self) -> PipelineEngine:
        """The engine, not started yet."""
        return PipelineEngine(self)

    def resources(self) -> dict[str, float]:
        """What its engines take together: they run where it runs."""
        return taken_together(self.pipeline.engines.values())


class PipelineEngine:
    """The engine of a `PipelineEngineSpec`.

    A temperature and a nucleus mass of 1 leave the pipeline's draws as they are; others take the place of those of its
    strategies, judges apart, as a request to a server does. Stop strings are added to theirs, and `max_tokens` caps
    them. What a strategy of the pipeline cannot follow is refused.

    Args:
        spec: which pipeline.
        retries: how its calls that fail for a time are sent again.
    """

    def __init__(self, spec: PipelineEngineSpec, retries: Retries = Retries()) -> None:
        self.spec = spec
        self._runtime = Runtime(spec.pipeline.engines, retries=retries)
        self._is_started = False
        self._redrawn = Recent[Pipeline]()
        self._learn()

    @property
    def engines(self) -> Mapping[str, Engine]:
        """Those of the pipeline, by name."""
        return self._runtime.engines

    async def start(self) -> None:
        """Start the pipeline's engines; a second call does nothing."""
        if not self._is_started:
            await self._runtime.__aenter__()
            self._is_started = True
            self._learn()

    async def close(self) -> None:
        """Stop them."""
        if self._is_started:
            self._is_started = False
            await self._runtime.__aexit__()

    async def count(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt on the engine that makes most of it."""
        return max([await engine.count(prompt) for engine in self.engines.values()])

    async def encode(self, text: str) -> tuple[int, ...]:
        """None: it shows no ids."""
        return ()

    async def complete(self, request: Request) -> Completion:
        """Run the pipeline on the prompt.

        Raises:
            EngineUnavailable: no answer, but another try may find one: its engines were away, or time ran out.
            EngineRefused: the pipeline cannot answer so, or an engine of it refuses.
        """
        pipeline = self._as_asked(request)
        bound = self.meter.generation(await self.count(request.prompt), request.sampling.max_tokens)
        messages = request.prompt.messages
        query = Query(id=stable_id(messages), messages=messages, images=request.prompt.images)
        task = Task(id=query.id, strategy=pipeline, query=query, budget=self.spec.budget, seed=request.seed)
        try:
            done = await self._runtime.execute(task, _lease(bound, self.spec.budget))
        except BudgetExceeded as error:
            short = f"the budget of pipeline {pipeline.name!r} must pay for one attempt, but: {error}"
            raise EngineRefused(short) from None
        spent = _spent(done, bound)
        return _completion(_best(done, pipeline.name), as_judgement(spent) if request.is_judging else spent)

    async def read(self, prompt: Prompt) -> Reading:
        """Refused: it writes."""
        raise EngineRefused(f"pipeline {self.spec.pipeline.name!r} writes text and reads none; use a reward model")

    def _learn(self) -> None:
        """What the engines are, as far as they know by now."""
        spec, engines = self.spec, self.engines
        facts = {name: Facts(e.identity, e.capabilities, e.meter) for name, e in engines.items()}
        identities = {name: fact.identity for name, fact in facts.items()}
        self.identity = "pipeline:" + stable_id((spec.pipeline.nodes, spec.budget, identities))
        self.capabilities = _capabilities(spec.pipeline, {name: fact.capabilities for name, fact in facts.items()})
        self.meter: Meter = PipelineMeter(pipeline=spec.pipeline, engines=facts, budget=spec.budget)

    def _as_asked(self, request: Request) -> Pipeline:
        """The pipeline, drawing as a request asks.

        Raises:
            EngineRefused: it cannot.
        """
        self._check(request)
        pipeline, sampling = self.spec.pipeline, request.sampling
        try:
            return self._redrawn.get(pipeline, sampling, lambda: _drawing(pipeline, sampling))
        except UsageError as error:
            raise EngineRefused(f"pipeline {pipeline.name!r} cannot draw so: {error}") from None

    def _check(self, request: Request) -> None:
        """Refuse what only a single model can do."""
        prompt, sampling = request.prompt, request.sampling
        asked = {
            "continue a text": prompt.text or prompt.tokens,
            "tell probabilities": request.labels or sampling.logprobs or sampling.top_logprobs,
        }
        check_form(self.capabilities, sampling, self.spec.pipeline.name)
        if not self._is_started:
            raise EngineRefused(f"engine {self.identity!r} must be started before it is asked; await its start first")
        if wanted := [what for what, given in asked.items() if given]:
            name = self.spec.pipeline.name
            raise EngineRefused(f"pipeline {name!r} cannot {wanted[0]}; ask an engine that is a model")


def _capabilities(pipeline: Pipeline, engines: Mapping[str, Capabilities]) -> Capabilities:
    """It writes, and no more: a text of several draws has no token ids and no log-probabilities."""
    known = engines.values()
    tokenizers = {can.tokenizer for can in known}
    followed = KNOBS.intersection(*(part.follows for part in writers(pipeline)))
    answering = pipeline.infer(Shape(), Plan()).drawn_by or frozenset(engines)
    return Capabilities(
        seed=all(can.seed for can in known),
        context_length=min(can.context_length for can in known),
        exact_count=False,
        tokenizer=tokenizers.pop() if len(tokenizers) == 1 else "",
        image_tokens=max(can.image_tokens for can in known),
        structured="json_schema" in followed and all(engines[name].structured for name in answering),
        fixed=(KNOBS - {"json_schema"} - followed).union(*(can.fixed for can in known)),
    )


def _drawing(pipeline: Pipeline, sampling: Sampling) -> Pipeline:
    """The pipeline, drawing as told.

    Raises:
        UsageError: one of its strategies cannot.
    """
    for knob in sorted(KNOBS):
        if (value := getattr(sampling, knob)) != getattr(FREE, knob):
            pipeline = redrawn(pipeline, knob, value)
    return redrawn(pipeline, "max_tokens", sampling.max_tokens)


def _lease(bound: Usage, budget: Budget) -> Budget:
    """What a run may pay: what was reserved for it, and no more than its own budget; its deadline is the ledger's."""
    return budget.at_most(Budget.of(bound)).model_copy(update={"seconds": None})


def _best(done: Done, name: str) -> Candidate:
    """The best answer of a run.

    Raises:
        EngineUnavailable: there is none, but another try may find one.
        EngineRefused: there is none.
    """
    result = done.result
    if result.best is not None:
        return result.best
    lost = f"pipeline {name!r} has no answer: {result.reason or 'all of its draws were lost'}"
    if done.is_cut or done.is_starved or result.stopped == "deadline":
        raise EngineUnavailable(lost, is_free=done.paid == Usage())
    raise EngineRefused(lost)


def _spent(done: Done, bound: Usage) -> Usage:
    """All that a run has paid, lost calls included; of calls that it dropped, also what would have been paid at most.

    What is paid never exceeds the bound, so no more is told.
    """
    afresh, paid, most = done.result.usage.as_dict(), done.paid.as_dict(), bound.as_dict()
    return Usage(**{name: max(paid.get(name, 0), min(afresh.get(name, 0), most.get(name, 0))) for name in COUNTS})


def _completion(best: Candidate, usage: Usage) -> Completion:
    finish = best.finish if best.finish.is_terminal else Finish.TOTAL_LENGTH
    return Completion((), best.text, finish, usage)
