"""The pipelines that are served, and the engines under them: equal specs share one engine and its limit in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count

from ...strategies.drawing import Drawing
from ..budget import Budget
from ..engine import Engine, EngineSpec, Prompt, check_fits
from ..errors import EngineRefused, EngineUnavailable, UsageError
from ..frontier import Frontier
from ..journal import Retries
from ..pipeline import Pipeline
from ..plan import Plan
from ..process_settings import SELDOM_COLLECTED
from ..recent import Recent
from ..run_state import Watcher
from ..runtime import Done, Runtime, Task
from ..shape import Medium, Shape
from ..types import Query
from .asked import refuse
from .dial import Dial, Effort
from .overrides import check_servable, drawings
from .pulse import Pulse
from .refusal import SHOWN, Refusal

RETRIES = Retries(most=2, longest_wait_s=2.0)
"""Few and short: a client that waits is told soon, and comes back by itself."""


def by_name(served: Iterable[Pipeline | Frontier]) -> dict[str, Pipeline]:
    """The pipelines, and those of the frontiers, by their names.

    Raises:
        UsageError: there is none, or two have one name.
    """
    for one in (served := list(served)):
        if not isinstance(one, Pipeline | Frontier):
            kind = type(one).__name__
            raise UsageError(f"what is served must be a list of pipelines and frontiers, got one of {kind}; load files")
    named: dict[str, Pipeline] = {}
    for pipeline in (each for one in served for each in ([one] if isinstance(one, Pipeline) else one.pipelines())):
        if pipeline.name in named:
            raise UsageError(
                f"each served pipeline must have its own name, but two are called {pipeline.name!r}; rename one"
            )
        named[pipeline.name] = pipeline
    if not named:
        raise UsageError("a server must have a pipeline to serve, got none; name at least one")
    return named


@dataclass(frozen=True, slots=True)
class Model:
    """A pipeline that answers under a name.

    Args:
        name: what clients call it.
        pipeline: as it was configured.
        medium: what it makes.
        most_answers: the most candidates a run can end with.
        engines: by their names in the pipeline.
        runtime: runs it.
        redrawn: pipelines as requests lately wanted them drawn.
        brought: pipelines that requests lately brought, and how many answers they give.
    """

    name: str
    pipeline: Pipeline
    medium: Medium
    most_answers: int
    engines: Mapping[str, Engine]
    runtime: Runtime
    redrawn: Recent[Pipeline] = field(default_factory=Recent)
    brought: Recent[tuple[Pipeline, int]] = field(default_factory=Recent)
    _drawings: Recent[list[Drawing]] = field(default_factory=Recent)
    _ids: Recent[str] = field(default_factory=Recent)

    def fingerprint(self, pipeline: Pipeline) -> str:
        """The id of one of its pipelines."""
        return self._ids.get(pipeline, None, lambda: pipeline.id)

    @property
    def sizes(self) -> list[str]:
        """Widths and heights of the images it makes, such as ``8x8``, where that is known."""
        facts = [self.engines[name].capabilities.denoising for name in self.pipeline.engine_names()]
        known = {each.size for each in facts if each is not None and each.size is not None}
        return [f"{width}x{height}" for width, height in sorted(known)]

    async def check_fits(self, pipeline: Pipeline, query: Query) -> None:
        """Refuse a query that leaves no room for an answer.

        Raises:
            Refusal: the prompt and an answer exceed the context of an engine, or its template does not take it.
        """
        for drawing in self._drawings.get(pipeline, None, lambda: drawings(pipeline)):
            engine = self.engines[drawing.engine]
            try:
                tools = drawing.sampling.tools or ""
                tokens = await engine.count(Prompt(query.messages, images=query.images, tools=tools))
                check_fits(engine.capabilities, tokens, drawing.max_tokens, drawing.engine)
            except EngineUnavailable:
                continue
            except EngineRefused as error:
                message = f"messages: {error}"
                raise Refusal(400, message, param="messages", code="context_length_exceeded") from None

    async def run(
        self, pipeline: Pipeline, query: Query, budget: Budget, seed: int, watcher: Watcher = Watcher()
    ) -> Done:
        """Run the pipeline, drawing as this request asks, over one query."""
        task = Task(id=query.id, strategy=pipeline, query=query, budget=budget, seed=seed)
        return await self.runtime.execute(task, budget, watcher)


class Models:
    """The served models. Engines start with `open` and stop with `close`; a second call of either does nothing.

    Args:
        pipelines: by the names that clients use.
        frontiers: whose points are among the pipelines; each is a model of its own besides, where effort picks one.

    Raises:
        UsageError: a pipeline cannot answer requests, or a frontier has no point, or the name of a pipeline.
    """

    def __init__(self, pipelines: Mapping[str, Pipeline], frontiers: Iterable[Frontier] = ()) -> None:
        for name, pipeline in pipelines.items():
            check_servable(pipeline, name)
        self._pipelines = dict(pipelines)
        self.dials = {frontier.name: Dial(frontier) for frontier in frontiers}
        if taken := self.dials.keys() & pipelines.keys():
            raise UsageError(f"a frontier and a pipeline must have different names, got two {min(taken)!r}; rename one")
        self._engines: list[tuple[EngineSpec, Pulse]] = []
        self._models: dict[str, Model] = {}
        self._settings = ExitStack()

    @property
    def is_ready(self) -> bool:
        """Whether the engines stand."""
        return bool(self._models)

    @property
    def pulses(self) -> list[Pulse]:
        """The gates before the engines, one each."""
        return [pulse for _, pulse in self._engines]

    @property
    def specs(self) -> dict[str, EngineSpec]:
        """What the engines are made of, by the names of their gates."""
        return {pulse.name: spec for spec, pulse in self._engines}

    def names(self) -> list[str]:
        """What clients may ask for."""
        return [*self.dials, *self._pipelines]

    def pick(self, name: str, effort: Effort | None = None, budget: Budget = Budget()) -> Model:
        """The model that answers a request for `name`.

        Raises:
            Refusal: there is none, or it is no frontier and cannot choose its effort.
        """
        if (dial := self.dials.get(name)) is not None:
            return self[dial.model(dial.point(effort, budget))]
        model = self[name]
        if effort is not None:
            rule = "this model fixes its effort; leave it out, bound it with ponder.budget"
            known = f", or ask for {', '.join(self.dials)}" if self.dials else ""
            raise refuse("reasoning_effort", rule + known, "unsupported_parameter")
        return model

    def __getitem__(self, name: str) -> Model:
        """The model of that name.

        Raises:
            Refusal: there is none.
        """
        if name in self._models:
            return self._models[name]
        known = ", ".join(self.names())
        message = f"model: it must be one of {known}, got {name[:SHOWN]!r}; see /v1/models"
        raise Refusal(404, message, param="model", code="model_not_found")

    async def open(self) -> None:
        """Start the engines.

        Raises:
            EngineError: one does not start; the others are closed again.
            ShapeError: one cannot do what a pipeline asks of it; likewise.
        """
        if self._models:
            return
        for pipeline in self._pipelines.values():
            for name, spec in pipeline.engines.items():
                if all(spec != known for known, _ in self._engines):
                    self._engines.append((spec, Pulse(self._unused(name), spec.open(), spec.max_in_flight)))
        try:
            async with asyncio.TaskGroup() as group:
                for pulse in self.pulses:
                    group.create_task(pulse.engine.start())
            self._models = {name: self._model(name, pipeline) for name, pipeline in self._pipelines.items()}
            self._settings.enter_context(SELDOM_COLLECTED)
        except BaseException as error:
            await self.close()
            raise (error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error) from None

    async def close(self) -> None:
        """Stop the engines."""
        self._settings.close()
        pulses, self._engines, self._models = self.pulses, [], {}
        await asyncio.gather(*(pulse.engine.close() for pulse in pulses), return_exceptions=True)

    def _model(self, name: str, pipeline: Pipeline) -> Model:
        gates = {key: self._pulse(spec) for key, spec in pipeline.engines.items()}
        engines = {key: pulse.engine for key, pulse in gates.items()}
        made = pipeline.infer(Shape(), Plan(engines))
        return Model(name, pipeline, made.medium, made.most, engines, Runtime(engines, retries=RETRIES, gates=gates))

    def _pulse(self, spec: EngineSpec) -> Pulse:
        return next(pulse for known, pulse in self._engines if known == spec)

    def _unused(self, name: str) -> str:
        """The name for an engine, with a number where others are called the same."""
        used = {pulse.name for pulse in self.pulses}
        return next(each for i in count(1) if (each := name if i == 1 else f"{name}-{i}") not in used)
