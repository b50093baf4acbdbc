"""What a program in the sandbox may use, and how it came to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["done", "timeout", "memory", "crashed", "too_much_output"]


class Limits(BaseModel):
    """What a program may use. A program at a limit is ended, or its call fails; nothing outside it is touched.

    Args:
        wall_s: seconds from start to end; in a session, seconds for one exchange.
        cpu_s: processor seconds, of each process; one more where it ignores the signal.
        memory_mib: address space of each process, in MiB.
        processes: most processes. At 1 the program can start none, so `memory_mib` bounds it whole; above 1 every
            thread counts as a process, and each process may hold `memory_mib`.
        threads: most threads where `processes` is 1, the first included.
        files_mib: space for files, in MiB of memory, over `/tmp` and `/dev/shm` together.
        reply_bytes: most bytes read from the program's output; in a session, of one line. A program that writes more
            is ended.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_s: float = Field(default=10.0, gt=0, le=3600, allow_inf_nan=False)
    cpu_s: int = Field(default=10, ge=1, le=3600)
    memory_mib: int = Field(default=512, ge=64, le=1 << 20)
    processes: int = Field(default=1, ge=1, le=64)
    threads: int = Field(default=16, ge=1, le=256)
    files_mib: int = Field(default=64, ge=1, le=1 << 16)
    reply_bytes: int = Field(default=1 << 20, ge=1, le=1 << 28)


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program came to its end.

    Args:
        status: ``done`` where it ended by itself with exit code 0; ``timeout`` at `wall_s` or `cpu_s`; ``memory`` where
            it ended for want of memory; ``too_much_output`` past `reply_bytes`; ``crashed`` for any other end.
        stdout: what it printed; cut at `reply_bytes` where that was too much. Always empty in a session.
        stderr: the end of what it wrote there, 8 KiB at most.
        exit_code: its exit code, 128 + n where signal n ended it; None where it was ended from outside.
        wall_s: seconds from start to end.
    """

    status: Status
    stdout: bytes
    stderr: bytes
    exit_code: int | None
    wall_s: float
