"""``nano-trio serve`` with its parent: real processes, real signals, real clients."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import COMMAND, Nano, Start, asking, end_all, environment, get
from tests.ports import free_port

from .conftest import Running, stop_in_turn, until, worker_of, workers_of

HOG = """export default { async fetch(request) {
  if (new URL(request.url).pathname === "/spin") { console.log("spinning"); for (;;); }
  return new Response("hog");
} };"""


@pytest.fixture
def two(start: Start, app: Path, tmp_path: Path) -> Running:
    """A server with a neighbour, ``app``, and a ``hog``."""
    (tmp_path / "hog.js").write_text(HOG)
    hog = {"name": "hog", "path": "hog.js", "timeout_ms": 600_000}
    (tmp_path / "nano.json").write_text(
        json.dumps({"port": 0, "drain_timeout_s": 1, "apps": [{"name": "app", "path": "app"}, hog]})
    )
    return start("serve", "--config", "nano.json")


class Load:
    """Clients that ask all the while, each request on a connection of its own, and what came of it."""

    def __init__(self, port: int) -> None:
        self.outcomes: collections.Counter[str] = collections.Counter()
        self._port = port
        self._over = False
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def _ask(self) -> None:
        while not self._over:
            try:
                self.outcomes[str(get(self._port)[0])] += 1
            except ConnectionRefusedError:
                self.outcomes["refused"] += 1
            except OSError:
                self.outcomes["broken"] += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_worker_that_dies_under_load_is_replaced_and_nobody_refused(
    start: Start, app: Path, number: signal.Signals
) -> None:
    running = start("serve", "--app", "app", "--port", "0")
    port = running.port()
    with Load(port) as load:
        until(lambda: load.outcomes["200"] > 50)
        worker = worker_of(running)
        worker.send_signal(number)
        running.wait_for(f"a worker process was killed by {number.name} pid={worker.pid}")
        before = load.outcomes["200"]
        until(lambda: load.outcomes["200"] > before + 50)
    assert load.outcomes["refused"] == 0
    # Those that the dying worker had in hand: one a client at most.
    assert load.outcomes["broken"] <= 4
    assert worker_of(running).pid != worker.pid
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert result.out.count("listening on") == 1


def crash_in_turn(running: Running, port: int, app: str) -> None:
    """Have the worker die by SIGSEGV in the middle of a turn of ``app``, which spins."""
    worker = worker_of(running)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET /spin HTTP/1.1\r\nHost: {app}\r\n\r\n".encode())
        running.wait_for("spinning")
        stop_in_turn(worker, app)
        worker.send_signal(signal.SIGSEGV)
        worker.resume()
        running.wait_for(f"{app}: a worker process was killed by SIGSEGV")


def test_an_app_that_crashes_the_engine_twice_is_quarantined_and_its_neighbour_serves(two: Running) -> None:
    port = two.port()
    crash_in_turn(two, port, "hog")
    assert get(port, host="hog") == (200, "hog")
    crash_in_turn(two, port, "hog")
    status, text = get(port, host="hog")
    assert status == 503
    assert "the app is quarantined: its code was running when the server process was killed by SIGSEGV, 2 times" in text
    assert get(port) == (200, "hello")
    worker_of(two).kill()
    assert get(port, host="hog")[0] == 503, "the quarantine outlasts workers"
    assert get(port) == (200, "hello")
    two.signal(signal.SIGTERM)
    assert two.end().code == 0


def test_a_suspended_turn_is_not_to_blame(two: Running) -> None:
    port = two.port()
    worker = worker_of(two)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /spin HTTP/1.1\r\nHost: hog\r\n\r\n")
        two.wait_for("spinning")
        stop_in_turn(worker, None)
        worker.send_signal(signal.SIGSEGV)
        worker.resume()
        assert "hog" not in two.wait_for("a worker process was killed by SIGSEGV")


def test_an_app_that_is_compiled_holds_nobody_up_and_is_to_blame(start: Start, app: Path, tmp_path: Path) -> None:
    """It would take 15 s in one piece, in which the worker gave no sign of life."""
    variables = "".join(f"let v{number};" for number in range(50_000))
    (tmp_path / "long.js").write_text(f"export default {{ fetch: () => new Response('long') }}; {{ {variables} }}")
    apps = [{"name": "app", "path": "app"}, {"name": "long", "path": "long.js"}]
    (tmp_path / "nano.json").write_text(json.dumps({"port": 0, "unresponsive_timeout_s": 1, "apps": apps}))
    running = start("serve", "--config", "nano.json")
    port = running.port()
    worker = worker_of(running)
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: long\r\n\r\n")
        until_s = time.monotonic() + 2
        while time.monotonic() < until_s:
            assert get(port) == (200, "hello")
        assert worker_of(running).pid == worker.pid
        stop_in_turn(worker, "long")
        worker.send_signal(signal.SIGSEGV)
        worker.resume()
        running.wait_for("long: a worker process was killed by SIGSEGV")


def test_the_worker_ends_with_a_parent_that_was_killed(two: Running) -> None:
    port = two.port()
    worker = worker_of(two)
    two.signal(signal.SIGKILL)
    two.process.wait(30)
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.wait(30)
    with pytest.raises(ConnectionRefusedError):
        get(port)


def test_a_log_that_nobody_reads_keeps_the_parent_from_nothing(app: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "serve", str(app), "--port", "0"],
        env=environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        assert get(port)[0] == 200
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"x"):
                pass
        os.set_blocking(writer, True)
        (worker,) = psutil.Process(process.pid).children()
        worker.kill()
        assert get(port)[0] == 200, "another worker has taken its place"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(reader)
        os.close(writer)


def test_the_parent_weighs_less_than_20_mb(two: Running) -> None:
    get(two.port())
    memory = psutil.Process(two.process.pid).memory_full_info()
    assert memory.rss < 20 << 20
    assert memory.uss < 14 << 20


@contextlib.contextmanager
def connected(port: int, *pieces: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in pieces]
        for sock, piece in zip(sockets, pieces, strict=True):
            sock.sendall(piece)
        yield sockets


def test_connections_that_hang_do_not_keep_it_from_ending(two: Running) -> None:
    port = two.port()
    head = b"GET /slow HTTP/1.1\r\nHost: app\r\n"
    body = b"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 100000\r\n\r\nx"
    with connected(port, b"", head, body, b"GET /spin HTTP/1.1\r\nHost: hog\r\n\r\n"):
        two.wait_for("spinning")
        two.signal(signal.SIGTERM)
        result = two.end()
    assert result.code == 0
    assert "is killed" not in result.err


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_nothing_is_accepted_while_it_drains(two: Running) -> None:
    port = two.port()
    with connected(port, b"GET /spin HTTP/1.1\r\nHost: hog\r\n\r\n"):
        two.wait_for("spinning")
        two.signal(signal.SIGTERM)
        two.wait_for("draining")
        until(lambda: refused(port))
        assert two.end().code == 0


def test_ctrl_c_in_a_terminal_counts_once(start: Start, app: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0")
    port = running.port()
    with asking(running, port) as answers:
        os.killpg(running.process.pid, signal.SIGINT)
    assert answers == [(200, "hello")]
    result = running.end()
    assert result.code == 0
    assert "ending at once" not in result.err


def test_a_worker_that_is_told_to_end_by_somebody_else_is_replaced(start: Start, app: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0")
    port = running.port()
    worker = worker_of(running)
    worker.terminate()
    running.wait_for("a worker process ended with exit code 0")
    assert get(port) == (200, "hello")
    assert worker_of(running).pid != worker.pid


def test_several_workers_share_the_port(start: Start, app: Path) -> None:
    (app / "index.js").write_text(
        "const me = crypto.randomUUID(); export default { fetch() { return new Response(me); } }"
    )
    running = start("serve", "--app", "app", "--port", "0", "--workers", "2")
    port = running.port()
    seen = set()

    def both() -> bool:
        connections = [HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(4)]
        for connection in connections:
            connection.request("GET", "/", headers={"Host": "app"})
        for connection in connections:
            seen.add(connection.getresponse().read())
            connection.close()
        return len(seen) == 2

    until(both)
    assert len(workers_of(running)) == 2
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert result.out.count("listening on") == 1
    assert "worker=1" in result.err


def test_a_path_with_braces_is_left_alone(start: Start, app: Path) -> None:
    (app / "{}.js").write_text("export default () => new Response('braces')")
    running = start("serve", "--app", "app/{}.js", "--port", "0", "--no-watch")
    assert get(running.port()) == (200, "braces")


def test_no_parent(start: Start, app: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0", "--no-parent", "--no-watch")
    port = running.port()
    assert get(port) == (200, "hello")
    assert workers_of(running) == []
    (app / "index.js").write_text("export default () => new Response('reloaded')")
    running.signal(signal.SIGHUP)
    running.wait_for("reloaded")
    assert get(port) == (200, "reloaded")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", "0"), 'expected a number from 1 to 512 or "auto"'),
        (("--workers", "many"), "'many'"),
        (("--workers", "2", "--no-parent"), "give either --workers or --no-parent"),
        (("--supervised", "x"), "No such option '--supervised'"),
    ],
)
def test_what_the_command_line_refuses(nano: Nano, app: Path, arguments: tuple[str, ...], message: str) -> None:
    result = nano("serve", "--app", "app", *arguments)
    assert result.code == 2
    assert message in result.err


def test_sighup_reloads_and_a_port_that_it_opened_outlives_the_worker(two: Running, tmp_path: Path) -> None:
    port = two.port()
    worker = worker_of(two)
    own = free_port()
    file = tmp_path / "nano.json"
    document = json.loads(file.read_text())
    (tmp_path / "own.js").write_text("export default () => new Response('own')")
    document["watch"] = False
    apps = document["apps"]
    document["apps"] = [*apps, {"name": "own", "path": "own.js", "port": own}]
    file.write_text(json.dumps(document))
    two.signal(signal.SIGHUP)
    until(lambda: not refused(own))
    assert get(own) == (200, "own")
    assert worker_of(two).pid == worker.pid, "nothing was restarted"
    worker.kill()
    assert get(own) == (200, "own"), "the parent held it meanwhile"
    assert get(port) == (200, "hello")
    document["apps"] = apps
    file.write_text(json.dumps(document))
    two.signal(signal.SIGHUP)
    until(lambda: refused(own))
    assert get(port) == (200, "hello")


ENGINE_CRASHER = """
function deep(n) { return n === 0 ? null.x : deep(n - 1) + 1; }
export default { fetch(request) {
  const kept = [];
  for (let size = 1 << 25; size >= 1; ) { try { kept.push(new ArrayBuffer(size)); } catch { size >>= 1; } }
  const depth = +new URL(request.url).searchParams.get("depth");
  for (let i = 0; i < 200; i++) { try { deep(depth); } catch (error) { error?.stack; } }
  return new Response("alive");
} };"""


def ask_the_crasher(port: int, attempts: int) -> tuple[int, int, str]:
    """Until it is quarantined or so many answers were had: how many were none, the last one's status and text."""
    broken, status, text = 0, 0, ""
    for attempt in range(attempts):
        try:
            status, text = get(port, f"/?depth={(2, 3, 5, 8)[attempt % 4]}", host="crasher")
        except OSError:
            broken += 1  # the worker died of it
        if status == 503 and "quarantined" in text:
            break
    return broken, status, text


def configure_the_crasher(tmp_path: Path) -> None:
    (tmp_path / "crasher.js").write_text(ENGINE_CRASHER)
    crasher = {"name": "crasher", "path": "crasher.js", "memory_mb": 1, "max_restarts": 1_000_000}
    (tmp_path / "nano.json").write_text(
        json.dumps({"port": 0, "drain_timeout_s": 1, "apps": [{"name": "app", "path": "app"}, crasher]})
    )


def test_an_app_that_really_crashes_the_engine(app: Path, tmp_path: Path) -> None:
    """A defect of QuickJS: errors thrown in a heap that is full to the last byte. One request in fifteen hits it where
    heaps have no allocator of ours, here because the addresses that it reserves cannot be had, and where nothing sees
    in time that such a heap is too large, here because the signals that are left for that timer are ignored.
    """
    configure_the_crasher(tmp_path)
    unnamed = " ".join(str(number) for number in range(signal.SIGRTMIN, signal.SIGRTMAX))
    command = ["sh", "-c", f"trap '' {unnamed}; ulimit -v {4 << 20} && exec \"$@\"", "sh", *COMMAND]
    running = Running(tmp_path, ["serve", "--config", "nano.json"], {}, command)
    try:
        port = running.port()
        _, status, text = ask_the_crasher(port, 1000)
        assert status == 503, "the engine survived; where it is mended, quarantine loses this test and its purpose"
        assert get(port) == (200, "hello")
    finally:
        end_all([running])
    assert "its code was running when the server process was killed by SIG" in text
    crashes = [line for line in running.err if "a worker process was killed by SIG" in line]
    assert len(crashes) == 2
    assert all("crasher: " in line for line in crashes)


def test_with_our_allocator_it_crashes_nothing(start: Start, app: Path, tmp_path: Path) -> None:
    configure_the_crasher(tmp_path)
    running = start("serve", "--config", "nano.json")
    port = running.port()
    broken, _, text = ask_the_crasher(port, 150)
    assert broken == 0
    assert "quarantined" not in text
    assert get(port) == (200, "hello")
