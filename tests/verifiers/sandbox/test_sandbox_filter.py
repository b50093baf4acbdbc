"""What the kernel lets a program in the sandbox call is the list, and nothing on the list is dangerous."""

from __future__ import annotations

import ctypes
import json

import pytest

from ponder.verifiers.sandbox import Limits, run
from ponder.verifiers.sandbox.seccomp import ALWAYS, BY_VALUE, WITH_CHILDREN

DANGEROUS = """
    accept accept4 acct add_key adjtimex bind bpf capget capset chroot clock_adjtime clock_settime connect
    delete_module execveat fanotify_init fanotify_mark finit_module fsconfig fsmount fsopen fspick get_mempolicy
    init_module inotify_add_watch inotify_init1 io_setup io_submit io_uring_enter io_uring_register io_uring_setup
    ioperm iopl ioprio_set kcmp kexec_file_load kexec_load keyctl landlock_create_ruleset listen lookup_dcookie
    mbind memfd_create memfd_secret migrate_pages mincore mknod mknodat mlock mlock2 mlockall modify_ldt mount
    mount_setattr move_mount move_pages mq_open msgget name_to_handle_at nfsservctl open_by_handle_at open_tree
    perf_event_open personality pidfd_getfd pidfd_open pidfd_send_signal pivot_root pkey_alloc process_madvise
    process_mrelease process_vm_readv process_vm_writev ptrace quotactl reboot recvmmsg recvmsg remap_file_pages
    request_key rt_sigqueueinfo sched_setaffinity sched_setattr sched_setscheduler seccomp semget sendmmsg sendmsg
    set_mempolicy setdomainname setfsuid setgid setgroups sethostname setns setpriority setresgid setresuid setreuid
    settimeofday setuid setxattr shmat shmget signalfd4 socket splice swapoff swapon sync sysfs sysinfo syslog tee
    timer_create timerfd_create umount2 unshare userfaultfd ustat vhangup vmsplice
"""

# The kernel itself ends who calls 335 or 336, its trap for tracers, before any filter sees it.
EVERY_NUMBER = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
allowed, reached = set(json.load(sys.stdin)), []
for number in range(1024):
    if number in (*allowed, 335, 336):
        continue
    if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != 38:
        reached.append(number)
print(reached)
"""

VALUES = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
for number, *arguments in json.load(sys.stdin):
    libc.syscall(*(ctypes.c_long(word) for word in (number, *arguments)))
    print(ctypes.get_errno(), end=" ")
"""


def number(call: str) -> int:
    return ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name(call.encode())


def test_nothing_dangerous_is_on_the_list() -> None:
    listed = {*ALWAYS.split(), *WITH_CHILDREN.split(), "clone", *(call for call, _, _ in BY_VALUE)}
    assert len(DANGEROUS.split()) >= 100
    assert listed & set(DANGEROUS.split()) == set()


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_kernel_refuses_every_number_that_is_not_on_the_list(processes: int) -> None:
    listed = [
        *f"{ALWAYS} {WITH_CHILDREN if processes > 1 else ''}".split(),
        "clone",
        *(call for call, _, _ in BY_VALUE),
    ]
    numbers = json.dumps([number(call) for call in listed])
    ran = await run(EVERY_NUMBER, stdin=numbers.encode(), limits=Limits(processes=processes))
    assert (ran.stdout, ran.stderr) == (b"[]\n", b""), ran


async def test_other_values_of_arguments_are_refused() -> None:
    refused = [
        ("ioctl", 0, 0x5412, 0),  # put a character into a terminal
        ("ioctl", 0, 0x541C, 0),
        ("ioctl", 0, 0x5401 | 1 << 40, 0),
        ("fcntl", 1, 1031, 1 << 20),  # the size of a pipe
        ("fcntl", 1, 8, 1),  # who is signalled
        ("fcntl", 1, 1024, 0),  # a lease
        ("prlimit64", 1, 7, 0, 0),
        ("prctl", 38, 1, 0, 0, 0),
        ("prctl", 1, 0, 0, 0, 0),
        ("socketpair", 2, 1, 0, 0),
        ("socketpair", 16, 3, 0, 0),
        ("sendto", 0, 0, 0, 0, 1, 16),
        ("clone", 0x10000000 | 0x10000 | 0x900, 0, 0, 0, 0),  # a thread in a namespace of its own
        ("clone", 17, 0, 0, 0, 0),
    ]
    asked = json.dumps([(number(call), *arguments) for call, *arguments in refused])
    ran = await run(VALUES, stdin=asked.encode())
    assert ran.stdout.split() == [b"38"] * len(refused), ran.stderr
