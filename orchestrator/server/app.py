"""The application: routes, the gate before them, and the engines behind them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..budget import Budget
from ..pipeline import Pipeline
from .auth import OPEN_PATH, Gate
from .chat import ChatCompletions
from .endpoint import PATHS, Endpoint
from .health import Health
from .images import ImageGenerations
from .keys import Keys
from .refusal import Refusal
from .runs import Runs
from .served import Models

if TYPE_CHECKING:
    from starlette.types import ExceptionHandler

MODELS = "/v1/models"
MOST_RUNS = 1024


def create_app(
    pipelines: Mapping[str, Pipeline],
    *,
    keys: Keys = Keys(),
    budget: Budget = Budget(),
    seed: int | None = None,
    keep_alive_s: float = 5.0,
    most_runs: int = MOST_RUNS,
) -> Starlette:
    """The application that serves `pipelines` as models. Its lifespan starts and stops their engines.

    Its state holds `models` and `runs`, for whoever runs it.

    Args:
        pipelines: by the names that clients use.
        keys: what opens it; without any it answers only to loopback names.
        budget: the most that one request may cost, whatever it asks for.
        seed: for requests that send none; None draws one for each.
        keep_alive_s: seconds between the comments that keep a silent stream open.
        most_runs: most requests at once.

    Raises:
        UsageError: a pipeline cannot answer requests.
    """
    models, runs = Models(pipelines), Runs(most_runs)
    health = Health(models, runs)
    endpoints = (
        ChatCompletions(models, runs, budget, seed, keep_alive_s),
        ImageGenerations(models, runs, budget, seed),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await models.open()
        try:
            yield
        finally:
            runs.cancel()
            health.close()
            await models.close()

    app = Starlette(
        routes=_routes(models, health, endpoints),
        middleware=[Middleware(Gate, keys=keys)],
        exception_handlers=_handlers(),
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.models, app.state.runs = models, runs
    return app


def _routes(models: Models, health: Health, endpoints: Sequence[Endpoint[Any]]) -> list[Route]:
    since = int(time.time())

    async def listing(request: Request) -> Response:
        return _json({"object": "list", "data": [_card(name, since) for name in models.names()]})

    async def card(request: Request) -> Response:
        return _json(_card(models[request.path_params["name"]].name, since))

    async def healthy(request: Request) -> Response:
        state = await health.state()
        ill = {"engines": state.engines} if state.engines else {}
        return _json({"status": state.status, **ill}, 200 if state.is_well else 503)

    return [
        Route(OPEN_PATH, healthy),
        Route(MODELS, listing),
        Route(MODELS + "/{name:path}", card),
        *(Route(PATHS[endpoint.medium], endpoint, methods=["POST"]) for endpoint in endpoints),
    ]


def _card(name: str, since: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": since, "owned_by": "ponder"}


def _handlers() -> Mapping[Any, ExceptionHandler]:
    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return Response(error.body(), error.status, error.headers, "application/json")

    async def misroute(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        posts = ", POST ".join(PATHS.values())
        rule = f"{request.method} {request.url.path[:64]} is not offered; this server has POST {posts}, GET {MODELS}"
        refusal = Refusal(error.status_code, f"{rule} and GET {OPEN_PATH}", code="not_offered")
        return Response(refusal.body(), refusal.status, error.headers, "application/json")

    return {Refusal: refuse, HTTPException: misroute}


def _json(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")
