"""Clients whose connections wait to be accepted, when the listening sockets are given up."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from nano_trio.parent.sockets import HeldSockets, refuse_handshakes
from tests.cli.conftest import Start

from .conftest import until, workers_of

_REQUEST = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n"


def answer(client: socket.socket) -> bytes:
    """The status line, once all has come."""
    got = b""
    while data := client.recv(65536):
        got += data
    return got.partition(b"\r\n")[0]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", ["the parent", "everybody"])
def test_who_waits_when_the_server_is_told_to_end_is_served(start: Start, app: Path, how: str, workers: int) -> None:
    """``everybody``: as Ctrl-C in a terminal does."""
    running = start("serve", str(app), "--port", "0", "--workers", str(workers))
    port = running.port()
    until(lambda: sum("listening" in line for line in running.err) == workers)
    processes = workers_of(running)
    for process in processes:
        process.suspend()
        until(lambda process=process: process.status() == psutil.STATUS_STOPPED)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(80)]
        for client in clients[::2]:
            client.sendall(_REQUEST)
        if how == "everybody":
            os.killpg(running.process.pid, signal.SIGINT)
        else:
            running.signal(signal.SIGTERM)
            until(lambda: not psutil.Process(running.process.pid).net_connections("tcp"))
        for process in processes:
            process.resume()
        for client in clients[1::2]:
            client.sendall(_REQUEST)
        assert {answer(client) for client in clients} == {b"HTTP/1.1 200 OK"}
    assert running.end().code == 0


def test_a_socket_that_is_given_up_lets_in_who_has_begun_and_nobody_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as ours:
        address = ours.getsockname()
        with socket.create_connection(address) as before:
            with ours.dup() as another_copy:
                refuse_handshakes(another_copy)
            with socket.socket() as late:
                late.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    late.connect(address)
            ours.setblocking(False)
            accepted, _ = ours.accept()
            with accepted:
                assert accepted.getpeername() == before.getsockname()
                accepted.sendall(b"welcome")
                assert before.recv(7) == b"welcome"
            with pytest.raises(BlockingIOError):
                ours.accept()


def test_an_address_that_another_place_has_too_is_not_given_up() -> None:
    """``127.0.0.1`` and ``localhost`` are one, where that is what the name says."""
    held = HeldSockets()
    wanted = [(socket.AF_INET, ("127.0.0.1", 0))]
    (sock,) = held.open(0, ("http", "127.0.0.1", 0), wanted, 5)
    address = sock.getsockname()
    wanted = [(socket.AF_INET, address)]
    leaving = [("http", "127.0.0.1", 0)]
    assert held.open(0, ("http", "localhost", 0), wanted, 5, leaving) == [sock]
    held.close(0, ("http", "127.0.0.1", 0))
    with socket.create_connection(address, 10):
        held.close_all()
    assert sock.fileno() == -1
