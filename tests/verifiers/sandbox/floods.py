"""Attacks that exhaust something, do not end, or kill; each runs inside the sandbox, alone.

Each returns how much it got of what it was after, where it gets so far.
"""

import atexit
import ctypes
import fcntl
import json
import mmap
import os
import resource
import signal
import sys
import threading
import time

from attack_helpers import HOST

MIB = 1 << 20
ENOUGH = HOST.get("enough", 1_000_000)
# getpid by the 32-bit gate and by the x32 table: mov eax, number; int 0x80 or syscall; ret
OTHER_GATES = {"int80": b"\xb8\x14\x00\x00\x00\xcd\x80\xc3", "x32": b"\xb8\x27\x00\x00\x40\x0f\x05\xc3"}


def counted(step, most=ENOUGH):
    """How often a step succeeds before it is refused."""
    for number in range(most):
        try:
            step(number)
        except (OSError, MemoryError, RuntimeError, ValueError):
            return number
    return most


def children():
    def fork(_):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)

    return counted(fork)


def children_of_children():
    """A tree of processes; the first says how many came to be."""
    first = os.getpid()
    reading, writing = os.pipe()
    for _ in range(10):
        try:
            if os.fork() == 0:
                os.write(writing, b"x")
        except OSError:
            continue
    if os.getpid() != first:
        time.sleep(60)
    time.sleep(0.3)
    return len(os.read(reading, 65536))


def zombies():
    def fork(_):
        if os.fork() == 0:
            os._exit(0)

    return counted(fork)


def threads():
    return counted(lambda _: threading.Thread(target=time.sleep, args=(60,), daemon=True).start())


def memory():
    held = []
    return counted(lambda _: held.append(bytearray(MIB)))


def memory_in_small_pieces():
    held = None
    try:
        while True:
            held = (held, bytes(1000))
    except MemoryError:
        held = None
        return 0


def shared_memory():
    held = []
    return counted(lambda _: held.append(mmap.mmap(-1, MIB)))


def memory_with_raised_limit():
    counted(lambda _: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)), most=1)
    return memory()


def memory_of_threads():
    got = []
    threading.stack_size(256 << 10)
    workers = [threading.Thread(target=lambda: got.append(memory())) for _ in range(8)]
    started = []
    for worker in workers:
        try:
            worker.start()
        except RuntimeError:  # those before it have taken the memory of its stack
            break
        started.append(worker)
    for worker in started:
        worker.join()
    return sum(got) // len(got)


def memory_of_pipes():
    """Pipes filled to the brim and made as large as they go, in MiB."""
    held = []

    def fill(_):
        reading, writing = os.pipe()
        held.append((reading, writing))
        os.set_blocking(writing, False)
        counted(lambda _: fcntl.fcntl(writing, 1031, MIB), most=1)
        held.append(counted(lambda _: os.write(writing, bytes(65536)), most=64))

    counted(fill)
    return sum(size for size in held if isinstance(size, int)) // 16


def space(prefix="/tmp/"):
    """Files of a MiB each."""

    def fill(number):
        with open(f"{prefix}{number}", "wb", buffering=0) as file:
            if file.write(bytes(MIB)) < MIB:
                raise OSError("full")

    return counted(fill)


def space_of_shared_memory():
    return space("/dev/shm/")


def space_of_both():
    return space("/tmp/") + space("/dev/shm/more")


def one_large_file():
    with open("/tmp/file", "wb", buffering=0) as file:
        return counted(lambda _: file.write(bytes(MIB)))


def sparse_file():
    with open("/tmp/file", "wb") as file:
        return 1 << counted(lambda power: file.truncate(MIB << power), most=40) >> 1


def allocated_file():
    with open("/tmp/file", "wb") as file:
        return counted(lambda number: os.posix_fallocate(file.fileno(), 0, (number + 1) * MIB))


def files_without_content():
    return counted(lambda number: open(f"/tmp/{number}", "wb").close())


def folders_in_folders():
    def deeper(_):
        os.mkdir("x")
        os.chdir("x")

    return counted(deeper)


def links_to_one_file():
    open("/tmp/one", "wb").close()
    return counted(lambda number: os.link("/tmp/one", f"/tmp/{number}"))


def symbolic_links():
    return counted(lambda number: os.symlink("x" * 1000, f"/tmp/{number}"))


def open_files():
    return counted(lambda _: os.open("/dev/null", os.O_RDONLY))


def record_locks():
    with open("/tmp/file", "wb") as file:
        return counted(lambda number: fcntl.lockf(file, fcntl.LOCK_EX, 1, 2 * number))


def output():
    while True:
        sys.stdout.write("x" * 65536)


def output_to_itself_only():
    while True:
        os.write(1, b"\0")


def complaints():
    while True:
        sys.stderr.write("x" * 65536)


def huge_json():
    print(json.dumps(["x" * 1000] * 10000))


def deep_json():
    print("[" * 500_000 + "]" * 500_000)


def busy():
    while True:
        pass


def busy_in_c():
    return 9**9**9


def busy_at_exit():
    atexit.register(busy)


def thread_that_stays():
    threading.Thread(target=time.sleep, args=(60,)).start()


def sleeping():
    time.sleep(60)


def deaf():
    """Ignore every signal that can be ignored."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        counted(lambda _, number=number: signal.signal(number, signal.SIG_IGN), most=1)
    time.sleep(60)


def storm_of_signals():
    for number in (signal.SIGALRM, signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)
    while True:
        os.kill(os.getpid(), signal.SIGUSR1)


def killing_everyone():
    """There is nobody to be killed but oneself."""
    for target, number in ((-1, 9), (1, 9), (1, 19), (1, 15), (os.getppid(), 9), (0, 9)):
        counted(lambda _, target=target, number=number: os.kill(target, number), most=1)


def signalling_the_first():
    """Every signal to the process that watches."""
    return sum(counted(lambda _, number=number: os.kill(1, number), most=1) for number in signal.valid_signals())


def stopping_oneself():
    os.kill(os.getpid(), signal.SIGSTOP)


def closing_everything():
    os.closerange(0, 1 << 16)
    time.sleep(60)


def stack_of_c():
    sys.setrecursionlimit(10**9)
    deeper = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: deeper())
    return deeper()


def stack_of_python():
    sys.setrecursionlimit(10**9)

    def deeper(depth):
        return deeper(depth + 1) + 1

    try:
        return deeper(0)
    except SystemError:  # what Python says when it has no memory left to say it
        return 0


def nested_source():
    return eval(compile("-" * 1_000_000 + "1", "nested", "eval"))


def wild_pointer():
    return ctypes.string_at(1)


def core_dump():
    os.abort()


def another_gate(name):
    code = OTHER_GATES[name]
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def calls_of_32_bits():
    return another_gate("int80")


def calls_of_x32():
    return another_gate("x32")


def daemon():
    """A grandchild in a session of its own, holding the output, outlives the program."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(60)
        os._exit(0)
    os.wait()


def child_that_keeps_printing():
    if os.fork() == 0:
        output()
