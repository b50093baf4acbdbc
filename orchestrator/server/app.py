"""The application: routes, the gate before them, and the engines behind them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..budget import Budget
from ..frontier import Frontier
from ..pipeline import Pipeline
from .accounts import Accounts
from .auth import KEY_IN_SCOPE, OPEN_PATH, Gate
from .brought import check_kinds
from .cards import card
from .chat import ChatCompletions
from .completions import Completions
from .desk import Desk, bounded
from .directory import Alone, Directory
from .endpoint import PATHS, Endpoint, check_allowed
from .health import Health
from .images import ImageGenerations
from .keys import Keys
from .measured import Measured
from .metrics import Metrics
from .refusal import Refusal
from .reports import PATH as RUNS
from .reports import report
from .responses import Responses
from .runs import MOST_RUNS, Runs
from .served import Models
from .till import Till

if TYPE_CHECKING:
    from starlette.types import ExceptionHandler

MODELS = "/v1/models"
METRICS = "/metrics"


def create_app(
    pipelines: Mapping[str, Pipeline],
    *,
    frontiers: Iterable[Frontier] = (),
    keys: Keys = Keys(),
    accounts: Till | None = None,
    directory: Directory = Alone(),
    budget: Budget = Budget(),
    seed: int | None = None,
    strategies: Iterable[str] = (),
    keep_alive_s: float = 5.0,
    most_runs: int = MOST_RUNS,
    most_waiting: int = MOST_RUNS,
) -> Starlette:
    """The application that serves `pipelines` as models. Its lifespan starts and stops their engines.

    Its state holds `models`, `runs` and `health`, for whoever runs it.

    Args:
        pipelines: by the names that clients use.
        frontiers: whose points are among the pipelines; each is a model of its own besides, where effort picks one.
        keys: what opens it; without any it answers only to loopback names.
        accounts: what each key may spend; None keeps it in memory.
        directory: where replicas find each other's runs.
        budget: the most that one request may cost, whatever it asks for.
        seed: for requests that send none; None draws one for each.
        strategies: kinds of strategies and verifiers that requests may bring.
        keep_alive_s: seconds between the comments that keep a silent stream open.
        most_runs: most requests that run at once.
        most_waiting: most that wait for their turn besides.

    Raises:
        UsageError: a pipeline cannot answer requests, a kind is unknown, or a key opens a model that is not served.
    """
    check_kinds(strategies := frozenset(strategies))
    metrics = Metrics()
    models = Models(pipelines, frontiers)
    keys.check_models(models.names())
    runs = Runs(most_runs, most_waiting, lambda work: metrics.spent(work.model, work.trace.paid), directory)
    health = Health(models, runs)
    metrics.watch_runs(lambda: len(runs), lambda: runs.waiting)
    metrics.watch_engines(health.standing)
    accounts = Accounts(keys) if accounts is None else accounts
    desk = Desk(models, runs, accounts, bounded(budget), seed, keep_alive_s, strategies)
    endpoints = (ChatCompletions(desk), Responses(desk), Completions(desk), ImageGenerations(desk))

    routes = [*_routes(desk, health, endpoints), Route(METRICS, _scraped(metrics, directory))]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Measured, metrics=metrics, routes=routes), Middleware(Gate, keys=keys)],
        exception_handlers=_handlers(),
        lifespan=_lifespan(desk, health, metrics),
    )
    app.router.redirect_slashes = False
    app.state.models, app.state.runs, app.state.health = models, runs, health
    return app


def _lifespan(desk: Desk, health: Health, metrics: Metrics) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Starts what stands behind the routes, and stops it once it owes nothing any more."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await desk.models.open()
        try:
            await desk.runs.directory.open(desk.runs, metrics)
            yield
        finally:
            await desk.runs.end()
            health.close()
            await desk.runs.directory.close()
            await desk.models.close()
            await desk.accounts.close()

    return lifespan


def _routes(desk: Desk, health: Health, endpoints: Sequence[Endpoint[Any]]) -> list[Route]:
    models, since = desk.models, int(time.time())

    async def listing(request: Request) -> Response:
        key = request.scope[KEY_IN_SCOPE]
        return _json({"object": "list", "data": [card(models, n, since) for n in models.names() if key.may_ask(n)]})

    async def one(request: Request) -> Response:
        name = request.path_params["name"]
        check_allowed(request.scope[KEY_IN_SCOPE], name)
        return _json(card(models, name, since))

    async def run(request: Request) -> Response:
        return _json(await report(desk.runs, request.path_params["id"], request.scope[KEY_IN_SCOPE].name))

    async def healthy(request: Request) -> Response:
        state = await health.state()
        ill = {"engines": state.engines} if state.engines and KEY_IN_SCOPE in request.scope else {}
        return _json({"status": state.status, **ill}, 200 if state.is_well else 503)

    return [
        *(Route(endpoint.path, endpoint, methods=["POST"]) for endpoint in endpoints),
        Route(OPEN_PATH, healthy),
        Route(MODELS, listing),
        Route(MODELS + "/{name:path}", one),
        Route(RUNS + "/{id}", run),
    ]


def _scraped(metrics: Metrics, directory: Directory) -> Callable[[Request], Awaitable[Response]]:
    async def scraped(request: Request) -> Response:
        told, content_type = await directory.exposition(metrics, request.headers.get("accept", ""))
        return Response(told, headers={"content-type": content_type})

    return scraped


def _handlers() -> Mapping[Any, ExceptionHandler]:
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return Response(error.body(), error.status, error.headers, "application/json")

    async def misroute(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        posts = ", POST ".join(path for paths in PATHS.values() for path in paths)
        gets = f"GET {MODELS}, {MODELS}/NAME, {RUNS}/ID, {METRICS} and {OPEN_PATH}"
        rule = f"{request.method} {request.url.path[:64]} is not offered; this server has POST {posts}; {gets}"
        refusal = Refusal(error.status_code, rule, code="not_offered")
        return Response(refusal.body(), refusal.status, error.headers, "application/json")

    return {Refusal: refuse, HTTPException: misroute}


def _json(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")
