"""What the tests of the sandbox share: a host worth attacking, attacks run in the sandbox, processes looked for."""

from __future__ import annotations

import ctypes
import json
import re
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ponder.verifiers.sandbox import Limits, Ran, run

HERE = Path(__file__).parent
MODULES = ("attack_helpers", "attacks_on_the_host", "attacks_on_the_kernel", "floods")
FILES = {f"{module}.py": (HERE / f"{module}.py").read_bytes() for module in MODULES}
START = "import sys; sys.path.insert(0, {!r}); import attack_helpers; attack_helpers.main()"


def attacks_in(module: str) -> list[str]:
    """The names of a module's attacks."""
    found = re.findall(rb"^def ([a-z]\w*)\((?:|\w+=.*)\):", FILES[f"{module}.py"], re.M)
    return [f"{module}.{name.decode()}" for name in found]


@dataclass(frozen=True)
class Host:
    """A host with listeners, a secret file and a name to be found by.

    Args:
        marker: stands on the command line of every process of its sandboxes, and nowhere else.
        secret: what its secret file holds.
        told: what attacks are told, as JSON.
        listeners: sockets that nobody should reach.
    """

    marker: str
    secret: str
    told: str
    listeners: tuple[socket.socket, ...]

    def hits(self) -> list[str]:
        """The listeners that something has reached."""
        return [str(listener) for listener in self.listeners if _is_reached(listener)]

    async def attack(self, names: Sequence[str], limits: Limits | None = None) -> tuple[Ran, dict[str, str]]:
        """Run attacks in one sandbox: how it ended, and what each attack came to."""
        ran = await run(START.format("/tmp"), files=FILES, argv=[self.told, *names], limits=limits)
        return ran, reports(ran.stdout)

    def processes(self) -> list[int]:
        """The processes of its sandboxes that are there."""
        return processes_with(self.marker)


def reports(output: bytes) -> dict[str, str]:
    """What attacks said of themselves, of what else they printed."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        if line.startswith(b'{"') and line.endswith(b'"}'):
            found.update(json.loads(line))
    return found


def processes_with(marker: str) -> list[int]:
    """The processes that have a text on their command line, this one aside."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_until_gone(marker: str, within_s: float = 10.0) -> list[int]:
    """The processes with a text on their command line that are still there after a while."""
    deadline = time.monotonic() + within_s
    while (left := processes_with(marker)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


@contextmanager
def attacked_host(folder: Path) -> Iterator[Host]:
    """A host with its listeners open; `folder` holds its files."""
    token, secret = secrets.token_hex(8), f"SECRET-{secrets.token_hex(8)}"
    (folder / "secret").write_text(secret)
    with ExitStack() as opened:
        tcp = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        udp, abstract, stream, datagrams = (
            opened.enter_context(socket.socket(family, kind))
            for family, kind in (
                (socket.AF_INET, socket.SOCK_DGRAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_STREAM),
                (socket.AF_UNIX, socket.SOCK_DGRAM),
            )
        )
        udp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0ponder-{token}")
        stream.bind(str(folder / "stream"))
        datagrams.bind(str(folder / "datagrams"))
        for listener in (abstract, stream):
            listener.listen()
        told = {
            "marker": f"marker-{token}",
            "calls": call_numbers(),
            "hostname": socket.gethostname(),
            "secret": str(folder / "secret"),
            "folder": str(folder),
            "repository": str(HERE.parents[2]),
            "tcp": tcp.getsockname()[1],
            "udp": udp.getsockname()[1],
            "abstract": f"ponder-{token}",
            "socket": str(folder / "stream"),
            "datagrams": str(folder / "datagrams"),
        }
        yield Host(f"marker-{token}", secret, json.dumps(told), (tcp, udp, abstract, stream, datagrams))


def call_numbers() -> dict[str, int]:
    """The numbers that system calls have on this machine, of all that attacks name."""
    library = ctypes.CDLL("libseccomp.so.2")
    words = set(re.findall(rb'"(\w+)"', b"".join(FILES.values())))
    numbers = {word.decode(): library.seccomp_syscall_resolve_name(word) for word in words}
    return {name: number for name, number in numbers.items() if number >= 0}


def _is_reached(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(1)
    except BlockingIOError:
        return False
    return True
