"""What answers in the place of a room that hot_path.py cuts out, from the app's JavaScript out to the connection."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from nano_trio.actors.incarnation import Incarnation
from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, Target
from nano_trio.engine.turn import Entry
from nano_trio.web.answered import Answered
from nano_trio.web.connection import Connection

__all__ = ["Answer", "Constant", "Echo", "new_response", "ready_made", "said", "silence", "untime"]

Answer = tuple[int, str, str | None, int, str | None]
"""Status, reason, headers, kind and body, as JavaScript says them to ``respond``."""


def said(response: OutgoingResponse) -> Answer:
    """A response as JavaScript says it."""
    headers = "\n".join(part for pair in response.headers for part in pair) if response.headers else None
    assert response.body is None or isinstance(response.body, bytes)
    text = None if response.body is None else response.body.decode()
    return response.status, response.reason, headers, 0 if text is None else 1, text


def new_response(answer: Answer) -> str:
    """JavaScript that makes the same response, with as little work as can be."""
    status, _, joined, _, text = answer
    parts = [] if joined is None else joined.split("\n")
    headers = dict(zip(parts[::2], parts[1::2], strict=True))
    only_type = headers.keys() <= {"content-type"}
    if status == 200 and only_type:
        # A Response finds a type itself. It is another one than JSON's, and the same work.
        return f"new Response({json.dumps(text)})"
    return f"new Response({json.dumps(text)}, {json.dumps({'status': status, 'headers': headers})})"


def ready_made(answers: Sequence[Answer]) -> str:
    """An app that returns these by turns."""
    makers = ",\n".join(f"() => {new_response(answer)}" for answer in answers)
    handler = f"fetch: () => makers[next++ % {len(answers)}]()"
    return f"const makers = [{makers}];\nlet next = 0;\nexport default {{ {handler} }};"


def silence(incarnation: Incarnation, answers: Sequence[Answer]) -> None:
    """Answer in the place of the app's JavaScript and of the platform's."""
    following = itertools.cycle(answers)
    respond = incarnation.respond
    incarnation.fetch = lambda request, *args: respond(request, *next(following))


def untime(isolate: Any) -> None:
    """Turns of this isolate are plain calls from now on."""

    def submit(turn: Entry) -> None:
        turn.run()
        turn.ended()
        if isolate.on_idle is not None:
            isolate.on_idle()

    isolate.submit = submit


class Echo:
    """In a connection's place: answers whatever comes with the same bytes."""

    def __init__(self, connection: Connection, message: bytes) -> None:
        self.deadline = connection.deadline
        self.target: Target | None = connection.target
        self._sock = connection.sock
        self._reactor = connection.reactor
        self._message = message

    def ready(self) -> bool:
        self._sock.recv(64 * 1024)
        self._reactor.flush_later(self)
        return False

    def flush(self) -> None:
        self._sock.send(self._message)

    def resume(self) -> bool:
        return False

    def expire(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Constant:
    """In an app's place: the same responses by turns."""

    name = "constant"
    max_body = None
    prompt = True

    def __init__(self, responses: Sequence[OutgoingResponse]) -> None:
        self._next = itertools.cycle([Answered(response) for response in responses]).__next__

    def begin(self, request: IncomingRequest) -> Answered:
        return self._next()
