"""Starts and stops the process vLLM computes in: its own environment, its own log, and nothing left behind.

vLLM is told what to do by environment variables of the whole process and reports failures on its console. Here a
core is started in a short window in which those variables are set and the multiprocessing executable is a launcher
script; the window closes as soon as the core's process exists. So two engines in one process run on different processor
cores, the caller's environment stays as it was, the console quiet, and what a core said is at hand when it fails.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import multiprocessing
import multiprocessing.resource_tracker
import multiprocessing.spawn
import os
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ..errors import EngineRefused, EngineUnavailable

POLL_S = 0.02
CLOSE_S = 3.0
CORE_NAME = "EngineCore"
SPAWNING = threading.Lock()
"""Held while the process-wide settings of a window are in place."""

QUIET = {
    "VLLM_LOGGING_LEVEL": "CRITICAL",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True, slots=True)
class Launch:
    """What a core is started with.

    Args:
        arguments: of vLLM's `AsyncEngineArgs`; `pooler_config` as a plain mapping.
        parent: environment variables while vLLM reads them, in this process and the core's.
        child: environment variables of the core's process alone.
        timeout_s: seconds until it must be ready.
    """

    arguments: Mapping[str, Any]
    parent: Mapping[str, str]
    child: Mapping[str, str]
    timeout_s: float


class Core:
    """A running vLLM: the client in this process and the process it computes in."""

    def __init__(self, llm: Any, processes: list[BaseProcess], folder: Path) -> None:
        self.llm: Any = llm
        self.processes = processes
        self._folder = folder

    @property
    def is_dead(self) -> bool:
        return self.llm is None or bool(self.llm.errored) or not all(process.is_alive() for process in self.processes)

    def kill(self) -> None:
        """End the process at once; calls in flight fail."""
        for process in self.processes:
            if process.is_alive():
                process.kill()

    def fail_pending(self) -> None:
        """Fail the calls in flight, which would otherwise wait for a client that is about to be closed."""
        from vllm.v1.engine.exceptions import EngineDeadError

        self.llm.output_processor.propagate_error(EngineDeadError())

    def last_words(self) -> str:
        """The last error the process logged; empty where it logged none."""
        return _last_words(self._folder)

    async def close(self) -> None:
        """Stop the process and wait until it is gone."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        try:
            self.llm.shutdown(timeout=CLOSE_S)
        finally:
            self.kill()
            for process in self.processes:
                process.join(CLOSE_S)
            shutil.rmtree(self._folder, ignore_errors=True)
            self.llm = None
            gc.collect()  # vLLM's client is cyclic, and complains when Python takes it apart at exit


class _Window:
    """The time in which this process is set up for the start of one core. `close` may be called more than once."""

    def __init__(self, launch: Launch, folder: Path) -> None:
        self._environment = dict(os.environ)
        self._python = multiprocessing.spawn.get_executable()
        main = sys.modules["__main__"]
        self._main: dict[str, Any] = {
            name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__
        }
        self._closing = threading.Lock()
        self._is_open = True
        multiprocessing.resource_tracker.ensure_running()
        os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
        os.environ.update(launch.parent)
        if "VLLM_LOGGING_LEVEL" not in self._environment:
            multiprocessing.set_executable(
                str(_launcher(folder, launch.child, os.fsdecode(self._python or sys.executable)))
            )
        else:
            os.environ.update(launch.child)
        # A spawned process runs the caller's script again unless it cannot find it; vLLM's core has no use for it.
        main.__dict__.pop("__file__", None)
        main.__dict__["__spec__"] = None

    def close(self) -> None:
        with self._closing:
            if not self._is_open:
                return
            self._is_open = False
            sys.modules["__main__"].__dict__.update(self._main)
            multiprocessing.set_executable(self._python or sys.executable)
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)
            SPAWNING.release()


async def start(launch: Launch) -> Core:
    """Start a core and wait until it is ready.

    Raises:
        EngineRefused: vLLM is not installed, or will never run this.
        EngineUnavailable: the core failed to start, or not in time.
    """
    folder = Path(tempfile.mkdtemp(prefix="ponder-vllm-"))
    try:
        async with asyncio.timeout(launch.timeout_s):
            return await _build(launch, folder)
    except BaseException as error:
        raised = _explained(error, launch, folder)
        shutil.rmtree(folder, ignore_errors=True)
        raise raised from (None if raised is error else error)


def _explained(error: BaseException, launch: Launch, folder: Path) -> BaseException:
    """The error ponder raises for one of a start."""
    said, model = _last_words(folder), launch.arguments["model"]
    if isinstance(error, TimeoutError):
        hint = said or "raise start_timeout_s if the machine is busy or the model large"
        return EngineUnavailable(
            f"vLLM must be ready within {launch.timeout_s:g} s for {model!r}; {hint}", is_free=True
        )
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] == "vllm":
        return EngineRefused(
            'the vllm engine needs vLLM, which is not installed; run: pip install "ponder[cpu]" on a machine '
            'without a GPU, pip install "ponder[vllm]" on one with'
        )
    if isinstance(error, (ImportError, OSError, ValueError)):
        reason = " ".join(str(error).split())[:500]
        return EngineRefused(f"vLLM cannot run {model!r} as asked: {reason}")
    if isinstance(error, Exception):
        return EngineUnavailable(f"vLLM could not start {model!r}: {said or error}", is_free=True)
    return error


async def _build(launch: Launch, folder: Path) -> Core:
    while not SPAWNING.acquire(blocking=False):
        await asyncio.sleep(POLL_S)
    before = set(multiprocessing.active_children())
    try:
        window = _Window(launch, folder)
    except BaseException:
        SPAWNING.release()
        raise
    made: list[Any] = []
    processes: list[BaseProcess] = []
    building = asyncio.get_running_loop().run_in_executor(None, _construct, launch.arguments, window, made)

    async def spawned() -> None:
        while not building.done() and not processes:
            await asyncio.sleep(POLL_S)
            processes.extend(p for p in set(multiprocessing.active_children()) - before if p.name.startswith(CORE_NAME))
        window.close()

    try:
        await spawned()
        await asyncio.shield(building)
        return Core(made.pop(), processes, folder)
    except BaseException:
        await spawned()
        for process in processes:
            process.kill()
        await asyncio.wait([building])
        for llm in made:
            llm.shutdown(timeout=0)
        raise


def _construct(arguments: Mapping[str, Any], window: _Window, made: list[Any]) -> None:
    """Put into `made` the client, which starts the core and waits for it. Blocking."""
    if "TORCH_LOGS" not in os.environ:
        logging.getLogger("torch._library.triton").setLevel(logging.ERROR)
    try:
        from vllm.config import PoolerConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        pooler = arguments.get("pooler_config")
        known = {**arguments, "pooler_config": PoolerConfig(**pooler)} if pooler else arguments
        made.append(AsyncLLM.from_engine_args(AsyncEngineArgs(**known)))
    finally:
        window.close()


def _launcher(folder: Path, environment: Mapping[str, str], python: str) -> Path:
    """A script that starts Python with its own environment variables and a log in place of the console."""
    own = {"VLLM_LOGGING_LEVEL": "ERROR", **environment}
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in own.items())
    script = folder / "python"
    log = shlex.quote(str(folder / "log"))
    script.write_text(f'#!/bin/sh\nexec env {settings} {shlex.quote(python)} "$@" >>{log} 2>&1\n')
    script.chmod(0o700)
    return script


def _last_words(folder: Path) -> str:
    """The last line of the log that names an error, without its decoration."""
    try:
        lines = (folder / "log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    errors = [line for line in lines if "Error" in line and "rror: " in line]
    return errors[-1].split("] ")[-1].strip()[:500] if errors else ""
