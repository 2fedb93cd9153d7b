"""Questions from one worker to another over the bus, and their answers.

A question has a deadline: who is asked may hang, die, or be in the middle of its start. Who starts answers once it
serves: before that there is nothing to tell, and nothing to change. A question is answered by a task of its own; what
the answering function raises as :class:`CallFailed` reaches whoever asked as one, anything else is logged and reaches
them as "internal error".
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog
import trio

from nano_trio.actors.bus import Bus
from nano_trio.web.admin.encoding import encode

__all__ = ["CallFailed", "Calls"]

log = structlog.get_logger("nano_trio")

_QUESTION = "ask"
_ANSWER = "answer"

Answerer = Callable[[Any], Awaitable[Any]]


class CallFailed(Exception):
    """There is no good answer; ``str()`` says why, to be put behind "worker 3"."""


class Calls:
    """One worker's questions and answers. :meth:`run` answers, from :meth:`begin` on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._answerers: dict[str, Answerer] = {}
        self._numbers = itertools.count()
        self._waiting: dict[int, tuple[int, trio.MemorySendChannel[dict[str, Any]]]] = {}
        self._nursery: trio.Nursery | None = None
        self._begun = trio.Event()
        bus.subscribe(_QUESTION, self._take_question)
        bus.subscribe(_ANSWER, self._take_answer)
        bus.watch(lambda worker: None, self._left)

    @property
    def others(self) -> list[int]:
        """The workers that can be asked."""
        return self._bus.others

    def answer(self, what: str, answerer: Answerer) -> None:
        """Answer such questions, with what is JSON."""
        self._answerers[what] = answerer

    async def ask(self, worker: int, what: str, given: Any = None, *, within_s: float) -> Any:
        """One worker's answer. Raises :class:`CallFailed`."""
        number = next(self._numbers)
        send, receive = trio.open_memory_channel[dict[str, Any]](1)
        self._waiting[number] = (worker, send)
        try:
            if not self._bus.send(worker, _QUESTION, json.dumps([number, what, given]).encode()):
                raise CallFailed("cannot be reached")
            with trio.move_on_after(within_s):
                answer = await receive.receive()
                if "error" in answer:
                    raise CallFailed(answer["error"])
                return answer["result"]
            raise CallFailed(f"has not answered for {within_s:g} s")
        finally:
            del self._waiting[number]

    async def ask_all(self, what: str, given: Any = None, *, within_s: float) -> tuple[dict[int, Any], dict[int, str]]:
        """The answers of all others at once, and why those who gave none did not."""
        answers: dict[int, Any] = {}
        failures: dict[int, str] = {}

        async def one(worker: int) -> None:
            try:
                answers[worker] = await self.ask(worker, what, given, within_s=within_s)
            except CallFailed as error:
                failures[worker] = str(error)

        async with trio.open_nursery() as nursery:
            for worker in self.others:
                nursery.start_soon(one, worker)
        return answers, failures

    async def ask_each(
        self, what: str, given: Any = None, *, within_s: float, but: Collection[int] = ()
    ) -> tuple[dict[int, Any], dict[int, str]]:
        """The same one after the other: at any time at most one of them is busy with it."""
        answers: dict[int, Any] = {}
        failures: dict[int, str] = {}
        for worker in [worker for worker in self.others if worker not in but]:
            try:
                answers[worker] = await self.ask(worker, what, given, within_s=within_s)
            except CallFailed as error:
                failures[worker] = str(error)
        return answers, failures

    def begin(self) -> None:
        """Answer from now on, first what was asked before."""
        self._begun.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def _take_question(self, sender: int, payload: bytes) -> None:
        number, what, given = json.loads(payload)
        if self._nursery is not None:
            self._nursery.start_soon(self._answer, sender, number, what, given)

    async def _answer(self, sender: int, number: int, what: str, given: Any) -> None:
        await self._begun.wait()
        try:
            answerer = self._answerers.get(what)
            if answerer is None:
                raise CallFailed(f"does not know {what!r}; it runs another version")
            text = f'{{"result":{await encode(await answerer(given))}}}'
        except CallFailed as error:
            text = json.dumps({"error": str(error)})
        except Exception:
            log.exception("internal error in what another worker asked", what=what)
            text = json.dumps({"error": "internal error; its log says more"})
        self._bus.send(sender, _ANSWER, f"{number} {text}".encode())

    def _take_answer(self, sender: int, payload: bytes) -> None:
        number, _, text = payload.partition(b" ")
        if int(number) in self._waiting:
            self._waiting[int(number)][1].send_nowait(json.loads(text))

    def _left(self, worker: int) -> None:
        for asked, send in self._waiting.values():
            if asked == worker and not send.statistics().current_buffer_used:
                send.send_nowait({"error": "has ended"})
