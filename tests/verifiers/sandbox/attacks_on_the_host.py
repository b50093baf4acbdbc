"""Attacks that read or write what is not the program's, or speak to the network; each runs inside the sandbox."""

import ctypes
import fcntl
import mmap
import os
import socket
import sys

from attack_helpers import HOST, LIBC, call, first_of, read, write

OWN_ENVIRONMENT = {"PYTHONHASHSEED", "PWD", "LC_CTYPE"}


def environment_of_the_first_process():
    return b"CANARY" in read("/proc/1/environ")


def environment_of_the_parent():
    return first_of(lambda pid: b"CANARY" in read(f"/proc/{pid}/environ"), [os.getppid(), "self"])


def environment_inherited():
    return set(os.environ) - OWN_ENVIRONMENT


def environment_in_memory():
    """What the kernel put above the stack at the start, whatever Python shows of it."""
    entries = ctypes.POINTER(ctypes.c_char_p).in_dll(LIBC, "environ")
    found, index = [], 0
    while entries[index]:
        found.append(entries[index])
        index += 1
    return [entry for entry in found if entry.partition(b"=")[0].decode() not in OWN_ENVIRONMENT]


def memory_of_the_parent():
    return first_of(lambda pid: open(f"/proc/{pid}/mem", "r+b"), [os.getppid(), 1])


def memory_of_another_process():
    here = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(here), 8)
    return first_of(lambda name: call(name, 1, vector, 1, vector, 1, 0), ["process_vm_readv", "process_vm_writev"])


def own_code_by_proc_self_mem():
    return open("/proc/self/mem", "r+b")


def descriptors_inherited():
    return [fd for fd in range(3, 1024) if _is_open(fd)]


def _is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False


def descriptors_of_others():
    return os.listdir("/proc/1/fd")


def root_by_proc():
    return first_of(os.listdir, ["/proc/1/root", "/proc/self/root", "/proc/self/cwd/.."])


def kernel_told_by_proc():
    names = ["cmdline", "version", "kallsyms", "kcore", "meminfo", "modules", "self/mountinfo", "net/tcp", "keys"]
    return first_of(read, [f"/proc/{name}" for name in names])


def kernel_told_by_sys():
    return first_of(os.listdir, ["/sys", "/sys/kernel", "/sys/class/net", "/sys/fs/cgroup", "/sys/firmware"])


def kernel_log():
    return call("syslog", 3, ctypes.create_string_buffer(4096), 4096)


def load_of_the_host():
    return call("sysinfo", ctypes.create_string_buffer(256))


def name_of_the_host():
    return os.uname().nodename == HOST["hostname"]


def other_processes():
    return [pid for pid in range(2, 5000) if pid != os.getpid() and _is_process(pid)]


def _is_process(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def passwords():
    return first_of(read, ["/etc/shadow", "/etc/passwd", "/etc/sudoers", "/etc/group", "/etc/hosts"])


def homes():
    names = [
        "/root/.ssh",
        "/root/.bashrc",
        "/root/.config",
        "/root/.cache",
        "/home",
        "/var",
        "/opt",
        "/srv",
        "/mnt",
        "/run",
    ]
    return first_of(os.listdir, names)


def secret_file():
    return read(HOST["secret"])


def secret_file_by_symlink():
    os.symlink(HOST["secret"], "/tmp/link")
    return read("/tmp/link")


def secret_file_by_symlink_race():
    """Swap a name between a file and a link out, again and again, while it is opened."""
    found = b""
    for turn in range(1000):
        write("/tmp/new")
        os.replace("/tmp/new", "/tmp/raced")
        if turn % 2:
            os.symlink(HOST["secret"], "/tmp/new")
            os.replace("/tmp/new", "/tmp/raced")
        try:
            found = found or read("/tmp/raced").replace(b"written", b"")
        except FileNotFoundError:
            continue
    return found


def secret_file_by_dots():
    return read("/tmp/" + "../" * 20 + HOST["secret"])


def secret_file_by_handle():
    handle = (ctypes.c_uint * 34)(128)
    return call("name_to_handle_at", -100, HOST["secret"].encode(), handle, ctypes.byref(ctypes.c_int()), 0)


def repository():
    return os.listdir(HOST["repository"])


def packages_that_are_installed():
    near = os.path.join(os.path.dirname(os.__file__), "site-packages")
    return [
        folder for folder in (*sys.path, near) if "packages" in folder and os.path.isdir(folder) and os.listdir(folder)
    ]


def system_files():
    library = os.path.dirname(os.__file__)
    return first_of(write, ["/usr/lib/x", "/etc/x", "/lib64/x", f"{library}/x", os.__file__, sys.executable])


def root_folder():
    return first_of(write, ["/x", "/dev/x", "/usr/x", "/etc/ld.so.preload"])


def folder_of_the_host():
    return write(HOST["folder"] + "/written")


def permissions_of_system_files():
    return first_of(lambda path: os.chmod(path, 0o777) is None, [os.__file__, sys.executable, "/usr", "/"])


def times_of_devices():
    names = ["/dev/null", "/dev/urandom"]
    opened = [os.open(name, os.O_RDWR) for name in names]
    return first_of(lambda target: os.utime(target) is None, [*names, *opened])


def hard_link_to_a_system_file():
    os.link(os.__file__, "/tmp/linked")
    return write("/tmp/linked")


def sysctls():
    names = [
        "kernel/core_pattern",
        "kernel/hostname",
        "vm/overcommit_memory",
        "kernel/modprobe",
        "user/max_user_namespaces",
    ]
    return first_of(write, [f"/proc/sys/{name}" for name in names])


def magic_keys():
    return write("/proc/sysrq-trigger")


def control_groups():
    names = ["release_agent", "cgroup.procs", "memory/tasks"]
    return first_of(write, [f"/sys/fs/cgroup/{name}" for name in names])


def devices():
    names = [
        "mem",
        "kmem",
        "port",
        "kvm",
        "fuse",
        "net/tun",
        "vda",
        "sda",
        "loop-control",
        "kmsg",
        "tty",
        "ptmx",
        "console",
    ]
    return first_of(lambda path: os.open(path, os.O_RDWR), [f"/dev/{name}" for name in names])


def device_made():
    return first_of(lambda kind: os.mknod("/tmp/device", kind, os.makedev(1, 1)) is None, [0o60600, 0o20600])


def pipe_with_a_name():
    return os.mkfifo("/tmp/verdict") is None


def program_of_ones_own():
    """Map a file of /tmp as code."""
    with open("/tmp/code", "w+b") as file:
        file.write(b"\xc3" * 4096)
        file.flush()
        return bool(mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))


def tcp_to_the_host():
    return socket.create_connection(("127.0.0.1", HOST["tcp"]), timeout=1).send(b"hit")


def udp_to_the_host():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hit", ("127.0.0.1", HOST["udp"]))


def abstract_socket_of_the_host():
    return socket.socket(socket.AF_UNIX).connect("\0" + HOST["abstract"]) is None


def socket_file_of_the_host():
    return socket.socket(socket.AF_UNIX).connect(HOST["socket"]) is None


def pair_led_to_the_host():
    """A pair of sockets needs no `socket` call; one of it is then led elsewhere."""
    ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ways = (
        lambda: ours.sendto(b"hit", HOST["datagrams"]),
        lambda: ours.sendmsg([b"hit"], (), 0, HOST["datagrams"]),
        lambda: ours.connect(HOST["datagrams"]) is None and ours.send(b"hit"),
        lambda: ours.sendto(b"hit", "\0" + HOST["abstract"]),
    )
    return first_of(lambda way: way(), ways)


def other_families():
    kinds = [("AF_NETLINK", socket.SOCK_RAW), ("AF_PACKET", socket.SOCK_RAW), ("AF_ALG", socket.SOCK_SEQPACKET)]
    kinds += [("AF_VSOCK", socket.SOCK_STREAM), ("AF_INET", socket.SOCK_RAW), ("AF_INET6", socket.SOCK_STREAM)]
    return first_of(lambda kind: socket.socket(getattr(socket, kind[0]), kind[1]), kinds)


def interfaces():
    return socket.if_nameindex()


def name_service():
    return socket.getaddrinfo("localhost", 80)


def typing_into_the_terminal():
    return first_of(lambda fd: fcntl.ioctl(fd, 0x5412, b"x") == b"x", [0, 1, 2])


def terminal():
    return [fd for fd in (0, 1, 2) if os.isatty(fd)]
