"""How a sandbox is spawned: what it inherits, and the pipes through which it is heard."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ...orchestrator.errors import UsageError
from .descriptors import pipe, sealed
from .limits import Limits
from .seccomp import compiled
from .users import two_users
from .walls import AS_ROOT, AS_USER, FOLDER, python, walls

INODES = 4096


@dataclass(frozen=True, slots=True)
class Program:
    """What is to run: Python source, its input and arguments, files for `/tmp`, and what it may read besides.

    A harness has a channel of two pipes, and neither input nor output.
    """

    source: str
    stdin: bytes = b""
    argv: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    readable: Sequence[Path] = ()
    is_harness: bool = False


@dataclass(slots=True)
class Pipes:
    """Our ends of the pipes to and from a sandbox, and what it inherits of the others.

    Args:
        ours: closes our ends.
        theirs: closes the inherited ones, here.
    """

    ours: ExitStack
    theirs: ExitStack
    inherited: list[int] = field(default_factory=list)

    def given(self, content: bytes) -> int:
        """A file to read, as a descriptor over there."""
        return self._inherited(sealed(content))

    def heard(self) -> tuple[BinaryIO, int]:
        """A pipe from over there: our end, and theirs as a descriptor."""
        reading, writing = pipe()
        return self.ours.enter_context(reading), self._inherited(writing)

    def told(self) -> tuple[BinaryIO, int]:
        """A pipe to over there: our end, and theirs as a descriptor."""
        reading, writing = pipe()
        return self.ours.enter_context(writing), self._inherited(reading)

    def runner(self) -> int:
        """This process, as a descriptor over there that tells when it has ended."""
        self.inherited.append(os.pidfd_open(os.getpid()))
        self.theirs.callback(os.close, self.inherited[-1])
        return self.inherited[-1]

    def _inherited(self, file: BinaryIO) -> int:
        self.inherited.append(self.theirs.enter_context(file).fileno())
        return self.inherited[-1]


@dataclass(slots=True)
class Spawned:
    """bubblewrap, and our ends of the pipes.

    Args:
        process: bubblewrap.
        stdout: what the program prints.
        stderr: what it complains of, and bubblewrap before it.
        about: bubblewrap tells which process it started, as a line of JSON.
        guard: a line comes when the limits are set and the program is next, and another with its exit code.
        requests: to a harness.
        replies: from a harness.
    """

    process: subprocess.Popen[bytes]
    stdout: BinaryIO
    stderr: BinaryIO
    about: BinaryIO
    guard: BinaryIO
    requests: BinaryIO | None = None
    replies: BinaryIO | None = None


def spawn(program: Program, limits: Limits, ours: ExitStack) -> Spawned:
    """Start a sandbox. It inherits no environment, and no descriptors but those made here.

    Args:
        program: what to run.
        limits: what it may use.
        ours: closes our ends.

    Raises:
        UsageError: bubblewrap or libseccomp is missing, or the program asks for what cannot be given.
    """
    _check(program)
    with ExitStack() as theirs:
        pipes = Pipes(ours, theirs)
        (stdout, out), (stderr, err), (about, info), (guard, told) = (pipes.heard() for _ in range(4))
        pipes.inherited.append(about.fileno())  # or bubblewrap would die, if we did, and leave what it has started
        settings = {**_numbers(limits), "told": told, "runner": pipes.runner()}
        options = ["--json-status-fd", str(info)]
        requests = replies = None
        if os.geteuid() == 0:
            pipes.inherited.append(users := ours.enter_context(two_users()))
            options += ["--userns", str(users), *AS_ROOT.split()]
        else:
            options += AS_USER.split()
        if program.is_harness:
            requests, settings["requests"] = pipes.told()
            replies, settings["replies"] = pipes.heard()
        settings["program"] = pipes.given(program.source.encode(errors="surrogatepass"))
        settings["filter"] = pipes.given(compiled(limits.processes > 1))
        for name, content in program.files.items():
            options += ["--perms", "0666", "--file", str(pipes.given(content)), f"{FOLDER}/{name}"]
        stdin = pipes.given(program.stdin)
        settings["last_fd"] = max(pipes.inherited)
        process = subprocess.Popen(
            [
                *walls(limits.files_mib << 20, program.readable),
                *options,
                *python(),
                *(f"{name}={value}" for name, value in settings.items()),
                *(*(str(folder) for folder in program.readable), "--", *program.argv),
            ],
            env={},
            stdin=stdin,
            stdout=out,
            stderr=err,
            pass_fds=pipes.inherited,
        )
    return Spawned(process, stdout, stderr, about, guard, requests, replies)


def _numbers(limits: Limits) -> dict[str, int]:
    """What the launcher sets, in its own units."""
    return {
        "memory": limits.memory_mib << 20,
        "cpu_s": limits.cpu_s,
        "tasks": limits.threads if limits.processes == 1 else limits.processes,
        "file_bytes": limits.files_mib << 20,
        "inodes": INODES,
    }


def _check(program: Program) -> None:
    for name in program.files:
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise UsageError(f"a file of a sandbox must have a plain name, got {name!r}; files lie in /tmp, unnested")
    for argument in program.argv:
        if "\0" in argument:
            raise UsageError(f"an argument must hold no NUL character, got {argument!r}; hand it over as input")
