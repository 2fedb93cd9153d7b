"""hotpath: where the microseconds of a request go, from its arrival to the last byte of its response, by room.

    python -m bench hotpath

CPU time of the server's thread for one request on a kept connection: hello, json and hono as in the benchmarks of those
names; and of a connection that is opened, used once and closed. No comparison with others.

Theory of operation. The real server runs in this process (see in_process.py). No profiler: to Python's and to
QuickJS's functions its clock readings would cost as much as they do. Instead the server answers the same requests
again and again with one room more cut out of it, the innermost first, and what is saved is the room:

    whole       the app as it is
    bare        an app that returns the same responses, ready-made       whole - bare = the app and what it calls
    silent      Python answers in JavaScript's place                     bare - silent = runtime
    untimed     its turn is a plain call, without the engine             silent - untimed = engine
    constant    the connection gets the same response, without an app    untimed - constant = actors
    echo        the reactor gets the same bytes, without a connection    constant - echo = web, but for the reactor
    kernel      the system calls alone, in a loop                        echo - kernel = the reactor

The rooms so add up to the whole. All are measured by turns in many short rounds, and of each the least is taken: others
on the machine can only add. `whole` is measured twice in each round, as if it were two: what the two differ by is what
the table cannot tell, its *resolution*. How memory happens to lie makes some per cent from process to process, so
several do all this, with the environment of a worker, and that with the least total counts.

Within a room, the steps that can be driven alone are, in tight loops, and the rest of the room is a line of its own. It
is code that cannot be driven alone, and what everything costs more on a request's way than in a loop: the way's code is
many times what a core's first cache holds, and a room that is cut out leaves more of that to the others. Garbage
collections are counted, and their time is divided by the requests of all rounds: least times would not see them.

Unfair would be: adding up times of steps in tight loops, where all caches are warm, and calling that the whole; reading
any of this as the time of a request under load (a server that has to wake its clients pays for it: see in_process.py).
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from bench import machine
from bench.hono import MIX, bundle
from bench.hot_path_tables import CONNECTION, table
from bench.in_process import Clients, Kernel, idle_pass, least, served
from bench.json_body import order
from bench.peers import Absent, binary, package
from bench.report import Options, Outcome
from bench.servers import HANDLERS
from bench.stand_ins import Answer, Constant, Echo, new_response, ready_made, said, silence, untime
from nano_trio.actors.incarnation import Incarnation
from nano_trio.actors.messages import Exchange, IncomingRequest, OutgoingResponse
from nano_trio.actors.request_ids import header_line, new_id
from nano_trio.engine.turn import Turn
from nano_trio.web.connection import Connection
from nano_trio.web.hosting import Hosting
from nano_trio.web.http1 import RequestReader
from nano_trio.web.lifetime import _calm_garbage_collection
from nano_trio.web.response_head import date_line, quick

__all__ = [
    "WORKLOADS",
    "Found",
    "Step",
    "connection",
    "in_own_process",
    "main",
    "measure",
    "run",
]

CLIENTS = 16
BATCHES = 3
_COLD = "the same with caches that hold all the rest"
_Drive = Callable[[], Sequence[float]]


@dataclass(frozen=True)
class Step:
    """A part of a request's way."""

    room: str
    name: str
    us: float


@dataclass
class Found:
    """What was found of one kind of request. Times are µs of CPU for each."""

    steps: list[Step] = field(default_factory=list)
    total: float = 0.0
    """Measured in one, and apart from the steps: by how much their sum differs from it is the resolution."""
    resolution: float = 0.0
    """By how much two measurements of the same differed: differences up to this mean nothing."""
    garbage: float = 0.0
    """Of Python's garbage collections, beyond the total."""

    def add(self, room: str, name: str, ns: float) -> None:
        self.steps.append(Step(room, name, ns / 1e3))

    @property
    def data(self) -> dict[str, Any]:
        """For the results' file, and for the tables."""
        return {**vars(self), "steps": [vars(step) for step in self.steps]}


@dataclass(frozen=True)
class Workload:
    """What is asked of which app."""

    lines: Sequence[str]
    """``METHOD PATH`` and, where there is one, the JSON body; one for each client."""
    module: Callable[[Path], Path]
    """Finds or makes the app's file; a folder is given for that. Raises :class:`~bench.peers.Absent`."""
    has_code: bool = True
    """Whether the app does more than make a Response."""
    inside: Mapping[str, str] = field(default_factory=dict)
    """What of it can be driven alone, in JavaScript with ``text``, ``order`` (its value) and ``answer``."""

    def requests(self, host: str) -> list[bytes]:
        return [_request(line, host) for line in self.lines]


def _hono(folder: Path) -> Path:
    return bundle(folder, binary("esbuild"), package("hono").parent)


WORKLOADS = {
    "hello": Workload(["GET /"] * CLIENTS, lambda _: HANDLERS / "hello.js", has_code=False),
    "json": Workload(
        [f"POST / {order().decode()}"] * CLIENTS,
        lambda _: HANDLERS / "json.js",
        inside={
            "JSON.parse": "JSON.parse(text)",
            "the handler's own lines": "({ ...order, total: order.items.reduce((s, i) => s + i.price * i.count, 0) })",
            "JSON.stringify": "JSON.stringify(answer)",
        },
    ),
    "hono": Workload(MIX, _hono),
}


def run(options: Options) -> Outcome:
    rounds = 40 if options.quick else 100
    processes = 1 if options.quick else 4
    kinds: dict[str, Any] = {}
    absent = []
    for kind in (*WORKLOADS, CONNECTION):
        print(f"bench: hotpath, {kind}", file=sys.stderr)
        told = [in_own_process(kind, rounds) for _ in range(processes)]
        if "absent" in told[0]:
            absent.append(f"{kind} is absent: {told[0]['absent']}")
        else:
            kinds[kind] = min(told, key=lambda found: float(found["total"]))
    outcome = Outcome("hotpath", data={"rounds": rounds, "processes": processes, "kinds": kinds})
    outcome.absolute = [table(kinds)]
    outcome.absolute[0].note = "\n".join(absent)
    return outcome


def in_own_process(kind: str, rounds: int) -> dict[str, Any]:
    """What :func:`main` tells in a process of its own, which has the allocator that a worker has."""
    done = subprocess.run(
        machine.pinned([sys.executable, "-m", "bench.hot_path", kind, str(rounds)], server=True),
        cwd=HANDLERS.parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=600,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def main(kind: str, rounds: int) -> None:
    """Measure here, and print what was found as JSON."""
    try:
        found = trio.run(connection, rounds) if kind == CONNECTION else trio.run(measure, kind, rounds)
    except Absent as reason:
        print(json.dumps({"absent": str(reason)}))
    else:
        print(json.dumps(found.data))


async def measure(name: str, rounds: int) -> Found:
    """One of :data:`WORKLOADS`. Raises :class:`~bench.peers.Absent` where its app cannot be had."""
    workload = WORKLOADS[name]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        module = workload.module(Path(folder))
        bare = Path(folder) / "bare.js"
        bare.touch()  # It is written when it is known what the whole one answers, and loaded when it is asked.
        apps = {"whole": module, "silent": module, "untimed": module, "bare": bare}
        async with served(apps) as hosting:
            walk = Walk(hosting, workload, await idle_pass())
            try:
                await walk.cut(bare)
                with _as_served():
                    await walk.measure(rounds)
            finally:
                walk.close()
    return walk.found


async def connection(rounds: int) -> Found:
    """A connection that is accepted, asked once for hello, and closed."""
    workload = WORKLOADS["hello"]
    found = Found()
    async with served({"whole": workload.module(Path())}) as hosting:
        requests = workload.requests("whole")
        clients = Clients(hosting.server.port, requests, await idle_pass())
        clients.connect()
        response = await clients.ask(0)
        clients.close()
        await _settle()
        kernel = Kernel(requests, [response] * CLIENTS)
        parts: list[tuple[float, ...]] = []
        with _as_served(), _collections() as pauses:
            for _ in range(rounds):
                clients.connect()
                accepted = await clients.until(lambda: hosting.server.connections == CLIENTS)
                served_first = await clients.batch()
                clients.close()
                ended = await clients.until(lambda: hosting.server.connections == 0)
                parts.append((accepted, served_first, ended, kernel.accept(), sum(kernel.batch()), kernel.end()))
        kernel.close()
    accepted, answered, ended, bare_accept, bare_answer, bare_end = (min(part) for part in zip(*parts, strict=True))
    found.total = min(sum(part[:3]) for part in parts) / 1e3
    found.resolution = abs(found.total - (accepted + answered + ended) / 1e3)
    found.garbage = sum(pauses) / (rounds * CLIENTS) / 1e3
    found.add("kernel", "accept, its options, epoll_ctl", bare_accept)
    found.add("kernel", "epoll_wait, recv, send", bare_answer)
    found.add("kernel", "recv of the end, epoll_ctl, close", bare_end)
    found.add("web", "accept a connection: limits, state", accepted - bare_accept)
    found.add("web, actors, engine, runtime", "the first request", answered - bare_answer)
    found.add("web", "end of a connection", ended - bare_end)
    return found


class Walk:
    """One kind of request in a server of its own: what is asked with which rooms cut out, and what each took."""

    def __init__(self, hosting: Hosting, workload: Workload, pass_ns: float) -> None:
        self.found = Found()
        self._hosting = hosting
        self._workload = workload
        self._pass_ns = pass_ns
        (self._listener,) = hosting.server._all()
        self._kinds: dict[str, Clients] = {}
        self._responses: list[OutgoingResponse] = []
        self._answers: list[Answer] = []
        self._messages: list[bytes] = []

    def close(self) -> None:
        for clients in self._kinds.values():
            clients.close()

    # -- the cuts ----------------------------------------------------------------------------------------------------

    async def cut(self, bare: Path) -> None:
        """Ask for everything once, and prepare what answers in the place of each room."""
        whole = await self._connect("whole", "whole")
        self._messages = [await whole.ask(index) for index in range(len(whole.requests))]
        self._responses = [await self._ask_app(index) for index in range(len(whole.requests))]
        self._answers = [said(response) for response in self._responses]
        if self._workload.has_code:
            await trio.Path(bare).write_text(ready_made(self._answers))
            await self._connect("bare", "bare")
        for name in ("silent", "untimed"):
            await (await self._connect(name, name)).ask(0)
            silence(self._incarnation(name), self._answers)
        untime(self._incarnation("untimed")._environment.isolate)
        self._listener.routes.memo["constant"] = Constant(self._responses)
        await self._connect("constant", "constant")
        before = set(self._listener.connections)
        await self._connect("echo", "constant")
        messages = itertools.cycle(self._messages)
        for connection in self._listener.connections - before:
            assert isinstance(connection, Connection)
            self._listener.reactor.connections[connection.sock.fileno()] = Echo(connection, next(messages))
        await self._connect("again", "whole")

    async def _connect(self, name: str, host: str) -> Clients:
        clients = self._kinds[name] = Clients(self._hosting.server.port, self._workload.requests(host), self._pass_ns)
        clients.connect()
        await _settle()
        return clients

    def _incarnation(self, name: str) -> Incarnation:
        """Of an app that is awake."""
        incarnation = self._hosting.registry.apps[name]._current
        assert incarnation is not None
        return incarnation

    async def _ask_app(self, index: int) -> OutgoingResponse:
        exchange = self._hosting.registry.apps["whole"].begin(self._message(index))
        response = await exchange.wait()
        exchange.finish()
        return response

    def _message(self, index: int) -> IncomingRequest:
        """What the connection makes of a request."""
        reader = RequestReader(self._listener.parse_head, self._listener.limits)
        head = reader.next_head(self._kinds["whole"].requests[index])
        assert head is not None
        body = reader.next_body() if head.has_body else None
        url = f"http://{head.host}{head.target}"
        return IncomingRequest(head.method, url, head.headers, body, "127.0.0.1", new_id(), (), head.joined)

    # -- the measurements --------------------------------------------------------------------------------------------

    async def measure(self, rounds: int) -> None:
        """Ask all kinds by turns, drive the steps between them, and note what each room takes."""
        kernel = Kernel(self._kinds["whole"].requests, self._messages)
        kernel.accept()
        steps = {"kernel": lambda: kernel.chunk(BATCHES), **self._web(), **self._actors(), **self._engine()}
        await self._rest()
        steps |= self._javascript()
        whole: dict[str, list[float]] = {name: [] for name in self._kinds}
        alone: dict[str, list[Sequence[float]]] = {name: [] for name in steps}
        with _collections() as pauses:
            for _ in range(rounds):
                for name, clients in self._kinds.items():
                    whole[name].append(await clients.chunk(BATCHES))
                for name, drive in steps.items():
                    await self._rest()
                    alone[name].append(drive())
        kernel.close()
        self.found.garbage = sum(pauses) / (rounds * (BATCHES + 2) * len(whole) * self._count) / 1e3
        self._tell(
            {name: min(times) for name, times in whole.items()},
            {name: [min(part) for part in zip(*times, strict=True)] for name, times in alone.items()},
        )

    async def _rest(self) -> None:
        """Wait until no isolate has a turn, not a suspended one either: steps enter heaps from outside, and one that is
        in the midst of a collection, say, counts references itself."""
        incarnations = [app._current for app in self._hosting.registry.apps.values()]
        while any(each is not None and each._environment.isolate.busy for each in incarnations):
            await trio.lowlevel.checkpoint()

    def _tell(self, whole: Mapping[str, float], alone: Mapping[str, Sequence[float]]) -> None:
        """Note the rooms, as differences, and their steps."""
        found = self.found
        found.total = whole["again"] / 1e3
        found.resolution = abs(whole["again"] - whole["whole"]) / 1e3
        for name, ns in zip(("epoll_wait", "recv", "send"), alone["kernel"], strict=True):
            found.add("kernel", name, ns)
        found.add("web", "the reactor, and a pass of the loop", whole["echo"] - sum(alone["kernel"]))
        web = {
            "parse the head, cut off the body": alone["parse"][0],
            "the message to the app": alone["message"][0],
            "the response's head and the whole message": alone["compose"][0],
        }
        self._divide("web", whole["constant"] - whole["echo"], web, "the connection: route, order, deadlines, counts")
        begin, _, finish = alone["actors"]
        _, answer, _ = alone["answer"]
        actors = {
            "take a request: exchange, counts, mailbox, its URL": begin - answer,
            "take the answer: headers apart, text to bytes": answer,
            "finish: latency, statuses, release": finish,
        }
        self._divide("actors", whole["untimed"] - whole["constant"], actors, _COLD)
        turn = {"a turn: greenlet there and back, clocks, accounts": alone["turn"][0]}
        self._divide("engine", whole["silent"] - whole["untimed"], turn, _COLD)
        runtime = {"values cross, there and back": alone["crossing"][0], "new Response": alone["response"][0]}
        bare = whole.get("bare", whole["whole"])
        rest = "Request, the handler's call, the Response taken apart"
        self._divide("runtime", bare - whole["silent"], runtime, rest)
        if self._workload.has_code:
            app = {name: alone[name][0] for name in self._workload.inside}
            rest = "its promises, and what it uses of Request and Response"
            self._divide("app", whole["whole"] - bare, app, rest if app else "its JavaScript, and what that uses")

    def _divide(self, room: str, ns: float, steps: Mapping[str, float], rest: str) -> None:
        for name, each in steps.items():
            self.found.add(room, name, each)
        self.found.add(room, rest, ns - sum(steps.values()))

    # -- steps that can be driven alone: ns of each, for a request ----------------------------------------------------

    @property
    def _count(self) -> int:
        return len(self._messages)

    def _each(self, work: Callable[[Any], object], given: Sequence[Any], times: int = 20) -> _Drive:
        """Do this with each of what is given."""
        parts = [functools.partial(work, one) for one in given]

        def drive() -> Sequence[float]:
            return [sum(least(1, times, part) for part in parts) / len(parts)]

        return drive

    def _phases(self, *phases: Callable[[Any], object]) -> _Drive:
        """Do these one after the other, for all requests at once; the first's result goes to the others."""

        def drive() -> Sequence[float]:
            given = None
            spent = []
            for phase in phases:
                start = time.thread_time_ns()
                result = phase(given)
                spent.append((time.thread_time_ns() - start) / self._count)
                given = result if given is None else given
            return spent

        return drive

    def _web(self) -> dict[str, _Drive]:
        reader = RequestReader(self._listener.parse_head, self._listener.limits)

        def parse(data: bytes) -> None:
            head = reader.next_head(data)
            if head is not None and head.content_length is not None:
                reader.whole_body(head.content_length)

        date = date_line()

        def compose(response: OutgoingResponse) -> None:
            if isinstance(response.body, bytes):
                quick(response, response.body, date, header_line(new_id()))

        return {
            "parse": self._each(parse, self._kinds["whole"].requests),
            "message": self._each(_copy, [self._message(index) for index in range(self._count)]),
            "compose": self._each(compose, self._responses),
        }

    def _actors(self) -> dict[str, _Drive]:
        app = self._hosting.registry.apps["untimed"]
        incarnation = self._incarnation("untimed")
        messages = [self._message(index) for index in range(self._count)]
        answers = itertools.cycle(self._answers)
        asked: list[int] = []
        silent = incarnation.fetch

        def begin(_: object) -> list[Exchange]:
            return [app.begin(message) for message in messages]

        def finish(exchanges: Sequence[Exchange]) -> None:
            for exchange in exchanges:
                exchange.finish()

        def take_only(_: object) -> list[Exchange]:
            incarnation.fetch = lambda request, *args: asked.append(request)
            exchanges = begin(None)
            incarnation.fetch = silent
            return exchanges

        def answer(_: object) -> None:
            for request in asked:
                incarnation.respond(request, *next(answers))
            asked.clear()

        return {
            "actors": self._phases(begin, lambda _: None, finish),
            "answer": self._phases(take_only, answer, finish),
        }

    def _engine(self) -> dict[str, _Drive]:
        isolate = self._incarnation("silent")._environment.isolate
        scheduler = self._hosting.registry.scheduler

        def turn(function: Callable[[], object]) -> None:
            scheduler.used_ns = 0  # a pass of its own for each
            isolate.submit(Turn(function, ()))

        return {"turn": self._each(turn, [int], 200)}

    def _javascript(self) -> dict[str, _Drive]:
        isolate = self._incarnation("whole")._environment.isolate
        context = isolate.context
        crossings = []
        for index, answer in enumerate(self._answers):
            message = self._message(index)
            body = message.body.decode() if isinstance(message.body, bytes) else None
            said = json.dumps(answer)[1:-1]
            echo = context.eval(f"(host) => (id, method, url, headers, body) => host(id, {said})")(lambda *args: None)
            crossings.append(functools.partial(echo, 1, message.method, message.url, message.joined, body))
        responses = [_loop(context, new_response(answer), {}) for answer in self._answers]
        steps: dict[str, _Drive] = {
            "crossing": self._each(lambda crossing: crossing(), crossings),
            "response": lambda: [sum(loop() for loop in responses) / len(responses)],
        }
        request = self._message(0).body
        if isinstance(request, bytes):
            values = {"text": request.decode(), "answer": self._answers[0][4]}
            for name, code in self._workload.inside.items():
                steps[name] = _alone(_loop(context, code, values))

        def at_rest(drive: _Drive) -> Sequence[float]:
            assert not isolate.busy
            return drive()

        return {name: functools.partial(at_rest, drive) for name, drive in steps.items()}


async def _settle() -> None:
    """Let the server do what it began."""
    for _ in range(5):
        await trio.sleep(0.002)


@contextlib.contextmanager
def _as_served() -> Iterator[None]:
    """Collect garbage as a server does."""
    threshold = gc.get_threshold()
    _calm_garbage_collection()
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


@contextlib.contextmanager
def _collections() -> Iterator[list[int]]:
    """The ns that each of Python's garbage collections takes."""
    pauses: list[int] = []
    start = 0

    def seen(phase: str, info: object) -> None:
        nonlocal start
        now = time.thread_time_ns()
        if phase == "start":
            start = now
        else:
            pauses.append(now - start)

    gc.callbacks.append(seen)
    try:
        yield pauses
    finally:
        gc.callbacks.remove(seen)


def _request(line: str, host: str) -> bytes:
    method, path, *rest = line.split(" ", 2)
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n"
    if not rest:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(rest[0])}\r\n\r\n{rest[0]}".encode()


def _copy(given: IncomingRequest) -> IncomingRequest:
    return IncomingRequest(
        given.method,
        f"http://{given.remote_address}/",
        given.headers,
        given.body,
        given.remote_address,
        new_id(),
        (),
        given.joined,
    )


def _loop(context: Any, code: str, values: Mapping[str, str | None]) -> Callable[[], float]:
    """Drives an expression in a loop inside the isolate: ns of one. Of ``values`` it has ``text`` as it is, ``order``
    and ``answer`` as values of JSON."""
    setup = "".join(f"let {name} = {json.dumps(value)};" for name, value in values.items())
    if values:
        setup += "let order = JSON.parse(text); answer = JSON.parse(answer);"
    begin = "let kept; return (n) => { for (let i = 0; i < n; i++) kept ="
    loop = context.eval(f"(() => {{ {setup} {begin} {code}; }} }})()")
    empty = context.eval(f"(() => {{ {begin} i; }} }})()")
    count = 20

    def drive() -> float:
        return (least(1, 1, lambda: loop(count)) - least(1, 1, lambda: empty(count))) / count

    return drive


def _alone(drive: Callable[[], float]) -> _Drive:
    """The same where there is one to measure and no mean to take."""
    return lambda: [drive()]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
