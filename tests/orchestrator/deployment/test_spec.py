"""What is deployed is checked before anything starts."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ponder
from ponder.orchestrator.deployment import build
from ponder.orchestrator.deployment.replica import Replica, is_own, options, resources
from ponder.orchestrator.deployment.spec import Deployment, check
from ponder.orchestrator.engines.simulated_faults import Faults
from ponder.orchestrator.errors import EngineUnavailable, UsageError
from ponder.orchestrator.server.health import Health
from ponder.orchestrator.server.keys import Key, Keys
from ponder.orchestrator.server.runs import Runs
from ponder.orchestrator.server.served import Models
from ponder.strategies import Sample

REMOTE = ponder.OpenAISpec(model="m", base_url="http://127.0.0.1:1/v1")


class Own(ponder.SimulatedSpec):
    """An engine that takes something of the machine."""

    def resources(self) -> dict[str, float]:
        return {"num_cpus": 2, "num_gpus": 1}


def pipeline(name: str, engine: Any) -> ponder.Pipeline:
    return ponder.Pipeline.series(Sample(), name=name, engines={"generator": engine})


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({}, "name files of pipelines"),
        ({"serve": []}, "serve"),
        ({"serve": ["x"], "replicas": 0}, "replicas"),
        ({"serve": ["x"], "key": "pk"}, "key"),
        ({"serve": ["/no/such/file.toml"]}, "/no/such/file.toml"),
    ],
)
def test_what_cannot_be_built_is_refused(args: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        build(args)


def test_files_are_built_into_an_application(tmp_path: Path) -> None:
    ponder.save(pipeline("one", ponder.SimulatedSpec()), tmp_path / "one.toml")
    app = build({"serve": [str(tmp_path)], "replicas": 3})
    assert (app._bound_deployment.name, app._bound_deployment.num_replicas) == ("ponder", 3)


def test_a_cluster_stands_open_to_this_machine_alone() -> None:
    with pytest.raises(UsageError, match="must have keys"):
        check(Keys(), Deployment())
    check(Keys(), Deployment(open_on_loopback=True))
    with pytest.raises(UsageError, match="must have keys"):
        ponder.deploy([pipeline("one", ponder.SimulatedSpec())], host="0.0.0.0")


def test_budgets_outlive_the_hub() -> None:
    keys = Keys([Key(name="a", digest="1" * 64, budget=ponder.Budget(total_tokens=1))])
    with pytest.raises(UsageError, match="accounts_file"):
        check(keys, Deployment())
    check(keys, Deployment(accounts_file="a.db"))


def test_a_replica_takes_what_its_engines_take_together() -> None:
    own = Own()
    served = [pipeline("one", own), pipeline("two", own), pipeline("three", REMOTE)]
    assert resources(served) == {"num_cpus": 2, "num_gpus": 1}
    assert [is_own(spec) for spec in (own, REMOTE)] == [True, False]
    assert resources(served[2:]) == {"num_cpus": 0}


def test_replicas_grow_where_they_may() -> None:
    served = [pipeline("one", REMOTE)]
    fixed, grows = options(served, Deployment(replicas=3)), options(served, Deployment(most_replicas=8, most_runs=10))
    assert fixed["num_replicas"] == 3 and "autoscaling_config" not in fixed
    wanted = {"min_replicas": 2, "max_replicas": 8, "target_ongoing_requests": 5}
    assert grows["autoscaling_config"] == wanted and "num_replicas" not in grows


@pytest.mark.parametrize(("engine", "is_replaced"), [(Own, True), (ponder.SimulatedSpec, False)])
async def test_a_replica_is_ill_with_its_own_engines_alone(
    engine: type[ponder.SimulatedSpec], is_replaced: bool
) -> None:
    replica, app = Replica(), SimpleNamespace()
    app.models = Models({"one": pipeline("one", engine(faults=Faults(unavailable=1.0)))})
    app.health = Health(app.models, Runs(1), limit_s=1.0)
    replica.app = SimpleNamespace(state=app)  # type: ignore[attr-defined]
    await app.models.open()
    assert not (await app.health.state()).is_well
    with pytest.raises(EngineUnavailable, match="generator") if is_replaced else nullcontext():
        await replica.check_health()
    await app.models.close()
