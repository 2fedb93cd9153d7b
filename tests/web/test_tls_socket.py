"""The adapter alone, on a socket pair whose buffers are small: back-pressure, key updates, ends."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nano_trio.web.certificates import TLSSettings, server_context
from nano_trio.web.tls_socket import TLSSocket
from tests.web.secure import client_context, written


class Peer:
    """The client's end, which reads only when told to."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client_context().wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.ended = False

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self.sock.sendall(self.outgoing.read())

    def read(self) -> bytes:
        """What is there."""
        with contextlib.suppress(BlockingIOError):
            self.incoming.write(self.sock.recv(1 << 20))
        received = b""
        try:
            while data := self.tls.read(65536):
                received += data
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        return received


Pair = tuple[TLSSocket, Peer]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A connection whose handshake is done, over buffers of some kilobytes."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server = TLSSocket(ours, server_context(written(tmp_path, "localhost"), TLSSettings()))
    peer = Peer(theirs)
    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        if data := peer.outgoing.read():
            theirs.sendall(data)
            complete = server.shake(ours.recv(1 << 16))
            if complete:
                break
        peer.incoming.write(theirs.recv(1 << 16))
    assert peer.read() == b""
    yield server, peer
    server.close()
    theirs.close()


def fill(server: TLSSocket, piece: bytes) -> int:
    """Send until the socket takes no more; how many bytes counted as sent."""
    sent = 0
    while True:
        try:
            sent += server.send(piece)
        except BlockingIOError:
            return sent


def send_all(server: TLSSocket, peer: Peer, data: bytes, send: Callable[[bytes], int] | None = None) -> bytes:
    """Send as Service does; the peer reads whenever the socket is full. What it received."""
    received = b""
    view = memoryview(data)
    while view:
        try:
            view = view[(send or server.send)(view) :]  # type: ignore[arg-type]
        except BlockingIOError:
            received += peer.read()
    while more := peer.read():
        received += more
    return received


@pytest.mark.parametrize("size", [1, 16383, 16384, 16385, 65536, 65537, 700_000, 3_000_000])
def test_what_is_sent_arrives_once(pair: Pair, size: int) -> None:
    server, peer = pair
    data = random.Random(size).randbytes(size)
    assert send_all(server, peer, data) == data
    assert send_all(server, peer, data[::-1]) == data[::-1]


def test_sendmsg(pair: Pair) -> None:
    server, peer = pair
    generator = random.Random(1)
    for _ in range(20):
        data = generator.randbytes(generator.choice([10, 20_000, 600_000]))
        cut = generator.randrange(len(data))
        parts = [b"head", data[:cut], memoryview(data)[cut:], b"tail"]
        received = b""
        whole = b"".join(parts)
        done = 0
        while done < len(whole):
            rest, skip = [], done
            for part in parts:
                rest.append(memoryview(part)[skip:])
                skip = max(0, skip - len(part))
            try:
                done += server.sendmsg(rest)
            except BlockingIOError:
                received += peer.read()
        while more := peer.read():
            received += more
        assert received == whole


def test_a_full_socket_counts_nothing_as_sent(pair: Pair) -> None:
    server, peer = pair
    sent = fill(server, bytes(16384))
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            server.send(bytes(16384))
    received = 0
    while more := peer.read():
        received += len(more)
        with contextlib.suppress(BlockingIOError):
            sent += server.send(bytes(16384))
    assert received == sent


def test_what_was_given_up_is_not_taken_for_what_follows(pair: Pair) -> None:
    """A 100 Continue that did not fit, and then the response's head: both arrive, in order, whole."""
    server, peer = pair
    counted = fill(server, b"x" * 5000)
    filler = b"x" * (counted + 5000)  # the last waits in our hands, and is given up
    while len(received := peer.read()) == 0:
        pass
    received += send_all(server, peer, b"HTTP/1.1 200 OK")
    assert received == filler + b"HTTP/1.1 200 OK"


def test_received_in_pieces(pair: Pair) -> None:
    server, peer = pair
    peer.tls.write(b"hello")
    ciphertext = peer.outgoing.read()
    for octet in ciphertext[:-1]:
        peer.sock.sendall(bytes((octet,)))
        with pytest.raises(BlockingIOError):
            server.recv(65536)
    peer.sock.sendall(ciphertext[-1:])
    assert server.recv(65536) == b"hello"
    with pytest.raises(BlockingIOError):
        server.recv(65536)


def test_all_that_arrived_is_returned_at_once(pair: Pair) -> None:
    """Nothing may stay behind in OpenSSL, for the poll sees only the socket."""
    server, peer = pair
    for _ in range(100):
        peer.tls.write(b"x" * 300)
    data = peer.outgoing.read()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.sock.sendall(data)
    assert server.recv(1 << 20) == b"x" * 30_000


def test_the_end(pair: Pair) -> None:
    server, peer = pair
    peer.tls.write(b"last")
    with contextlib.suppress(ssl.SSLError):
        peer.tls.unwrap()
    peer.sock.sendall(peer.outgoing.read())
    assert server.recv(65536) == b"last"
    assert server.recv(65536) == b""  # though the client's socket is open
    assert server.recv(65536) == b""


def test_tampering_is_an_error(pair: Pair) -> None:
    server, peer = pair
    peer.tls.write(b"hello")
    data = bytearray(peer.outgoing.read())
    data[-1] ^= 1
    peer.sock.sendall(data)
    with pytest.raises(ssl.SSLError, match=r"BAD_RECORD_MAC|RECORD_LAYER_FAILURE"):
        server.recv(65536)


def test_after_shutdown_the_rest_is_thrown_away_undecrypted(pair: Pair) -> None:
    server, peer = pair
    server.send(b"bye")
    server.shutdown(socket.SHUT_WR)
    assert peer.read() == b"bye"
    assert peer.ended
    peer.send(b"still talking")
    assert server.recv(65536)
    peer.sock.close()
    with contextlib.suppress(ConnectionResetError):
        assert server.recv(65536) == b""


def test_close_says_goodbye_and_a_reset_does_not(pair: Pair) -> None:
    server, peer = pair
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    server.close()
    assert server.fileno() == -1
    with contextlib.suppress(ConnectionResetError):
        peer.read()
    assert not peer.ended
    server.close()
