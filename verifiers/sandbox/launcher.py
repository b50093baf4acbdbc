"""The first code in a sandbox: it gives up every right, sets the limits, and becomes the program.

It runs in there, knows nothing of ponder, and has the rights it needs for this over the sandbox alone. What fails here
ends the sandbox before the program is seen. A process stays behind to watch the program and who runs the sandbox: it is
the first one in there, so the kernel ends all others with it, however it ends.
"""

import _signal  # type: ignore[import-not-found]  # as signal, but for its enumerations, which take long
import ctypes
import os
import resource
import select
import sys

NOBODY = 65534
DEVICES = ("/dev/null", "/dev/urandom")
MOUNT_AGAIN_BARE = 32 | 2 | 4 | 8  # MS_REMOUNT, MS_NOSUID, MS_NODEV, MS_NOEXEC
BIND_AGAIN_READ_ONLY = 32 | 4096 | 1 | 2 | 8  # MS_REMOUNT, MS_BIND, MS_RDONLY, MS_NOSUID, MS_NOEXEC
SET_SECCOMP, CAP_AMBIENT, SET_ARENAS = 22, 47, -8
LIBC = ctypes.CDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def main() -> None:
    """Take ``name=value`` settings and import folders from the arguments, wall the program in, and run it."""
    cut = sys.argv.index("--")
    folders = [item for item in sys.argv[1:cut] if item.startswith("/")]
    settings = {name: int(value) for name, value in (item.split("=") for item in sys.argv[1 : cut - len(folders)])}
    with open(settings["program"], "rb") as program, open(settings["filter"], "rb") as code:
        source, instructions = program.read(), code.read()
    forget_signals()
    seal_devices()
    if "replies" in settings:
        discard_output()
    give_up_rights(settings["inodes"])
    if (child := os.fork()) != 0:
        guard(child, settings["runner"], settings["told"])
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    limit(settings)
    must(LIBC.prctl(SET_SECCOMP, 2, ctypes.byref(Filter(len(instructions) // 8, instructions)), 0, 0))
    os.write(settings["told"], b"begun\n")
    keep_only(settings)
    sys.path += folders
    run(source, sys.argv[cut + 1 :])


def forget_signals() -> None:
    """Ignore and block no signal because the process out there does, but for the two that Python ignores.

    Nor handle one: what the first process does not handle, the kernel spares it.
    """
    for number in _signal.valid_signals() - {_signal.SIGPIPE, _signal.SIGXFSZ}:
        if _signal.getsignal(number) == _signal.SIG_IGN:
            _signal.signal(number, _signal.SIG_DFL)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())


def seal_devices() -> None:
    """Let nobody change the devices' owners or times, which are those out there; they can be written to all the same.

    bubblewrap alone would make them devices no more.
    """
    for device in DEVICES:
        must(LIBC.mount(None, device.encode(), None, ctypes.c_ulong(BIND_AGAIN_READ_ONLY), None))


def discard_output() -> None:
    """Lead the output to the sealed device; one that was opened out there would not be sealed."""
    null = os.open(DEVICES[0], os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def give_up_rights(inodes: int) -> None:
    """Bound the number of files, become nobody and drop every capability."""
    must(LIBC.mount(b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(MOUNT_AGAIN_BARE), b"nr_inodes=%d" % inodes))
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    must(LIBC.capset(header, none))
    must(LIBC.prctl(CAP_AMBIENT, 4, 0, 0, 0))


def guard(program: int, runner: int, told: int) -> None:
    """Tell the program's exit code and end, or end when the process out there does that runs the sandbox."""
    ended = os.pidfd_open(program)
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    poller.register(runner, select.POLLIN)
    if all(fd != ended for fd, _ in poller.poll()):
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    os.write(told, b"%d\n" % (code if code >= 0 else 128 - code))
    os._exit(0)


def limit(settings: dict[str, int]) -> None:
    """Set the limits of this process and of all it starts."""
    limits = {
        resource.RLIMIT_AS: settings["memory"],
        resource.RLIMIT_NPROC: settings["tasks"] + 1,  # the guard
        resource.RLIMIT_FSIZE: settings["file_bytes"],
        resource.RLIMIT_STACK: 64 << 20,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_SIGPENDING: 64,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, most in limits.items():
        set_limit(kind, most, most)
    set_limit(resource.RLIMIT_CPU, settings["cpu_s"], settings["cpu_s"] + 1)
    LIBC.mallopt(SET_ARENAS, 1)  # an arena for every thread would fill the address space


def set_limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit, or leave it where the process out there was bound to less."""
    held = resource.getrlimit(kind)[1]
    if held != resource.RLIM_INFINITY:
        soft, hard = min(soft, held), min(hard, held)
    resource.setrlimit(kind, (soft, hard))


def must(failed: int) -> None:
    """Raise what a failed call of libc left in errno."""
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def keep_only(settings: dict[str, int]) -> None:
    """Close every file but the standard ones and, in a session, the channel at 3 and 4."""
    channel = [os.dup(settings[name]) for name in ("requests", "replies") if name in settings]
    for number, fd in enumerate(channel, start=3):
        os.dup2(fd, number)
    os.closerange(3 + len(channel), settings["last_fd"] + 2 * len(channel) + 1)


def run(source: bytes, argv: list[str]) -> None:
    """Run the program as the main module; its traceback starts with its own first line."""
    import _sitebuiltins
    import builtins

    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    main_module = type(sys)("__main__")
    main_module.__dict__.update(__builtins__=builtins, __file__="main.py")
    sys.modules["__main__"] = main_module
    sys.argv = ["main.py", *argv]
    try:
        exec(compile(source, "main.py", "exec"), main_module.__dict__)  # noqa: S102
    except SystemExit:
        raise
    except BaseException as error:
        frames = error.__traceback__
        sys.excepthook(type(error), error.with_traceback(frames and frames.tb_next), None)
        sys.exit(1)


if __name__ == "__main__":
    main()
