"""The system calls a program in the sandbox may make: a list of what is allowed, so that what is new is refused."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache

from ...orchestrator.errors import UsageError

_NAMESPACES = 0x7E020080  # CLONE_NEW*, time included
_THREAD = 0x00010000  # CLONE_THREAD

ALWAYS = """
    read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek open openat creat close close_range
    stat fstat lstat newfstatat fstatat64 statx statfs fstatfs access faccessat faccessat2 readlink readlinkat getcwd
    chdir fchdir getdents getdents64 mkdir mkdirat rmdir rename renameat renameat2 link linkat symlink symlinkat unlink
    unlinkat chmod fchmod fchmodat umask truncate ftruncate fallocate fsync fdatasync utime utimes utimensat futimesat
    flock dup dup2 dup3 pipe pipe2 poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait
    epoll_pwait eventfd eventfd2 sendfile copy_file_range

    mmap munmap mprotect mremap madvise brk msync

    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigsuspend rt_sigtimedwait sigaltstack kill tkill tgkill
    pause alarm setitimer getitimer restart_syscall

    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage

    getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgid getpgrp getsid uname
    getrlimit setrlimit getpriority getrandom exit exit_group

    futex set_robust_list get_robust_list set_tid_address rseq membarrier sched_yield sched_getaffinity getcpu

    recvfrom shutdown getsockname getpeername getsockopt
"""
WITH_CHILDREN = "fork vfork execve arch_prctl wait4 waitid setsid setpgid"
# Allowed where an argument has one of these values: call, index of the argument, values.
BY_VALUE = (
    ("ioctl", 1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),  # is a terminal, its size, bytes there, flags
    ("fcntl", 1, (0, 1, 2, 3, 4, 5, 6, 7, 1030)),  # duplicate, flags, record locks
    ("prlimit64", 0, (0,)),  # one's own
    ("prctl", 0, (15, 16)),  # the name of a thread
    ("socketpair", 0, (1,)),  # AF_UNIX, which event loops need; there is no other socket,
    ("sendto", 4, (0,)),  # and nothing can be sent to an address
)

_ALLOW = 0x7FFF0000
_NO_SUCH_CALL = 0x00050000 | 38  # ENOSYS, upon which libraries try an older call
_KILL = 0x80000000
_BAD_ARCHITECTURE = 2
_EQUAL = 4
_MASKED_EQUAL = 7


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


@lru_cache
def compiled(has_children: bool) -> bytes:
    """The filter as the kernel takes it; calls of another architecture kill the program.

    Args:
        has_children: whether the program may start processes; threads are always allowed.

    Raises:
        UsageError: libseccomp is missing.
    """
    library = _library()
    context = library.seccomp_init(_NO_SUCH_CALL)
    try:
        library.seccomp_attr_set(context, _BAD_ARCHITECTURE, _KILL)
        for call in f"{ALWAYS} {WITH_CHILDREN if has_children else ''}".split():
            _allow(library, context, call)
        for call, argument, values in BY_VALUE:
            for value in values:
                _allow(library, context, call, _Comparison(argument, _EQUAL, value, 0))
        looked_at = _NAMESPACES if has_children else _NAMESPACES | _THREAD
        _allow(library, context, "clone", _Comparison(0, _MASKED_EQUAL, looked_at, looked_at & _THREAD))
        return _exported(library, context)
    finally:
        library.seccomp_release(context)


def _allow(library: ctypes.CDLL, context: int, call: str, *comparisons: _Comparison) -> None:
    """Allow a call; one that this architecture or libseccomp does not know stays refused."""
    number = library.seccomp_syscall_resolve_name(call.encode())
    rules = (_Comparison * len(comparisons))(*comparisons)
    if number >= 0 and library.seccomp_rule_add_array(context, _ALLOW, number, len(comparisons), rules):
        raise UsageError(f"libseccomp must take a rule for {call!r}, but refused it; install a newer libseccomp2")


def _exported(library: ctypes.CDLL, context: int) -> bytes:
    with open(os.memfd_create("seccomp"), "r+b", buffering=0) as memory:
        if library.seccomp_export_bpf(context, memory.fileno()):
            raise UsageError("libseccomp must export its filter, but did not; install a newer libseccomp2")
        memory.seek(0)
        return memory.read()


def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise UsageError("the sandbox needs libseccomp, which is not installed; apt-get install libseccomp2") from None
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    return library
