"""Parsers on the text of kernels old and new; bytes in, values out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cadvisor_lite.readers import DeviceIoSample, InterfaceSample
from cadvisor_lite.readers.parsing import (
    Picked,
    parse_blkio,
    parse_cpu_max,
    parse_cpuinfo,
    parse_flat,
    parse_io_stat,
    parse_limit,
    parse_meminfo,
    parse_mounts,
    parse_net_dev,
    parse_os_release,
    parse_proc_cgroup,
    shares_from_weight,
)

NET_DEV = (
    b"Inter-|   Receive                            |  Transmit\n"
    b" face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier comp\n"
    b"    lo:    3293      31    0    0    0     0   0   0     3293      31    0    0    0     0       0    0\n"
    b"  eth0:2205746007 59207    1    2    0     0   0   0  3088270   30213    3    4    0     0       0    0\n"
    b"eth0:1:      10       1    0    0    0     0   0   0       20       2    0    0    0     0       0    0\n"
    b"veth9a:      10       1    0    0    0     0   0   0       20       2    0    0    0     0       0    0\n"
)


def test_net_dev_gives_each_interface_but_loopback_and_the_ends_of_other_links() -> None:
    assert parse_net_dev(NET_DEV) == (
        InterfaceSample("eth0", 2205746007, 59207, 1, 2, 3088270, 30213, 3, 4),
        InterfaceSample("eth0:1", 10, 1, 0, 0, 20, 2, 0, 0),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"max\n", None),
        (b"-1\n", None),
        (b"9223372036854771712\n", None),
        (None, None),
        (b"67108864\n", 67108864),
        (b"0\n", 0),
    ],
)
def test_a_limit_that_is_none_is_told_from_one_that_is_set(text: bytes | None, value: int | None) -> None:
    assert parse_limit(text) == value


def test_cpu_max_gives_quota_and_period() -> None:
    assert parse_cpu_max(b"50000 100000\n") == (50000, 100000)
    assert parse_cpu_max(b"max 100000\n") == (None, 100000)


@pytest.mark.parametrize("shares", [2, 10, 512, 1024, 262144])
def test_shares_survive_the_way_to_a_weight_and_back(shares: int) -> None:
    weight = 1 + (shares - 2) * 9999 // 262142
    assert abs(shares_from_weight(weight) - shares) <= 27  # one step of weight is 26.2 shares


def test_a_process_is_found_in_joint_and_named_hierarchies_and_paths_may_hold_colons() -> None:
    paths = parse_proc_cgroup("4:memory:/a:b\n2:cpu,cpuacct:/docker/x\n1:name=systemd:/s\n0::/u\n")
    assert paths == {"memory": "/a:b", "cpu": "/docker/x", "cpuacct": "/docker/x", "name=systemd": "/s", "": "/u"}


def test_blkio_joins_bytes_and_operations_by_device() -> None:
    data = b"254:0 Read 40960\n254:0 Write 8192\n254:0 Total 49152\n8:16 Read 5\nTotal 49157\n"
    assert parse_blkio(data, b"254:0 Read 10\n254:0 Write 2\nTotal 12\n") == (
        DeviceIoSample("254:0", 40960, 8192, 10, 2),
        DeviceIoSample("8:16", read_bytes=5),
    )
    assert parse_blkio(b"Total 0\n", None) == ()


def test_io_stat_leaves_out_devices_without_counters() -> None:
    data = b"7:0\n254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0 cost.usage=9\n"
    assert parse_io_stat(data) == (DeviceIoSample("254:0", 1, 2, 3, 4),)


def test_meminfo_is_in_bytes_and_counts_stay_counts() -> None:
    assert parse_meminfo(b"MemTotal: 2 kB\nHugePages_Total: 3\n") == {"MemTotal": 2048, "HugePages_Total": 3}


def test_cpuinfo_tells_cores_from_threads_and_knows_machines_without_topology() -> None:
    threads = b"\n".join(b"processor\t: %d\nphysical id\t: 0\ncore id\t: 0\ncpu MHz\t: 2000.5\n" % n for n in range(2))
    assert parse_cpuinfo(threads) == (2, 1, 1, 2000500)
    assert parse_cpuinfo(b"processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\nBogoMIPS\t: 50\n") == (2, 2, 1, 0)


def test_mounts_are_block_devices_once_each_with_their_blanks() -> None:
    data = b"proc /proc proc rw 0 0\n/dev/sda1 /a\\040b ext4 rw 0 0\n/dev/sda1 /c ext4 rw 0 0\n"
    data += b"/dev/loop1 /s squashfs ro 0 0\n"
    assert parse_mounts(data) == (("/dev/sda1", "/a b", "ext4"),)


def test_os_release_gives_the_pretty_name() -> None:
    assert (
        parse_os_release(b'NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
        == "Debian GNU/Linux 12 (bookworm)"
    )
    assert parse_os_release(b"") == ""


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.integers(0, 2**63)))
def test_flat_files_come_back_as_they_were_written(values: dict[str, int]) -> None:
    data = "".join(f"{key} {value}\n" for key, value in values.items()).encode()
    assert parse_flat(data) == {key.encode(): value for key, value in values.items()}


def test_picked_keys_are_found_wherever_they_stand_and_absent_ones_left_out() -> None:
    picked = Picked(b"rss", b"pgfault", b"swap")
    assert picked(b"cache 1\nrss 2\npgfault 3\n") == {b"rss": 2, b"pgfault": 3}
    assert picked(b"pgfault 5\nrss 4\n") == {b"rss": 4, b"pgfault": 5}
    assert picked(b"swap 9\ncache 1\nrss 7\nmore 8\n") == {b"rss": 7, b"swap": 9}
    assert picked(b"") == {}
    with pytest.raises(ValueError, match="invalid literal"):
        picked(b"rss many\n")
