"""The attacks are real: where the wall that stops one is not there, it gets through."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sandbox_host import HERE, START, Host, attacked_host, reports

from ponder.verifiers.sandbox.walls import bubblewrap

BARE = [
    *(
        f"attacks_on_the_host.{name}"
        for name in (
            "environment_inherited",
            "environment_in_memory",
            "environment_of_the_parent",
            "descriptors_inherited",
            "kernel_told_by_proc",
            "kernel_told_by_sys",
            "load_of_the_host",
            "name_of_the_host",
            "other_processes",
            "passwords",
            "homes",
            "secret_file",
            "secret_file_by_dots",
            "repository",
            "packages_that_are_installed",
            "folder_of_the_host",
            "tcp_to_the_host",
            "udp_to_the_host",
            "abstract_socket_of_the_host",
            "socket_file_of_the_host",
            "pair_led_to_the_host",
            "other_families",
            "interfaces",
            "name_service",
        )
    ),
    *(
        f"attacks_on_the_kernel.{name}"
        for name in (
            "limits_missing",
            "child_forked",
            "child_spawned",
            "program_from_memory",
            "memory_of_system_five",
            "watching_files",
            "descriptors_of_processes",
            "timers",
            "another_program",
        )
    ),
]
# A sandbox as it is often written: no filter of system calls, /proc, and bubblewrap with the caller's environment.
USUAL = "--unshare-all --clearenv --die-with-parent --new-session --cap-drop ALL --proc /proc --dev /dev --tmpfs /tmp"
IN_THE_USUAL = [
    "attacks_on_the_host.environment_of_the_first_process",
    "attacks_on_the_host.root_by_proc",
    "attacks_on_the_host.name_of_the_host",
    "attacks_on_the_host.times_of_devices",
    "attacks_on_the_host.pipe_with_a_name",
    "attacks_on_the_host.program_of_ones_own",
    "attacks_on_the_kernel.child_by_clone3",
    "attacks_on_the_kernel.program_from_memory",
    "attacks_on_the_kernel.own_settings_by_prctl",
    "attacks_on_the_kernel.timers",
    "attacks_on_the_kernel.user_namespace",
]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with attacked_host(tmp_path_factory.mktemp("host")) as host:
        yield host


def attacked(host: Host, names: list[str], wrapped: list[str]) -> dict[str, str]:
    """What attacks come to in a process that inherits a pipe and an environment with a key."""
    inherited, _ = os.pipe()
    done = subprocess.run(
        [*wrapped, sys.executable, "-c", START.format(str(HERE)), host.told, *names],
        env={**os.environ, "PONDER_KEY": "CANARY-in-the-environment"},
        pass_fds=[inherited],
        capture_output=True,
        timeout=60,
    )
    os.close(inherited)
    return reports(done.stdout)


def in_the_usual() -> list[str]:
    """The usual sandbox; the attacks are shown in it even where they lie in a folder that it hides."""
    here, packages = str(HERE), sys.prefix
    shown = ["--ro-bind", here, here, "--ro-bind", packages, packages]
    return [bubblewrap(), "--ro-bind", "/", "/", *USUAL.split(), *shown]


def test_a_bare_process_lets_them_through(host: Host) -> None:
    found = attacked(host, BARE, [])
    assert [name for name in BARE if not found.get(name, "no report").startswith("achieved")] == []
    assert host.secret in found["attacks_on_the_host.secret_file"]
    assert Path(json.loads(host.told)["folder"], "written").exists()
    assert len(host.hits()) == 5


def test_the_usual_sandbox_lets_some_through(host: Host) -> None:
    found = attacked(host, IN_THE_USUAL, in_the_usual())
    assert [name for name in IN_THE_USUAL if not found.get(name, "no report").startswith("achieved")] == []


@pytest.mark.parametrize(
    ("name", "enough"), [("children", 20), ("files_without_content", 5000), ("space_of_shared_memory", 20)]
)
def test_the_usual_sandbox_bounds_no_flood(host: Host, name: str, enough: int) -> None:
    told = {**json.loads(host.told), "enough": enough}
    found = attacked(replace(host, told=json.dumps(told)), [f"floods.{name}"], in_the_usual())
    assert found[f"floods.{name}"] == f"achieved: {enough}"
