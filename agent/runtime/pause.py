"""The pause image, made here: no registry is asked and no compiler is needed.

The program is PID 1 of the sandbox and holds the pod's namespaces. It does three things, and that is all it may do:
it ignores SIGCHLD, so that the kernel itself reaps every orphan that a shared PID namespace hands to PID 1; it ends at
once on SIGTERM and SIGINT, which PID 1 gets only when it asks for them; it waits otherwise. One page of memory.

What the machine code says, in C::

    struct kernel_sigaction ignore = {SIG_IGN};           // handler, flags, restorer, mask
    unsigned long ends = 1 << (SIGINT - 1) | 1 << (SIGTERM - 1);
    rt_sigaction(SIGCHLD, &ignore, NULL, 8);
    rt_sigprocmask(SIG_BLOCK, &ends, NULL, 8);            // blocked, so that it can be waited for
    for (;;) {
        int signal = rt_sigtimedwait(&ends, NULL, NULL, 8);   // -EINTR after SIGCONT, a tracer's visit: wait again
        if (signal == SIGINT || signal == SIGTERM) exit_group(0);
    }
"""

import io
import struct
import tarfile

PAUSE_VERSION = "1"
PAUSE_IMAGE = f"steersman/pause:{PAUSE_VERSION}"
IMAGE_LABEL = "io.steersman.cluster-image"
# What `docker import` changes in the image's configuration.
IMAGE_CHANGES = ('ENTRYPOINT ["/pause"]', f"LABEL {IMAGE_LABEL}=pause")

_LOAD_ADDRESS = 0x400000
_HEADERS_BYTES = 64 + 56
_EM_X86_64, _EM_AARCH64 = 62, 183
# The data behind the code: a struct sigaction with SIG_IGN (1), then the mask of SIGINT (2) and SIGTERM (15).
_DATA = struct.pack("<QQQQ", 1, 0, 0, 0) + struct.pack("<Q", 1 << 1 | 1 << 14)
_MASK_OFFSET = 32

_X86_64_LISTING: tuple[tuple[str, str], ...] = (
    ("b8 0d 00 00 00", "mov  eax, 13            rt_sigaction"),
    ("bf 11 00 00 00", "mov  edi, 17            SIGCHLD"),
    ("48 8d 35 47 00 00 00", "lea  rsi, [rip+0x47]    ignore"),
    ("31 d2", "xor  edx, edx           no old action"),
    ("41 ba 08 00 00 00", "mov  r10d, 8            bytes of a mask"),
    ("0f 05", "syscall"),
    ("b8 0e 00 00 00", "mov  eax, 14            rt_sigprocmask"),
    ("31 ff", "xor  edi, edi           SIG_BLOCK"),
    ("48 8d 35 4f 00 00 00", "lea  rsi, [rip+0x4f]    ends"),
    ("0f 05", "syscall                 edx and r10 are as before"),
    ("b8 80 00 00 00", "mov  eax, 128           rt_sigtimedwait   <- again"),
    ("48 8d 3d 41 00 00 00", "lea  rdi, [rip+0x41]    ends"),
    ("31 f6", "xor  esi, esi           no siginfo"),
    ("31 d2", "xor  edx, edx           no time-out"),
    ("41 ba 08 00 00 00", "mov  r10d, 8"),
    ("0f 05", "syscall"),
    ("83 f8 02", "cmp  eax, 2             SIGINT"),
    ("74 05", "je   leave"),
    ("83 f8 0f", "cmp  eax, 15            SIGTERM"),
    ("75 de", "jne  again"),
    ("b8 e7 00 00 00", "mov  eax, 231           exit_group        <- leave"),
    ("31 ff", "xor  edi, edi"),
    ("0f 05", "syscall"),
    ("0f 0b", "ud2                     never reached; pads to 8"),
)


def _x86_64() -> bytes:
    return b"".join(bytes.fromhex(code) for code, _ in _X86_64_LISTING)


def _aarch64() -> bytes:
    """The same program in A64, each instruction built from its fields (Arm ARM, C6.2)."""
    svc = 0xD4000001

    def mov(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    def adr(register: int, distance_bytes: int) -> int:
        return 0x10000000 | (distance_bytes & 3) << 29 | (distance_bytes >> 2 & 0x7FFFF) << 5 | register

    def compare_w0(value: int) -> int:
        return 0x7100001F | value << 10

    def branch_if_equal(distance_bytes: int) -> int:
        return 0x54000000 | (distance_bytes >> 2 & 0x7FFFF) << 5

    def branch(distance_bytes: int) -> int:
        return 0x14000000 | distance_bytes >> 2 & 0x3FFFFFF

    count, again, leave = 26, 11, 22

    def to_data(at: int, offset: int = 0) -> int:
        return (count - at) * 4 + offset

    words = [
        *(mov(8, 134), mov(0, 17), adr(1, to_data(2)), mov(2, 0), mov(3, 8), svc),  # 0: rt_sigaction
        *(mov(8, 135), mov(0, 0), adr(1, to_data(8, _MASK_OFFSET)), mov(2, 0), svc),  # 6: rt_sigprocmask
        *(mov(8, 137), adr(0, to_data(12, _MASK_OFFSET)), mov(1, 0), mov(2, 0), mov(3, 8), svc),  # 11: rt_sigtimedwait
        *(compare_w0(2), branch_if_equal((leave - 18) * 4)),  # 17
        *(compare_w0(15), branch_if_equal((leave - 20) * 4)),  # 19
        branch((again - 21) * 4),  # 21
        *(mov(8, 94), mov(0, 0), svc),  # 22: exit_group
        0xD503201F,  # 25: nop, pads to 8
    ]
    return struct.pack(f"<{count}I", *words)


def pause_program(architecture: str) -> bytes:
    """A static ELF file for ``amd64`` or ``arm64``. Raises ValueError for another architecture."""
    programs = {"amd64": (_EM_X86_64, _x86_64), "arm64": (_EM_AARCH64, _aarch64)}
    if architecture not in programs:
        raise ValueError(f"no pause program for the architecture {architecture!r}: set pause-image")
    machine, code = programs[architecture]
    body = code() + _DATA
    size = _HEADERS_BYTES + len(body)
    entry = _LOAD_ADDRESS + _HEADERS_BYTES
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    header = identity + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    read_and_execute = 5
    # Aligned to 64 KiB, the largest page that arm64 kernels use.
    segment = struct.pack("<IIQQQQQQ", 1, read_and_execute, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x10000)
    return header + segment + body


def pause_rootfs(architecture: str) -> bytes:
    """The image's only layer, as a tar file with one program in it."""
    program = pause_program(architecture)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("pause")
        entry.mode, entry.size = 0o755, len(program)
        tar.addfile(entry, io.BytesIO(program))
    return archive.getvalue()
