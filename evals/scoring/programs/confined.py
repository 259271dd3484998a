"""The child process in which a model's program meets its tests: `sandbox.py` starts it.

It imports nothing of ours, so that it starts fast. First it gives up whatever could do harm, then
it runs the program. Passing is told by a keyed digest of a challenge that is read only after the
last test: a program that ends the process, or prints, has not passed.
"""

import base64
import ctypes
import hmac
import json
import os
import resource
import signal
import sys
import types
from typing import Any

NEW_NAMESPACES = 0x0002_0000 | 0x0800_0000 | 0x1000_0000 | 0x4000_0000
"""Mounts, System V objects, users, network."""
AT_RECURSIVE, READ_ONLY, PRIVATE = 0x8000, 0x1, 0x4_0000
MOUNT_SETATTR = 442
CAPSET = {"x86_64": 126, "aarch64": 91}
NO_SUID, NO_DEVICES = 2, 4
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
NOBODY = 65534
LIBC = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _must(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def own_namespaces(disk_bytes: int) -> bool:
    """A view of the machine without network, whose files are read-only but for this folder.

    False where the system does not allow that; then only the filter of system calls is left.
    """
    user, group, folder = os.geteuid(), os.getegid(), os.getcwd().encode()
    try:
        _must(LIBC.unshare(NEW_NAMESPACES))
        for name, words in (
            ("setgroups", "deny"),
            ("uid_map", f"{NOBODY} {user} 1"),
            ("gid_map", f"{NOBODY} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(words)
        attributes = (ctypes.c_uint64 * 4)(READ_ONLY, 0, PRIVATE, 0)
        size = ctypes.sizeof(attributes)
        _must(LIBC.syscall(MOUNT_SETATTR, -100, b"/", AT_RECURSIVE, attributes, size))
        options = f"size={disk_bytes},nr_inodes=1000,mode=700".encode()
        _must(LIBC.mount(b"tmpfs", folder, b"tmpfs", NO_SUID | NO_DEVICES, options))
        os.chdir(folder)
    except OSError:
        return False
    return True


def give_up(job: dict[str, Any], files: bool) -> None:
    """Give up privileges, and take on the limits. Raises OSError where the system refuses."""
    header = (ctypes.c_uint32 * 2)(0x2008_0522, 0)
    _must(LIBC.syscall(CAPSET[job["machine"]], header, (ctypes.c_uint32 * 6)()))
    for name, most in job["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    _must(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    code = ctypes.create_string_buffer(base64.b64decode(job["filters"][files]))
    words = _Filter((len(code) - 1) // 8, ctypes.addressof(code))
    _must(LIBC.prctl(PR_SET_SECCOMP, 2, ctypes.byref(words), 0, 0))


def run(parts: list[str]) -> str:
    """Run them one after the other as one module; what was raised, or nothing."""
    module = types.ModuleType("answer")
    sys.modules["answer"] = module
    try:
        for part in parts:
            exec(compile(part, "<answer>", "exec"), module.__dict__)  # noqa: S102 (its purpose)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def main() -> None:
    """One job: from the first pipe, told on the second."""
    asked, told, parent = (int(word) for word in sys.argv[1:])
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return
    job = json.loads(read_exactly(asked, int(read_exactly(asked, 12))))
    key = bytes.fromhex(job.pop("key"))
    own = job["own_namespaces"] and own_namespaces(job["disk_bytes"])
    try:
        give_up(job, own)
    except OSError as error:
        os.write(told, json.dumps({"refused": str(error)}).encode() + b"\n")
        return
    os.write(told, json.dumps({"own_namespaces": own}).encode() + b"\n")
    raised = run(job["parts"])
    if raised:
        said = {"raised": raised}
    else:
        said = {"passed": hmac.digest(key, read_exactly(asked, 32), "sha256").hex()}
    os.write(told, json.dumps(said).encode() + b"\n")
    os._exit(0)  # Threads of the program, and what it wants to do at the end, do not count.


def read_exactly(pipe: int, count: int) -> bytes:
    """So many bytes, and none that follow."""
    found = b""
    while len(found) < count:
        piece = os.read(pipe, count - len(found))
        if not piece:
            raise EOFError
        found += piece
    return found


if __name__ == "__main__":
    main()
