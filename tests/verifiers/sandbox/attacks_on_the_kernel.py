"""Attacks that take rights, make namespaces or processes, or reach odd corners of the kernel; each runs inside."""

import ctypes
import os
import resource
import sys

from attack_helpers import call, first_of

NEW_USER, NEW_MOUNTS, NEW_NET, NEW_PROCESSES, NEW_IPC, NEW_TIME = (
    0x10000000,
    0x00020000,
    0x40000000,
    0x20000000,
    0x08000000,
    0x80,
)
SIGCHLD = 17
CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(0x20080522, 0)
PRIVATE_KEYS = -3


def tracing_the_first_process():
    return first_of(lambda request: call("ptrace", request, 1, 0, 0), [16, 0x4206])


def tracing_begun_by_itself():
    return call("ptrace", 0, 0, 0, 0)


def user_zero():
    return first_of(lambda become: become(0) is None, [os.setuid, os.setgid, os.seteuid, os.setegid])


def groups():
    return os.setgroups([0]) is None


def file_with_the_set_user_bit():
    """It may be made, but the file system must ignore the bit."""
    return not os.statvfs("/tmp").f_flag & os.ST_NOSUID


def capabilities_taken():
    return call("capset", CAPABILITY_HEADER, (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 3))


def capabilities_held():
    held = (ctypes.c_uint32 * 6)()
    call("capget", CAPABILITY_HEADER, held)
    return any(held)


def own_settings_by_prctl():
    """Outlive the parent, be dumped, be traced by anyone, get capabilities back, adopt orphans, move one's memory."""
    changes = [(1, 0), (4, 1), (0x59616D61, -1), (8, 1), (47, 2, 21), (35, 1, 4096), (28, 0), (36, 1)]
    return first_of(lambda change: call("prctl", *change, *[0] * (5 - len(change))), changes)


def filter_added():
    return first_of(lambda change: call(*change), [("seccomp", 1, 0, 0), ("prctl", 22, 2, 0, 0, 0)])


def limits_raised():
    def raised(kind):
        hard = resource.getrlimit(kind)[1]
        try:
            return resource.setrlimit(kind, (hard + 1, hard + 1)) is None
        except ValueError as error:
            raise OSError(str(error)) from error

    names = ["AS", "CPU", "NPROC", "FSIZE", "STACK", "NOFILE", "CORE", "MEMLOCK", "MSGQUEUE", "SIGPENDING"]
    return first_of(raised, [getattr(resource, f"RLIMIT_{name}") for name in names])


def limits_missing():
    names = ["AS", "CPU", "NPROC", "FSIZE", "STACK", "NOFILE", "CORE", "MEMLOCK", "MSGQUEUE", "SIGPENDING"]
    limits = {name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))[1] for name in names}
    return [name for name, hard in limits.items() if hard == resource.RLIM_INFINITY]


def core_dumps():
    return max(resource.getrlimit(resource.RLIMIT_CORE))


def limits_of_the_first_process():
    return call("prlimit64", 1, 6, (ctypes.c_uint64 * 2)(2**63, 2**63), 0)


def real_time():
    policies = [os.SCHED_FIFO, os.SCHED_RR]
    return first_of(lambda policy: os.sched_setscheduler(0, policy, os.sched_param(1)) is None, policies)


def priority():
    return os.setpriority(os.PRIO_PROCESS, 0, -5) is None


def locked_memory():
    return call("mlockall", 1)


def user_namespace():
    return call("unshare", NEW_USER)


def other_namespaces():
    return first_of(lambda flag: call("unshare", flag), [NEW_MOUNTS, NEW_NET, NEW_PROCESSES, NEW_IPC, NEW_TIME])


def namespace_by_clone():
    flags = [NEW_USER, NEW_USER | NEW_MOUNTS, NEW_NET, NEW_PROCESSES]
    return first_of(lambda flag: call("clone", flag | SIGCHLD, 0, 0, 0, 0), flags)


def namespace_by_clone3():
    return call("clone3", (ctypes.c_uint64 * 11)(NEW_USER, 0, 0, 0, SIGCHLD), 88)


def namespace_of_others():
    return first_of(lambda kind: call("setns", os.open(f"/proc/1/ns/{kind}", os.O_RDONLY), 0), ["mnt", "user", "net"])


def namespace_by_a_process():
    return call("setns", 0, NEW_MOUNTS)


def mounted():
    return call("mount", b"none", b"/tmp", b"tmpfs", 0, 0)


def mounted_writable():
    return first_of(lambda path: call("mount", 0, path, 0, 32 | 4096, 0), [b"/", b"/usr/lib", b"/tmp"])


def unmounted():
    return first_of(lambda path: call("umount2", path, 2), [b"/tmp", b"/usr/lib"])


def mounted_by_descriptors():
    ways = [("fsopen", b"proc", 0), ("open_tree", -100, b"/", 1), ("move_mount", -100, b"/tmp", -100, b"/", 0)]
    return first_of(lambda way: call(*way), ways)


def another_root():
    return first_of(lambda name: call(name, b"/tmp", b"/tmp"), ["chroot", "pivot_root"])


def child_forked():
    return _forked(os.fork)


def _forked(fork):
    if (pid := fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def child_cloned():
    return first_of(lambda flags: call("clone", flags, 0, 0, 0, 0), [SIGCHLD, 0x8000 | SIGCHLD])


def child_spawned():
    return os.posix_spawn(sys.executable, [sys.executable, "-c", "0"], {})


def child_by_clone3():
    return call("clone3", (ctypes.c_uint64 * 11)(0, 0, 0, 0, SIGCHLD), 88)


def another_program():
    """Should it run, it says so in this program's place."""
    code = 'print(\'{"attacks_on_the_kernel.another_program": "achieved"}\')'
    return first_of(lambda path: os.execv(path, [path, "-c", code]), [sys.executable, "/bin/sh"])


def program_from_memory():
    return call("memfd_create", b"code", 0)


def secret_memory():
    return call("memfd_secret", 0)


def program_from_a_descriptor():
    program = os.open(sys.executable, os.O_RDONLY)
    return call("execveat", program, b"", (ctypes.c_char_p * 2)(b"python"), 0, 0x1000)


def key_rings():
    ways = [
        ("keyctl", 0, PRIVATE_KEYS, 1),
        ("add_key", b"user", b"name", b"value", 5, PRIVATE_KEYS),
        ("request_key", b"user", b"name", 0, 0),
    ]
    return first_of(lambda way: call(*way), ways)


def io_uring():
    return call("io_uring_setup", 4, ctypes.create_string_buffer(120))


def userfaultfd():
    return first_of(lambda flags: call("userfaultfd", flags), [0, 1])


def bpf():
    return call("bpf", 0, (ctypes.c_uint32 * 12)(2, 4, 8, 1), 48)


def performance_counters():
    return call("perf_event_open", (ctypes.c_uint32 * 28)(1, 112), 0, -1, -1, 0)


def another_kernel():
    return first_of(lambda name: call(name, 0, 0, 0, 0), ["kexec_load", "kexec_file_load", "reboot"])


def kernel_modules():
    names = ["init_module", "finit_module", "delete_module"]
    return first_of(lambda name: call(name, ctypes.create_string_buffer(8), 8, b""), names)


def personality():
    return call("personality", 0x0040000)


def clock():
    now = (ctypes.c_long * 2)(1, 0)
    return first_of(lambda change: call(*change), [("clock_settime", 0, now), ("settimeofday", now, 0)])


def clock_rate():
    return call("adjtimex", ctypes.create_string_buffer(256))


def name_of_the_machine():
    return first_of(lambda name: call(name, b"mine", 4), ["sethostname", "setdomainname"])


def memory_of_system_five():
    return first_of(lambda name: call(name, 0, 4096, 0o1600), ["shmget", "semget", "msgget"])


def message_queue():
    return call("mq_open", b"queue", os.O_RDWR | os.O_CREAT, 0o600, 0)


def watching_files():
    return first_of(lambda name: call(name, 0, 0), ["inotify_init1", "fanotify_init"])


def descriptors_of_processes():
    return first_of(lambda name: call(name, 1, 0, 0), ["pidfd_open", "pidfd_getfd"])


def comparing_processes():
    return call("kcmp", 1, 1, 0, 0, 0)


def quotas_and_swap():
    return first_of(lambda name: call(name, 0, 0, 0, 0), ["quotactl", "swapon", "acct", "vhangup"])


def timers():
    return call("timer_create", 0, 0, ctypes.byref(ctypes.c_int()))


def huge_pages():
    return first_of(lambda name: call(name, 0, 4096, 1, 0, 0, 0), ["mbind", "move_pages", "migrate_pages"])


def attributes_of_files():
    return call("setxattr", b"/tmp", b"user.name", b"value", 5, 0)
