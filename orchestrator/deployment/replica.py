"""A replica: the application of `create_app` in a process of Ray Serve, with engines of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..engine import EngineSpec
from ..errors import EngineUnavailable
from ..frontier import Frontier
from ..pipeline import Pipeline
from ..resources import taken_together
from ..server.keys import Keys
from ..server.redaction import Redaction
from ..server.serve import LOGGERS
from ..server.served import by_name
from .hub import HubParts
from .link import Link, RemoteAccounts
from .spec import Deployment, check

if TYPE_CHECKING:
    from starlette.applications import Starlette

SPARE = 64
"""Requests beside the runs that a replica takes: those that list models, look at runs, scrape metrics."""


class Replica:
    """What Ray Serve asks of a replica besides the application.

    A replica whose own engine makes no token is ill, and Ray Serve replaces it. One whose engine is a server elsewhere
    is not: a new replica would find it no better, and until then this one tells clients what is wrong.
    """

    async def check_health(self) -> None:
        """Raise where another replica would do better.

        Raises:
            EngineUnavailable: an engine of this replica's own is ill.
        """
        app: Starlette = self.app  # type: ignore[attr-defined]
        specs = app.state.models.specs
        found = await app.state.health.state()
        if ill := [name for name in found.engines if is_own(specs[name])]:
            raise EngineUnavailable(f"engines must make tokens, but {', '.join(ill)} made none lately")


def built(served: Sequence[Pipeline | Frontier], spec: Deployment, app_name: str) -> Starlette:
    """The application of one replica, which shares accounts and runs with the others.

    Raises:
        UsageError: it would stand open, or its keys do not fit what is served.
    """
    from ..server.app import create_app

    keys = Keys.load(spec.key_file)
    named = by_name(served)
    frontiers = [each for each in served if isinstance(each, Frontier)]
    check(keys, spec)
    redaction = Redaction(keys)
    for name in (*LOGGERS, "ray.serve"):
        logging.getLogger(name).addFilter(redaction)
    link = Link(f"{app_name}-hub", hub_parts(keys, spec), spec.hub_resources)
    return create_app(
        named,
        frontiers=frontiers,
        keys=keys,
        accounts=RemoteAccounts(link),
        directory=link,
        budget=spec.budget,
        seed=spec.seed,
        strategies=spec.allow,
        most_runs=spec.most_runs,
        most_waiting=spec.most_waiting,
    )


def hub_parts(keys: Keys, spec: Deployment) -> HubParts:
    """What the hub is made of that all replicas share."""
    return HubParts(tuple(keys), spec.accounts_file)


def is_own(spec: EngineSpec) -> bool:
    """Whether an engine works in the replica: one that takes no processor and no GPU is a server elsewhere."""
    return any(spec.resources().values())


def resources(served: Iterable[Pipeline | Frontier]) -> dict[str, float]:
    """What a replica takes of a cluster: all that its engines take together."""
    specs: list[EngineSpec] = []
    for pipeline in by_name(served).values():
        specs += [spec for spec in pipeline.engines.values() if spec not in specs]
    return taken_together(specs)


def options(served: Iterable[Pipeline | Frontier], spec: Deployment) -> dict[str, Any]:
    """How Ray Serve deploys the replicas; what a Serve config file says of the deployment goes before it."""
    at_once = spec.most_runs + spec.most_waiting + SPARE
    scale: dict[str, Any] = {"num_replicas": spec.replicas}
    if spec.most_replicas is not None:
        target = max(1, spec.most_runs // 2)
        bounds = {"min_replicas": spec.replicas, "max_replicas": max(spec.replicas, spec.most_replicas)}
        scale = {"autoscaling_config": {**bounds, "target_ongoing_requests": target}}
    return {
        **scale,
        "ray_actor_options": resources(served),
        "max_ongoing_requests": at_once,
        "max_queued_requests": at_once,
        "graceful_shutdown_wait_loop_s": 0.5,
        "graceful_shutdown_timeout_s": spec.drain_s,
        "health_check_period_s": 10.0,
        "health_check_timeout_s": 30.0,
    }
