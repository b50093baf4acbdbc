"""What upstream's check says of programs for HumanEval, both in one plain interpreter."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ponder.orchestrator.types import Query

CPU_S = 1


def upstream_verdicts(programs: list[tuple[Query, str]]) -> list[bool]:
    """Whether upstream's check passes on each program, both in one plain interpreter, forked anew; two at a time."""
    whole = [f"{text}\n{query.tests[0].code}\ncheck({query.tests[0].entry_point})" for query, text in programs]
    workers = []
    for part in (whole[::2], whole[1::2]):
        worker = subprocess.Popen([sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        worker.stdin.write(json.dumps(part).encode())
        worker.stdin.close()
        workers.append(worker)
    halves = [iter(json.load(worker.stdout)) for worker in workers]
    return [next(halves[i % 2]) for i in range(len(whole))]


def _reference(program: str) -> bool:
    """Whether a program runs to its end in a fork of its own."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            exec(program, {})
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    print(json.dumps([_reference(program) for program in json.load(sys.stdin)]))
