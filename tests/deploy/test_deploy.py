"""What stands in deploy/ fits KubeRay, Ray Serve, the command line and itself."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.deployment import FRONT, VARIABLE, build
from ponder.orchestrator.deployment.spec import Deployment
from ponder.orchestrator.server.health import LIMIT_S

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SCHEMA = json.loads((Path(__file__).parent / "ray_service.schema.json").read_text())
LOCK = (ROOT / "requirements" / "cpu.lock").read_text()
STEP = re.compile(r"^([A-Z]+)\s+(.*)$")
BASH = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


def strict(schema: Any) -> Any:
    """A schema that knows no other fields than it names, as `kubectl apply` does."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    return {"additionalProperties": False, **closed} if isinstance(schema.get("properties"), dict) else closed


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / name).read_text()))


def patched(service: dict[str, Any], folder: str) -> dict[str, Any]:
    """The RayService as `kubectl apply -k` makes it: every patch replaces something that is there."""
    (kustomization,) = manifests(f"{folder}/kustomization.yaml")
    for patch in kustomization["patches"]:
        assert patch["target"] == {"kind": service["kind"], "name": service["metadata"]["name"]}
        for step in yaml.safe_load(patch["patch"]):
            assert step["op"] == "replace"
            *way, last = [int(part) if part.isdigit() else part for part in step["path"].split("/")[1:]]
            place: Any = service
            for part in way:
                place = place[part]
            assert place[last] is not None
            place[last] = step["value"]
    return service


RAY_SERVICES = {"cpu": manifests("ray-service.yaml")[0], "gpu": patched(manifests("ray-service.yaml")[0], "gpu")}
BOTH = pytest.mark.parametrize("service", RAY_SERVICES.values(), ids=RAY_SERVICES.keys())


def templates(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    if manifest["kind"] == "Deployment":
        return [manifest["spec"]["template"]]
    cluster = manifest["spec"]["rayClusterConfig"]
    return [cluster["headGroupSpec"]["template"], *(group["template"] for group in cluster["workerGroupSpecs"])]


PODS = [template for service in RAY_SERVICES.values() for template in templates(service)]
PODS += templates(manifests("one-process.yaml")[0])


def application(service: dict[str, Any]) -> dict[str, Any]:
    from ray.serve.schema import ServeDeploySchema

    config = ServeDeploySchema.model_validate(yaml.safe_load(service["spec"]["serveConfigV2"]))
    (found,) = config.applications
    assert (config.http_options.host, config.http_options.port) == ("0.0.0.0", 8000)
    return found.model_dump(exclude_unset=True)


@BOTH
def test_the_ray_service_is_what_kuberay_takes(service: dict[str, Any]) -> None:
    jsonschema.validate(service, strict(SCHEMA))


def test_a_field_that_kuberay_does_not_know_is_found() -> None:
    service = json.loads(json.dumps(RAY_SERVICES["cpu"]))
    templates(service)[1]["spec"]["containers"][0]["envForm"] = []
    with pytest.raises(jsonschema.ValidationError, match="envForm"):
        jsonschema.validate(service, strict(SCHEMA))


def test_the_pod_of_one_process_is_what_kubernetes_takes() -> None:
    (template,) = templates(manifests("one-process.yaml")[0])
    jsonschema.validate(template, strict({"$ref": "#/$defs/template", "$defs": SCHEMA["$defs"]}))


@BOTH
def test_ray_serve_takes_the_config_and_we_its_args(service: dict[str, Any]) -> None:
    app = application(service)
    assert app["import_path"] == f"{build.__module__}:{build.__name__}"
    spec = Deployment.model_validate(app["args"])
    head, *workers = templates(service)
    mounted = [{each["mountPath"] for each in pod["spec"]["containers"][0]["volumeMounts"]} for pod in (head, *workers)]
    assert all({"/etc/ponder/pipelines", "/etc/ponder/keys"} <= paths for paths in mounted)
    assert spec.accounts_file and str(Path(spec.accounts_file).parent) in mounted[0]
    offered = service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["resources"]
    assert json.loads(json.loads(offered.strip("'"))) == spec.hub_resources
    assert spec.budget != Budget() and not spec.open_on_loopback


@BOTH
def test_the_versions_are_those_of_the_lock(service: dict[str, Any]) -> None:
    version = service["spec"]["rayClusterConfig"]["rayVersion"]
    assert f"ray=={version}\n" in LOCK
    assert f'"ray[serve]=={version}"' in (DEPLOY / "Dockerfile").read_text()


@pytest.mark.parametrize("pod", PODS)
def test_pods_run_as_nobody_and_hold_no_secret(pod: dict[str, Any]) -> None:
    security = pod["spec"]["securityContext"]
    assert security["runAsNonRoot"] and security["runAsUser"] >= 10000
    assert pod["spec"]["automountServiceAccountToken"] is False
    for container in pod["spec"]["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {each["name"] for each in container.get("env", ())} <= {VARIABLE, "RAY_USAGE_STATS_ENABLED"}
    assert {volume["name"] for volume in pod["spec"]["volumes"]} >= {
        mount["name"] for container in pod["spec"]["containers"] for mount in container["volumeMounts"]
    }


@BOTH
def test_every_node_words_the_errors_of_its_proxy(service: dict[str, Any]) -> None:
    for pod in templates(service):
        assert {"name": VARIABLE, "value": FRONT} in pod["spec"]["containers"][0]["env"]
    assert (DEPLOY / "Dockerfile").read_text().count(f"{VARIABLE}={FRONT} ") == 2


def test_probes_of_health_wait_longer_than_it_may_take() -> None:
    probes = [
        container[kind]
        for pod in PODS
        for container in pod["spec"]["containers"]
        for kind in ("readinessProbe", "startupProbe", "livenessProbe")
        if kind in container
    ]
    assert probes
    assert all(each["httpGet"]["path"] == "/health" and each["timeoutSeconds"] > LIMIT_S for each in probes)


def test_only_the_servers_port_is_open_and_the_rest_to_ray_and_kuberay() -> None:
    (policy,) = manifests("network-policy.yaml")
    label = policy["spec"]["podSelector"]["matchLabels"]
    assert all(pod["metadata"]["labels"].items() >= label.items() for pod in PODS)
    to_all, to_ray, to_operator = policy["spec"]["ingress"]
    assert to_all == {"ports": [{"port": 8000}]}
    assert to_ray == {"from": [{"podSelector": {"matchLabels": label}}]}
    assert {each["port"] for each in to_operator["ports"]} == {8265, 52365} and to_operator["from"][0]["podSelector"]


def test_kustomizations_name_what_is_there_and_no_secret_is_written_down() -> None:
    for file in KUBERNETES.rglob("kustomization.yaml"):
        (kustomization,) = yaml.safe_load_all(file.read_text())
        assert all((file.parent / name).exists() for name in kustomization["resources"])
    kinds = [each["kind"] for file in KUBERNETES.rglob("*.yaml") for each in yaml.safe_load_all(file.read_text())]
    assert "Secret" not in kinds and len(kinds) == 7
    claimed = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in PODS
        for volume in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert claimed == {manifests("accounts.yaml")[0]["metadata"]["name"]}


def stages() -> dict[str, list[tuple[str, str]]]:
    """The steps of the Dockerfile by the names of its stages."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, list[tuple[str, str]]] = {}
    for line in filter(str.strip, text.splitlines()):
        match = STEP.match(line)
        assert match, f"no step: {line!r}"
        if match[1] == "FROM":
            _, name = match[2].split(" AS ")
            found[name] = []
        else:
            found[name].append((match[1], match[2].strip()))
    return found


def is_taken(path: str) -> bool:
    """Whether the build sees a file, by the last line of the ignore file that matches it or a folder above it."""
    taken = True
    for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines():
        pattern, keeps = line.removeprefix("!").removeprefix("**/"), line.startswith("!")
        parts = path.split("/")
        above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        if line and not line.startswith("#") and any(fnmatch.fnmatch(each, pattern) for each in above):
            taken = keeps
    return taken


@pytest.mark.parametrize(("name", "steps"), stages().items())
def test_an_image_holds_what_is_there_and_runs_as_nobody(name: str, steps: list[tuple[str, str]]) -> None:
    for step, rest in steps:
        if step == "COPY":
            *sources, _ = shlex.split(rest)
            assert all((ROOT / source).exists() and is_taken(source) for source in sources), rest
        if step in ("ENV", "ARG"):
            assert not re.search(r"(?i)key|token|secret|password", rest)
    assert [rest for step, rest in steps if step == "USER"][-1] == "10001"
    (health,) = [rest for step, rest in steps if step == "HEALTHCHECK"]
    assert float(re.search(r"--timeout=(\d+)s", health)[1]) > LIMIT_S
    assert ("EXPOSE", "8000") in steps


def test_images_take_the_rooms_and_nothing_of_whoever_builds_them() -> None:
    copied = {source for _, rest in stages()["cpu"] for source in rest.split()}
    assert {link.name for link in (ROOT / "ponder").iterdir() if link.is_symlink()} <= copied
    for path in (".git/config", ".env", "keys.toml", "runs/accounts.db", "tests/conftest.py"):
        assert not is_taken(path)


@pytest.mark.parametrize(("name", "steps"), stages().items())
def test_an_image_runs_what_the_command_line_knows(name: str, steps: list[tuple[str, str]]) -> None:
    from typer.main import get_command

    from ponder.cli import app

    (command,) = [json.loads(rest) for step, rest in steps if step == "CMD"]
    program, verb, folder, *options = command
    known = {option for knob in get_command(app).commands[verb].params for option in knob.opts}  # type: ignore[attr-defined]
    assert (program, folder) == ("ponder", "/etc/ponder/pipelines")
    assert set(options[::2]) <= known


def told() -> Iterator[list[str]]:
    for block in BASH.findall((ROOT / "docs" / "deploy.md").read_text()):
        for line in filter(str.strip, block.replace("\\\n", " ").splitlines()):
            yield shlex.split(line, comments=True)


@pytest.mark.parametrize("command", told(), ids=" ".join)
def test_commands_on_the_page_name_what_is_there(command: list[str]) -> None:
    assert command[0] in ("docker", "kubectl", "helm")
    for option, value in pairwise(command):
        if option in ("-f", "-k"):
            assert (ROOT / value).exists(), value
        if option == "--target":
            assert value in stages()
