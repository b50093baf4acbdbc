"""What is deployed on a cluster, as data."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..budget import Budget
from ..errors import UsageError
from ..server.keys import VARIABLE, Keys
from ..server.runs import MOST_RUNS


class Deployment(BaseModel):
    """How pipelines are served on a cluster. A RayService gives these as the application's `args`.

    Args:
        serve: TOML files of pipelines and frontiers, or folders of them, where the application is built.
        key_file: the keys, as `ponder serve` takes them; read by each replica, so it must be on all nodes. More come
            from ``PONDER_API_KEYS``.
        accounts_file: keeps what each key has spent. Needed where a key has a budget. It is on the node of the hub, and
            should be on a disk that outlives it.
        hub_resources: what the hub takes, in Ray's words: custom resources bind it to the node that has the file.
        budget: the most that one request may cost, whatever it asks for.
        seed: for requests that send none; None draws one for each.
        allow: kinds of strategies and verifiers that requests may bring.
        replicas: replicas of the application, each with engines of its own.
        most_replicas: how many there may be while each has more than half of `most_runs` in flight; None keeps to
            `replicas`.
        most_runs: most requests that run at once, in each replica.
        most_waiting: most that wait for their turn besides, in each replica.
        drain_s: seconds that requests in flight may take to end when a replica is stopped.
        open_on_loopback: whether there need be no keys, since only this machine can reach the server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    serve: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    key_file: str | None = None
    accounts_file: str | None = None
    hub_resources: dict[str, float] = {}
    budget: Budget = Budget()
    seed: int | None = None
    allow: tuple[str, ...] = ()
    replicas: Annotated[int, Field(ge=1)] = 2
    most_replicas: Annotated[int, Field(ge=1)] | None = None
    most_runs: Annotated[int, Field(ge=1)] = MOST_RUNS
    most_waiting: Annotated[int, Field(ge=0)] = MOST_RUNS
    drain_s: Annotated[float, Field(ge=0)] = 30.0
    open_on_loopback: bool = False


def check(keys: Keys, spec: Deployment) -> None:
    """Refuse a server that is open to all, or would forget what was spent when the hub is restarted.

    Raises:
        UsageError: it is, or would.
    """
    if not keys and not spec.open_on_loopback:
        raise UsageError(f"a server on a cluster must have keys, but there are none; give key_file or set {VARIABLE}")
    limited = [key.name for key in keys if key.budget != Budget()]
    if limited and spec.accounts_file is None:
        raise UsageError(
            f"what keys with budgets spend must outlive the hub, but there is no file for it and {limited[0]!r} has a "
            "budget; give accounts_file"
        )
