"""The access log: a line for each finished request, in the format of the other lines."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from nano_trio.actors.development import OWN_PATHS
from nano_trio.logs import access_line
from nano_trio.web.settings import AccessRecord

__all__ = ["access_logger"]


def access_logger(format_: str, *, short: bool = False) -> Callable[[AccessRecord], None]:
    """What writes access records in the log's format: ``json``, ``text`` or ``apache``.

    ``short``: in text only what one looks at while one develops, failures as warnings and errors.
    """
    access = structlog.get_logger("nano_trio.access")

    # Who asks for an access log wants all of it: it has no limit for each app.
    def apache(record: AccessRecord) -> None:
        target = record.url[record.url.find("/", record.url.find("//") + 2) :] if record.url else "-"
        line = access_line(
            record.remote,
            record.method or "-",
            target,
            record.status,
            record.bytes,
            _field(record, "user-agent"),
            _field(record, "referer"),
            record.version,
        )
        access.info(line, app=record.app, request_id=record.id, raw=True, unlimited=True)

    def plain(record: AccessRecord) -> None:
        more: dict[str, object] = {} if record.complete else {"complete": False}
        if record.span is not None:
            more["trace_id"], more["span_id"] = record.span.trace_id, record.span.span_id
        access.info(
            f"{record.method or '-'} {record.url or '-'} {record.status}",
            app=record.app,
            request_id=record.id,
            bytes=record.bytes,
            ms=round(record.duration * 1e3, 2),
            remote=record.remote,
            unlimited=True,
            **more,
        )

    def brief(record: AccessRecord) -> None:
        target = record.url[record.url.find("/", record.url.find("//") + 2) :] if record.url else "-"
        if target.startswith(OWN_PATHS):
            return
        line = f"{record.method or '-'} {target} {record.status}  {record.duration * 1e3:.1f} ms"
        write = access.error if record.status >= 500 else access.warning if record.status >= 400 else access.info
        write(line if record.complete else f"{line}  (broke off)", app=record.app, unlimited=True)

    if short and format_ == "text":
        return brief
    return apache if format_ == "apache" else plain


def _field(record: AccessRecord, name: str) -> str:
    return ", ".join(value for key, value in record.headers if key == name) or "-"
