"""The server on a cluster: the application as a Ray Serve deployment of many replicas.

Replicas share the accounts of the keys and where each run is by one actor, the hub. A replica that dies takes its runs
with it: their clients are told to try again, and their leases are charged in full.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import ValidationError

from ..cluster.joining import join
from ..errors import EngineUnavailable, UsageError
from ..frontier import Frontier, load_all
from ..pipeline import Pipeline
from ..server.auth import is_loopback
from ..server.brought import check_kinds
from ..server.keys import Keys
from ..server.served import by_name
from .spec import Deployment, check

__all__ = ["Deployment", "build", "deploy"]

NAME = "ponder"
VARIABLE = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
FRONT = "ponder.orchestrator.deployment.front:middleware"
"""What that variable must hold on every node, before its Ray starts."""


def build(args: Mapping[str, Any]) -> Any:
    """The application as Ray Serve deploys it: ``import_path: ponder.orchestrator.deployment:build`` of a Serve config.

    Args:
        args: those of `Deployment`, with `serve`.

    Raises:
        UsageError: they are not valid, nothing to serve is named, or a file is not sound.
    """
    try:
        spec = Deployment.model_validate(args)
    except ValidationError as error:
        raise UsageError.from_validation("a deployment", error) from None
    if spec.serve is None:
        raise UsageError("a deployment must serve something; name files of pipelines or frontiers as serve")
    return bound(load_all(spec.serve), spec)


def bound(served: Iterable[Pipeline | Frontier], spec: Deployment, name: str = NAME) -> Any:
    """The application over these pipelines and frontiers."""
    try:
        from ray import serve

        from .replica import Replica, built, options
    except ImportError as error:
        missing = f"a server on a cluster needs {error.name}; add it with: pip install 'ponder[ray,serve]'"
        raise UsageError(missing) from None
    served = list(served)
    replica = serve.ingress(lambda: built(served, spec, name))(Replica)
    return serve.deployment(replica, name=NAME, **options(served, spec)).bind()


def deploy(
    served: Iterable[Pipeline | Frontier],
    spec: Deployment = Deployment(),
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    name: str = NAME,
    address: str | None = None,
) -> str:
    """Serve pipelines and frontiers on a Ray cluster, and say where once they answer; they are served until
    `ray.serve.shutdown()`, or until the Ray that was started for them ends with this process.

    Joins the cluster at `address` or the one in ``RAY_ADDRESS``, and starts one on this machine where there is none. A
    cluster that stands already must have been started with ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` set to
    ``ponder.orchestrator.deployment.front:middleware``, or a client whose replica dies gets a bare 500.

    Args:
        served: each with its own name.
        spec: how they are served; its `serve` is not looked at.
        host: where the proxies listen; other than loopback only with keys.
        port: likewise. Where Ray Serve runs already it must be its own, as the host must.
        name: of the application; its hub is called after it.
        address: of the cluster.

    Raises:
        UsageError: something cannot be served, or would stand open, or Ray Serve listens elsewhere already.
        EngineUnavailable: the cluster or an engine does not start.
    """
    served = list(served)
    check_kinds(frozenset(spec.allow))
    by_name(served)
    files = {each: os.path.abspath(path) for each in ("key_file", "accounts_file") if (path := getattr(spec, each))}
    spec = spec.model_copy(update={**files, "open_on_loopback": is_loopback(host)})
    keys = Keys.load(spec.key_file)
    check(keys, spec)
    _join(address)
    _listen(host, port)
    spec = _with_hub_here(spec)
    app = bound(served, spec, name)
    from ray import serve

    from .link import hub_of
    from .replica import hub_parts

    with ThreadPoolExecutor(1) as aside:  # the caller may be within an event loop
        aside.submit(asyncio.run, hub_of(f"{name}-hub", hub_parts(keys, spec), spec.hub_resources)).result()
    try:
        serve.run(app, name=name, route_prefix="/")
    except RuntimeError as error:
        found = serve.status().applications[name].deployments.values()
        told = "; ".join(deployment.message for deployment in found) or str(error)
        raise EngineUnavailable(f"the replicas of {name!r} must start, but: {told}") from None
    return f"http://{host}:{port}"


def _listen(host: str, port: int) -> None:
    """Start Ray Serve where it does not run; where it does, it keeps the address that it has.

    Raises:
        UsageError: it listens elsewhere, or cannot listen there.
    """
    from ray import serve
    from ray.exceptions import RayError
    from ray.serve.config import HTTPOptions
    from ray.serve.context import _get_global_client

    client = _get_global_client(raise_if_no_controller_running=False)
    if client is not None and (client.http_config.host, client.http_config.port) != (host, port):
        stands = f"host {client.http_config.host!r}, port {client.http_config.port}"
        raise UsageError(
            f"a deployment must be where Ray Serve listens already, {stands}, got {host!r} and {port}; give those, or "
            "end it with ray.serve.shutdown()"
        )
    try:
        serve.start(http_options=HTTPOptions(host=host, port=port))
    except RayError as error:
        why = str(error).strip().splitlines()[-1]
        raise UsageError(
            f"Ray Serve must be able to listen at {host!r}, port {port}, but: {why}; choose others"
        ) from None


def _with_hub_here(spec: Deployment) -> Deployment:
    """The hub on this machine, where the file of its accounts is, unless it is bound elsewhere."""
    import ray

    if spec.accounts_file is None or spec.hub_resources:
        return spec
    return spec.model_copy(update={"hub_resources": {f"node:{ray.util.get_node_ip_address()}": 0.001}})


def _join(address: str | None) -> None:
    import ray

    if ray.is_initialized():
        return
    os.environ.setdefault(VARIABLE, FRONT)
    join(address, "try again")
