"""What a connection writes together leaves together, and a head without end is cut."""

import asyncio
import socket
from urllib.parse import urlsplit

import pytest
from serving import serving, single

from ponder.orchestrator.server.connection import MOST_HEAD, MOST_HELD, GatheredWrites


async def joined() -> tuple[GatheredWrites, socket.socket]:
    """A connection, and the socket at its other end."""
    near, far = socket.socketpair()
    far.setblocking(False)
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=near)
    return GatheredWrites(transport), far


async def test_what_is_written_in_one_turn_of_the_loop_is_sent_at_its_end_and_at_once() -> None:
    writes, far = await joined()
    writes.write(b"head")
    writes.write(b"body")
    with far, pytest.raises(BlockingIOError):
        far.recv(100)
    writes, far = await joined()
    writes.write(b"head")
    writes.write(b"body")
    await asyncio.sleep(0)
    with far:
        assert far.recv(100) == b"headbody"
    writes.close()


async def test_much_is_sent_without_waiting_for_the_end_of_the_turn() -> None:
    writes, far = await joined()
    writes.write(b"a" * MOST_HELD)
    with far:
        assert far.recv(MOST_HELD) == b"a" * MOST_HELD
    writes.close()


async def test_a_connection_that_closes_sends_what_is_held_first() -> None:
    writes, far = await joined()
    writes.write(b"last words")
    writes.close()
    with far:
        assert far.recv(100) == b"last words"
        await asyncio.sleep(0.01)
        assert far.recv(100) == b""


async def test_what_is_held_when_the_client_has_left_is_let_go_of() -> None:
    writes, far = await joined()
    far.close()
    writes.write(b"too late")
    writes.abort()
    await asyncio.sleep(0.01)
    assert writes.is_closing()


async def test_what_is_flushed_leaves_at_once_and_only_once() -> None:
    writes, far = await joined()
    writes.write(b"whole")
    writes.flush()
    with far:
        assert far.recv(100) == b"whole"
        await asyncio.sleep(0)
        with pytest.raises(BlockingIOError):
            far.recv(100)
    writes.close()


def test_a_head_without_end_is_cut_and_a_long_one_is_read() -> None:
    with serving([single("one")]) as server:
        address = urlsplit(server.url)
        for size, status in ((MOST_HEAD // 2, b"200"), (1 << 20, b"431")):
            with socket.create_connection((address.hostname, address.port), timeout=10) as near:
                near.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: ")
                try:
                    for _ in range(size >> 12):
                        near.sendall(b"a" * 4096)
                    near.sendall(b"\r\n\r\n")
                except ConnectionError:
                    assert status == b"431"
                assert near.recv(100).split(b" ")[1] == status
