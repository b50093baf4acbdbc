"""Where code that a model wrote runs: alone, with nothing of this machine but Python, and never without these walls.

::

    check_sandbox()                                   raises UsageError with the remedy where there is no sandbox here
    ran = await run("print(int(input()) + 1)", stdin=b"41", limits=Limits(wall_s=2))
    ran.status, ran.stdout                            "done", b"42\\n"

    async with opened(HARNESS, limits=Limits()) as session:        HARNESS is Python source
        await session.send(b'{"call": [1, 2]}')                    one line, no newline in it
        reply = await session.receive()                            one line without its newline, or None
        if reply is None:
            why = await session.end()                              a Ran: timeout, memory, crashed, ...

A harness reads its requests, a line each, from file descriptor `REQUESTS` and writes its replies to `REPLIES`; what the
program prints goes elsewhere. Whatever comes out of a sandbox was written by the program: parse it as hostile, compare
it out here, and never send in what it should not know.

Programs run on the Python that runs ponder, with its standard library and nothing else; `readable` adds folders to
read and to import from. `files` are put in `/tmp`, the working folder. Hash seeds are fixed. As many sandboxes run at a
time as this process has processor cores, in the order asked; any thread and event loop may ask. Cancelling kills the
sandbox and waits for its end.
"""

from __future__ import annotations

from .check import check_sandbox
from .limits import Limits, Ran
from .program import run
from .session import REPLIES, REQUESTS, Session, opened

__all__ = ["REPLIES", "REQUESTS", "Limits", "Ran", "Session", "check_sandbox", "opened", "run"]
