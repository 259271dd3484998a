"""The numbers of the system calls that a confined program may not make, for two machines.

From Linux's own tables: `arch/x86/entry/syscalls/syscall_64.tbl`, and
`include/uapi/asm-generic/unistd.h` for arm64. None: the machine lacks it.
"""

from typing import NamedTuple


class Numbers(NamedTuple):
    """One call's number on each machine."""

    x86_64: int | None
    aarch64: int | None


def _same(*numbers: int) -> tuple[Numbers, ...]:
    return tuple(Numbers(number, number) for number in numbers)


SOCKETS = (
    Numbers(41, 198),  # socket; a socketpair, which asyncio needs, reaches nobody
    Numbers(42, 203),  # connect
    Numbers(49, 200),  # bind
    Numbers(50, 201),  # listen
    Numbers(43, 202),  # accept
    Numbers(288, 242),  # accept4
)
PROCESSES = (
    Numbers(57, None),  # fork
    Numbers(58, None),  # vfork
    Numbers(59, 221),  # execve
    Numbers(322, 281),  # execveat
    Numbers(62, 129),  # kill
    Numbers(200, 130),  # tkill
    Numbers(234, 131),  # tgkill
    Numbers(129, 138),  # rt_sigqueueinfo
    Numbers(297, 240),  # rt_tgsigqueueinfo
    *_same(424, 434, 438),  # pidfd_send_signal, pidfd_open, pidfd_getfd
    Numbers(101, 117),  # ptrace
    Numbers(310, 270),  # process_vm_readv
    Numbers(311, 271),  # process_vm_writev
    Numbers(141, 140),  # setpriority
)
KERNEL = (
    Numbers(272, 97),  # unshare
    Numbers(308, 268),  # setns
    Numbers(165, 40),  # mount
    Numbers(166, 39),  # umount2
    Numbers(155, 41),  # pivot_root
    Numbers(161, 51),  # chroot
    *_same(428, 429, 430, 431, 432, 433, 442),  # the newer calls that mount
    Numbers(321, 280),  # bpf
    Numbers(298, 241),  # perf_event_open
    Numbers(248, 217),  # add_key
    Numbers(249, 218),  # request_key
    Numbers(250, 219),  # keyctl
    *_same(425, 426, 427),  # io_uring
    Numbers(323, 282),  # userfaultfd
    Numbers(246, 104),  # kexec_load
    Numbers(320, 294),  # kexec_file_load
    Numbers(175, 105),  # init_module
    Numbers(313, 273),  # finit_module
    Numbers(176, 106),  # delete_module
    Numbers(169, 142),  # reboot
    Numbers(167, 224),  # swapon
    Numbers(168, 225),  # swapoff
    Numbers(170, 161),  # sethostname
    Numbers(164, 170),  # settimeofday
    Numbers(227, 112),  # clock_settime
    Numbers(159, 171),  # adjtimex
    Numbers(305, 266),  # clock_adjtime
    Numbers(163, 89),  # acct
    Numbers(135, 92),  # personality
    Numbers(160, 164),  # setrlimit
    Numbers(304, 265),  # open_by_handle_at
)
LASTING = (  # What these make outlives the process.
    Numbers(29, 194),  # shmget
    Numbers(64, 190),  # semget
    Numbers(68, 186),  # msgget
    Numbers(240, 180),  # mq_open
)
CHANGING_FILES = (
    Numbers(85, None),  # creat
    Numbers(87, None),  # unlink
    Numbers(263, 35),  # unlinkat
    Numbers(84, None),  # rmdir
    Numbers(82, None),  # rename
    Numbers(264, 38),  # renameat
    Numbers(316, 276),  # renameat2
    Numbers(83, None),  # mkdir
    Numbers(258, 34),  # mkdirat
    Numbers(86, None),  # link
    Numbers(265, 37),  # linkat
    Numbers(88, None),  # symlink
    Numbers(266, 36),  # symlinkat
    Numbers(133, None),  # mknod
    Numbers(259, 33),  # mknodat
    Numbers(90, None),  # chmod
    Numbers(91, 52),  # fchmod
    Numbers(268, 53),  # fchmodat
    *_same(452),  # fchmodat2
    Numbers(92, None),  # chown
    Numbers(94, None),  # lchown
    Numbers(93, 55),  # fchown
    Numbers(260, 54),  # fchownat
    Numbers(76, 45),  # truncate
    Numbers(132, None),  # utime
    Numbers(235, None),  # utimes
    Numbers(261, None),  # futimesat
    Numbers(280, 88),  # utimensat
    Numbers(188, 5),  # setxattr
    Numbers(189, 6),  # lsetxattr
    Numbers(190, 7),  # fsetxattr
    Numbers(197, 14),  # removexattr
    Numbers(198, 15),  # lremovexattr
    Numbers(199, 16),  # fremovexattr
)
OPEN, OPENAT, OPENAT2 = Numbers(2, None), Numbers(257, 56), Numbers(437, 437)
CLONE, CLONE3, PRLIMIT = Numbers(56, 220), Numbers(435, 435), Numbers(302, 261)
