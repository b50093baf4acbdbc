"""Every known attack on the sandbox is held, whoever asks; `test_sandbox_as_user.py` runs this as an ordinary user."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from sandbox_host import Host, attacked_host, attacks_in

from ponder.verifiers.sandbox import Limits, Ran

SINGLE = [*attacks_in("attacks_on_the_host"), *attacks_in("attacks_on_the_kernel")]
BATCH = 26
TIGHT = {"wall_s": 5.0, "cpu_s": 2, "memory_mib": 128, "files_mib": 8, "reply_bytes": 1 << 16}


@dataclass(frozen=True)
class Flood:
    """How a flood may end, how much it may get, and with what limits other than the tight ones."""

    ends: tuple[str, ...]
    most: int = 0
    limits: tuple[tuple[str, float], ...] = ()


BRIEF = (("wall_s", 0.5),)
BUSY = (("cpu_s", 1),)
FAMILY = (("processes", 4),)
FLOODS = {
    "children": Flood(("done",)),
    "children_of_children": Flood(("done",), 3, FAMILY),
    "zombies": Flood(("done",), 3, FAMILY),
    "threads": Flood(("done",), 15),
    "memory": Flood(("done", "memory"), 128),
    "memory_in_small_pieces": Flood(("done", "memory")),
    "shared_memory": Flood(("done", "memory"), 128),
    "memory_with_raised_limit": Flood(("done", "memory"), 128),
    "memory_of_threads": Flood(("done", "memory", "crashed"), 128),
    "memory_of_pipes": Flood(("done",), 8),
    "space": Flood(("done",), 8),
    "space_of_shared_memory": Flood(("done",), 8),
    "space_of_both": Flood(("done",), 8),
    "one_large_file": Flood(("done",), 8),
    "sparse_file": Flood(("done",), 8),
    "allocated_file": Flood(("done",), 8),
    "files_without_content": Flood(("done",), 4096),
    "folders_in_folders": Flood(("done",), 4096),
    "links_to_one_file": Flood(("done",), 4096),
    "symbolic_links": Flood(("done",), 4096),
    "open_files": Flood(("done",), 64),
    "record_locks": Flood(("done", "timeout"), 1_000_000, BUSY),
    "output": Flood(("too_much_output",)),
    "output_to_itself_only": Flood(("too_much_output",)),
    "complaints": Flood(("timeout",), limits=BRIEF),
    "huge_json": Flood(("too_much_output",)),
    "deep_json": Flood(("too_much_output",)),
    "busy": Flood(("timeout",), limits=BUSY),
    "busy_in_c": Flood(("timeout",), limits=BUSY),
    "busy_at_exit": Flood(("timeout",), limits=BUSY),
    "thread_that_stays": Flood(("timeout",), limits=BRIEF),
    "sleeping": Flood(("timeout",), limits=BRIEF),
    "deaf": Flood(("timeout",), limits=BRIEF),
    "storm_of_signals": Flood(("timeout",), limits=BRIEF),
    "killing_everyone": Flood(("crashed",)),
    "signalling_the_first": Flood(("done",), 64),
    "stopping_oneself": Flood(("timeout",), limits=BRIEF),
    "closing_everything": Flood(("timeout",), limits=BRIEF),
    "stack_of_c": Flood(("crashed", "memory"), limits=(("memory_mib", 512),)),
    "stack_of_python": Flood(("crashed", "memory", "done", "timeout")),
    "nested_source": Flood(("crashed", "memory", "done")),
    "wild_pointer": Flood(("crashed",)),
    "core_dump": Flood(("crashed",)),
    "daemon": Flood(("done",), limits=FAMILY),
    "child_that_keeps_printing": Flood(("done", "too_much_output"), limits=FAMILY),
    **(
        dict.fromkeys(("calls_of_32_bits", "calls_of_x32"), Flood(("crashed",)))
        if platform.machine() == "x86_64"
        else {}
    ),
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with pytest.MonkeyPatch.context() as environment, attacked_host(tmp_path_factory.mktemp("host")) as host:
        environment.setenv("PONDER_KEY", "CANARY-in-the-environment")
        yield host


@pytest.fixture(scope="module")
def came_to(host: Host) -> dict[str, tuple[Ran, str]]:
    """How every attack ended and what it came to; all are run, a few at a time."""

    async def everything() -> list[tuple[Ran, dict[str, str]]]:
        batches = [host.attack(SINGLE[start : start + BATCH]) for start in range(0, len(SINGLE), BATCH)]
        floods = [
            host.attack([f"floods.{name}"], Limits(**{**TIGHT, **dict(flood.limits)})) for name, flood in FLOODS.items()
        ]
        return await asyncio.gather(*batches, *floods)

    ended = asyncio.run(everything())
    batched = -(-len(SINGLE) // BATCH)
    found = {
        name: (ended[place // BATCH][0], ended[place // BATCH][1].get(name, "no report"))
        for place, name in enumerate(SINGLE)
    }
    for name, (ran, reports) in zip(FLOODS, ended[batched:], strict=True):
        found[name] = (ran, reports.get(f"floods.{name}", "no report"))
    return found


def test_the_attacks_are_many() -> None:
    assert len(SINGLE) + len(FLOODS) >= 60
    assert len(set(SINGLE)) == len(SINGLE)


@pytest.mark.parametrize("name", SINGLE)
def test_is_refused(name: str, came_to: dict[str, tuple[Ran, str]]) -> None:
    ran, verdict = came_to[name]
    assert verdict.startswith("refused"), (verdict, ran.status, ran.stderr)


@pytest.mark.parametrize("name", FLOODS)
def test_is_bounded(name: str, came_to: dict[str, tuple[Ran, str]]) -> None:
    ran, verdict = came_to[name]
    assert ran.status in FLOODS[name].ends, (verdict, ran)
    assert not verdict.startswith("broken"), verdict
    if verdict.startswith("achieved"):
        assert int(verdict.partition(": ")[2]) <= FLOODS[name].most
    assert len(ran.stdout) <= TIGHT["reply_bytes"]
    assert len(ran.stderr) <= 8192


def test_no_listener_was_reached(host: Host, came_to: dict[str, tuple[Ran, str]]) -> None:
    assert host.hits() == []


def test_no_secret_was_seen(host: Host, came_to: dict[str, tuple[Ran, str]]) -> None:
    seen = b"".join(ran.stdout + ran.stderr for ran, _ in came_to.values())
    assert b"CANARY" not in seen
    assert host.secret.encode() not in seen


def test_nothing_is_left(host: Host, came_to: dict[str, tuple[Ran, str]]) -> None:
    assert host.processes() == []
