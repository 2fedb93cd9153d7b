"""The parent's parts, each by itself."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.parent.channel import Channel, ChannelClosed
from nano_trio.parent.log import Log
from nano_trio.parent.quarantine import Quarantine
from nano_trio.parent.sockets import HeldSockets, bind_all
from nano_trio.parent.systemd import InheritedSocket, inherited_sockets
from nano_trio.parent.turn_record import TurnRecord, make_record, running_app
from nano_trio.parent.worker import Worker
from tests.threads import NO_THREADS

LOOPBACK = [(socket.AF_INET, ("127.0.0.1", 0))]


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    one, two = (Channel(sock) for sock in socket.socketpair())
    yield one, two
    one.close()
    two.close()


JSON = st.dictionaries(
    st.sampled_from("abc"), st.integers() | st.text(max_size=10) | st.lists(st.booleans(), max_size=3)
)


@given(st.lists(JSON, max_size=20))
def test_messages_arrive_as_they_were_sent(bodies: list[dict[str, Any]]) -> None:
    one, two = (Channel(sock) for sock in socket.socketpair())
    for body in bodies:
        one.send("message", **body)
    received = []
    while len(received) < len(bodies):
        received += two.receive()
    assert received == [{"type": "message", "fds": [], **body} for body in bodies]
    assert two.receive() == []
    one.close()
    with pytest.raises(ChannelClosed):
        two.receive()
    two.close()


def test_descriptors_arrive_with_their_message(ends: tuple[Channel, Channel]) -> None:
    one, two = ends
    reading, writing = os.pipe()
    one.send("before", text="x" * 1000)
    one.send("pipe", [writing], number=1)
    os.close(writing)
    one.send("after")
    received = []
    while len(received) < 3:
        received += two.receive()
    assert [(message["type"], len(message["fds"])) for message in received] == [
        ("before", 0),
        ("pipe", 1),
        ("after", 0),
    ]
    (fd,) = received[1]["fds"]
    assert not os.get_inheritable(fd)
    os.write(fd, b"hello")
    os.close(fd)
    assert os.read(reading, 10) == b"hello"
    os.close(reading)


_FULL = """
import os, resource, socket, sys
from nano_trio.parent.channel import Channel

def open_files():
    return len(os.listdir("/proc/self/fd")) - 1  # without the listing's own

def show(messages):
    print([(message["type"], len(message["fds"])) for message in messages], open_files() - full)

one, two = (Channel(end) for end in socket.socketpair())
sockets = [socket.socket() for _ in range(2)]
one.send("opened", [sock.fileno() for sock in sockets])
one.send("peer", [sockets[0].fileno()])
listing = os.open("/", os.O_RDONLY)
full = open_files() - 1
os.close(listing)
resource.setrlimit(resource.RLIMIT_NOFILE, (full + int(sys.argv[1]), 1000))
first = two.receive()
try:
    one.send("refused", [0, 0])
except OSError as error:
    print(error.strerror)
resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))
show(first)
show(two.receive())
show(two.receive())
"""


@pytest.mark.parametrize("room", [0, 1])
def test_a_process_without_room_for_descriptors_gets_their_messages_without(room: int) -> None:
    """All of a message's descriptors or none, and each message its own; nothing is left open."""
    done = subprocess.run([sys.executable, "-c", _FULL, str(room)], capture_output=True, text=True, timeout=30)
    assert (done.stdout.splitlines(), done.stderr) == (
        ["Too many open files", "[('opened', 0)] 0", "[('peer', 1)] 1", "[] 1"],
        "",
    )


def test_what_the_socket_does_not_take_waits(ends: tuple[Channel, Channel]) -> None:
    one, two = ends
    text = "x" * 3_000_000
    one.send("long", text=text)
    one.send("short", [0])
    assert one.pending
    received = []
    while len(received) < 2:
        one.flush()
        received += two.receive()
    assert not one.pending
    assert [message.get("text") for message in received] == [text, None]
    os.close(received[1]["fds"][0])
    one.send("long", text=text)
    two.close()
    one.flush()
    assert not one.pending, "nobody will ever take it"


def test_the_record_names_the_app_whose_turn_runs() -> None:
    fd = make_record()
    record = TurnRecord(os.dup(fd))
    names = ["shop", "café", "a" * 200]
    record.introduce(["café", "bakery", "café"])
    assert running_app(fd) is None
    for name in names:
        record.mark[0] = record.number(name)
        assert running_app(fd) == name
    record.mark[0] = 0
    assert running_app(fd) is None
    assert record.number("shop") == record.number("shop")
    os.close(fd)


def test_the_second_crash_within_the_window() -> None:
    now = 0.0
    quarantine = Quarantine(60, clock=lambda: now)
    assert not quarantine.crashed("a", "died")
    now = 61
    assert not quarantine.crashed("a", "died"), "the first is forgotten"
    assert not quarantine.crashed("b", "died")
    now = 120
    assert quarantine.crashed("a", "was killed by SIGSEGV")
    assert quarantine.reasons.keys() == {"a"}
    assert quarantine.reasons["a"].startswith(
        "its code was running when the server process was killed by SIGSEGV, 2 times within 60 s, the last time at 2"
    )
    assert quarantine.lift("a")
    assert not quarantine.lift("a")
    assert not quarantine.crashed("a", "died"), "lifted, its past is forgotten, too"


def test_a_place_stays_open_as_long_as_a_worker_listens_there() -> None:
    held = HeldSockets()
    key = ("http", "127.0.0.1", 0)
    (sock,) = held.open(0, key, LOOPBACK, 5)
    assert held.open(1, key, LOOPBACK, 5) == [sock]
    held.close(0, key)
    assert sock.fileno() >= 0
    # A new life of worker 1 that does not ask for it has no use for it.
    held.begin(1)
    held.settle(1)
    assert sock.fileno() == -1
    held.close(1, key)


def test_what_a_dead_worker_asked_for_is_its_successor_s() -> None:
    held = HeldSockets()
    key = ("http", "127.0.0.1", 0)
    (sock,) = held.open(0, key, LOOPBACK, 5)
    held.begin(0)
    assert held.open(0, key, LOOPBACK, 5) == [sock]
    held.settle(0)
    assert sock.fileno() >= 0
    held.close_all()
    assert sock.fileno() == -1


def test_a_place_that_cannot_be_had_leaves_nothing_open() -> None:
    """Of two addresses one is ours already, and somebody else has the other."""
    held = HeldSockets(copied=False)
    (ours,) = held.open(0, ("http", "one", 0), LOOPBACK, 5)
    port = ours.getsockname()[1]
    wanted = [(socket.AF_INET, (address, port)) for address in ("127.0.0.1", "127.0.0.2")]
    with socket.create_server(("127.0.0.2", port)):
        before = os.listdir("/proc/self/fd")
        with pytest.raises(OSError, match="in use") as caught:
            held.open(0, ("http", "both", port), wanted, 5, [("http", "one", 0)])
        # While the error is at hand: what it leads to is not collected.
        assert len(os.listdir("/proc/self/fd")) == len(before)
        assert caught.value.errno == errno.EADDRINUSE
    ours.close()


def test_sockets_of_systemd_are_claimed_by_their_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as wanted, socket.create_server(("127.0.0.1", 0)) as other:
        held = HeldSockets([InheritedSocket(wanted, "web"), InheritedSocket(other, "unknown")])
        port = wanted.getsockname()[1]
        key = ("http", "127.0.0.1", port)
        assert held.open(0, key, [(socket.AF_INET, ("127.0.0.1", port))], 5) == [wanted]
        assert held.unclaimed == [f"127.0.0.1:{other.getsockname()[1]} (unknown)"]
        held.close(0, key)
        assert wanted.fileno() >= 0, "it is systemd's"
        assert held.open(0, key, [(socket.AF_INET, ("127.0.0.1", port))], 5) == [wanted]


def test_addresses_that_this_machine_lacks_are_no_error_beside_one_that_it_has() -> None:
    strange, elsewhere = (1000, ("::1", 0)), (socket.AF_INET, ("192.0.2.1", 0))
    sockets = bind_all([strange, elsewhere, *LOOPBACK, elsewhere, strange], 5)
    try:
        assert [sock.getsockname()[0] for sock in sockets] == ["127.0.0.1"]
        with socket.create_connection(sockets[0].getsockname()):
            pass
    finally:
        for sock in sockets:
            sock.close()
    for wanted in ([strange], [elsewhere], [strange, elsewhere]):
        with pytest.raises(OSError, match=r"not supported|Cannot assign"):
            bind_all(wanted, 5)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"},
        {"LISTEN_PID": str(os.getpid())},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "-1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "0"},
    ],
)
def test_sockets_that_are_not_for_this_process(environ: dict[str, str]) -> None:
    """Nor are they told to its children."""
    environ = {**environ, "PATH": "/bin"}
    assert inherited_sockets(environ) == []
    assert environ == {"PATH": "/bin"}


def test_sockets_of_systemd_have_the_names_that_there_are() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        first = fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100)
        os.dup2(two.fileno(), first + 1)
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "web"}
        found = inherited_sockets(environ, first)
        assert [(each.name, each.sock.fileno()) for each in found] == [("web", first), ("unknown", first + 1)]
        for each in found:
            assert not os.get_inheritable(each.sock.fileno())
            assert each.sock.gettimeout() == 0
            each.sock.close()


def test_a_worker_that_cannot_be_started_leaves_nothing_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    worker = Worker(0)
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            worker.start(["/no/such/program", "{}"], {})
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert (worker.alive, worker.channel, worker.running_app()) == (False, None, None)


def test_an_address_that_is_taken_is_an_error_and_opens_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        with pytest.raises(OSError, match="in use") as caught:
            bind_all([(socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, address)], 5)
        assert caught.value.errno == errno.EADDRINUSE


def test_log_lines(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log()
    log("error", "it died", app="shop", pid=7, nothing=None)
    log("debug", "not shown")
    log.flush()
    assert capfd.readouterr().err.split(" ", 1)[1] == "error   shop: it died pid=7\n"
    log.format = "json"
    log("error", "it died", app="shop", pid=7)
    log.flush()
    line = json.loads(capfd.readouterr().err)
    assert {"app": "shop", "event": "it died", "level": "error", "pid": 7}.items() < line.items()
    log.level = "error"
    log("warning", "not shown")
    log.flush()
    assert capfd.readouterr().err == ""
    with open(os.devnull) as closed:
        pass
    monkeypatch.setattr(sys, "stderr", closed)
    log("error", "nobody reads")
    log.flush()


def test_of_more_log_lines_than_the_output_takes_the_first_are_kept_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    with open(writer, "w") as stream, open(reader) as lines:
        monkeypatch.setattr(sys, "stderr", stream)
        log = Log()
        for number in range(3000):
            log("error", f"line {number} {'x' * 500}")
        read = [lines.readline() for _ in range(500)]
        log("error", "the end")
        while "the end" not in read[-1]:
            read.append(lines.readline())
        log("error", "no more is lost")
        assert "no more is lost" in lines.readline()
    numbers = [int(line.partition(" line ")[2].split()[0]) for line in read if " line " in line]
    assert numbers[:1000] == list(range(1000))
    assert numbers == sorted(numbers)
    lost = sum(int(line.partition("lost=")[2]) for line in read if "lost=" in line)
    assert lost == 3000 - len(numbers) > 1000


def test_log_lines_that_the_disk_has_no_room_for_are_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "log").open("a") as file:
        monkeypatch.setattr(sys, "stderr", file)
        log = Log()
        resource.setrlimit(resource.RLIMIT_FSIZE, (110, limits[1]))
        try:
            for number in range(10):
                log("error", f"line {number} {'x' * 50}")
                log.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        log("error", "the end")
        log.flush()
    first, cut, lost, end = (tmp_path / "log").read_text().splitlines()
    assert "line 0 xxx" in first
    assert " line" in cut
    assert lost.endswith("9 log lines lost: the output did not take them lost=9")
    assert end.endswith("the end")


def test_where_no_thread_can_be_had_lines_wait_for_the_end() -> None:
    """As where a container's processes are limited: the parent ended, of telling that it cannot start a worker."""
    program = f"""{NO_THREADS}
from nano_trio.parent.log import Log
log = Log()
log("error", "the first", reason="x" * 10_000)
log("error", "the second")
log.flush()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")
    first, second = done.stderr.splitlines()
    assert first.endswith("error   the first reason=" + "x" * 10_000)
    assert second.endswith("error   the second")


def test_lines_that_waited_for_a_thread_are_written_when_there_is_one() -> None:
    program = f"""{NO_THREADS}
from nano_trio.parent.log import Log
log = Log()
log("error", "the first")
threading.stack_size(0)
log("error", "the second")
log.flush(30)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert [line.partition("the ")[2] for line in done.stderr.splitlines()] == ["first", "second"]
