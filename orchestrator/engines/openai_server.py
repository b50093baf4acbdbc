"""One HTTP session to one server: bytes out, bytes in, within hard limits of time and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..errors import EngineUnavailable
from .openai_errors import Address, unreachable
from .time_limit import TimeLimit

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

BODY_LIMIT = 32 << 20
KEEP_ALIVE_S = 4.0
"""Below the 5 s after which uvicorn closes an idle connection: one closed as a request goes out loses that request."""


class NotOK(Exception):
    """An answer whose status is not 200."""

    def __init__(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        self.raw = raw


class Server:
    """An open session. Cancelling a call closes its connection, so that the server can stop the work.

    Args:
        address: where, and with which key.
        connections: most connections at once.
        timeout_s: seconds for a whole call, from waiting for a connection to the last byte.
        connect_timeout_s: seconds to make a connection.
    """

    def __init__(self, address: Address, connections: int, timeout_s: float, connect_timeout_s: float) -> None:
        import aiohttp
        from yarl import URL

        self.address = address
        self._limit = TimeLimit(timeout_s)
        self._connect_timeout_s = connect_timeout_s
        self._payload = aiohttp.BytesPayload
        self._base = URL(address.base_url)
        headers = {"Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": "ponder"}
        if address.key:
            headers["Authorization"] = f"Bearer {address.key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            auto_decompress=False,
        )

    def url(self, path: str) -> URL:
        """A route below the base, e.g. ``chat/completions``."""
        return self._base / path

    def root(self, path: str) -> URL:
        """A route that stands beside the base's version, e.g. vLLM's ``pooling``."""
        base = self._base.parent if self._base.name == "v1" else self._base
        return base / path

    async def post(self, url: URL, body: bytes) -> bytes:
        """The body of a good answer.

        Raises:
            NotOK: the status is not 200.
            EngineUnavailable: no whole answer came in time.
            EngineRefused: the server's certificate is not valid.
        """
        try:
            with self._limit:
                return await _whole(await self._session.post(url, data=self._payload(body), allow_redirects=False))
        except (OSError, TimeoutError, self._broken) as error:
            raise unreachable(error, self.address, self._limit.seconds, self._connect_timeout_s) from None

    async def stream(self, url: URL, body: bytes, take: Callable[[bytes], None]) -> None:
        """Give `take` the parts of a good answer as they come.

        Raises:
            NotOK: the status is not 200.
            EngineUnavailable: as for `post`.
            EngineRefused: as for `post`.
        """
        try:
            with self._limit:
                answer = await self._session.post(url, data=self._payload(body), allow_redirects=False)
                if answer.status != 200:
                    raise NotOK(answer.status, answer.headers, await _whole(answer))
                await _parts(answer, take)
        except (OSError, TimeoutError, self._broken) as error:
            raise unreachable(error, self.address, self._limit.seconds, self._connect_timeout_s) from None

    async def get(self, url: URL) -> bytes:
        """The same with no body sent."""
        try:
            with self._limit:
                return await _whole(await self._session.get(url, allow_redirects=False))
        except (OSError, TimeoutError, self._broken) as error:
            raise unreachable(error, self.address, self._limit.seconds, self._connect_timeout_s) from None

    async def close(self) -> None:
        """Close every connection."""
        self._limit.close()
        await self._session.close()

    @property
    def _broken(self) -> type[Exception]:
        import aiohttp

        return aiohttp.ClientError


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer; its connection goes back to the pool when the last byte is read, or is closed."""
    content = answer.content
    try:
        raw = await content.read(BODY_LIMIT)
        if not content.at_eof():
            raw = await _rest(content, raw)
    except BaseException:
        answer.close()
        raise
    if answer.status != 200:
        raise NotOK(answer.status, answer.headers, raw)
    return raw


async def _rest(content: aiohttp.StreamReader, first: bytes) -> bytes:
    parts, size = [first], len(first)
    while part := await content.read(BODY_LIMIT):
        parts.append(part)
        size += len(part)
        _check_size(size)
    return b"".join(parts)


async def _parts(answer: aiohttp.ClientResponse, take: Callable[[bytes], None]) -> None:
    size = 0
    try:
        async for part in answer.content.iter_any():
            size += len(part)
            _check_size(size)
            take(part)
    except BaseException:
        answer.close()
        raise


def _check_size(size: int) -> None:
    if size > BODY_LIMIT:
        raise EngineUnavailable(
            f"the server must answer in at most {BODY_LIMIT >> 20} MiB, but went on; "
            "lower max_tokens or check what stands at base_url"
        )
