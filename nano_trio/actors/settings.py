"""What actors need of an app's configuration (:class:`nano_trio.config.App`, where each key is explained)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from nano_trio.actors.messages import SocketSettings
from nano_trio.engine.turn import Limits
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy

__all__ = ["AppSettings", "SupervisedSettings", "in_bytes", "limits", "limits_of_script", "network"]


class AppSettings(SocketSettings, Protocol):
    """What an incarnation needs."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str | os.PathLike[str]: ...
    @property
    def env(self) -> Mapping[str, Any]: ...
    @property
    def timeout_ms(self) -> float: ...
    @property
    def memory_mb(self) -> float: ...
    @property
    def max_buffer_size_mb(self) -> float: ...
    @property
    def request_timeout_ms(self) -> float: ...
    @property
    def max_pending(self) -> int: ...
    @property
    def services(self) -> Mapping[str, str]: ...
    @property
    def allow_net(self) -> tuple[str, ...]: ...
    @property
    def extra_ca_certs(self) -> tuple[Path, ...]: ...
    @property
    def max_connections(self) -> int: ...
    @property
    def max_messages_per_s(self) -> float | None: ...


class SupervisedSettings(AppSettings, Protocol):
    """What an app's actor needs beyond what its incarnations do."""

    @property
    def preload(self) -> bool: ...
    @property
    def idle_timeout_s(self) -> float | None: ...
    @property
    def max_restarts(self) -> int: ...
    @property
    def restart_window_s(self) -> float: ...
    @property
    def cache_max_mb(self) -> float: ...
    @property
    def max_body_mb(self) -> float | None: ...
    @property
    def max_log_lines_per_s(self) -> float: ...


def in_bytes(megabytes: float) -> int:
    """A size as the configuration has it, whose megabytes are of 1,048,576 bytes."""
    return int(megabytes * (1 << 20))


# Most apps have the same of these two, which never change: one object for all of them.


@lru_cache(256)
def limits(timeout_ms: float, memory_mb: float) -> Limits:
    """What the isolate of an app with these settings may use."""
    return Limits(turn_ms=timeout_ms, memory_bytes=in_bytes(memory_mb))


def limits_of_script(memory_mb: float) -> Limits:
    """What code may use that acts for the person who runs it, and ends it: any CPU time."""
    return limits(1e12, memory_mb)


@lru_cache(256)
def network(allow_net: tuple[str, ...], extra_ca_certs: tuple[Path, ...], timeout_s: float, dev: bool) -> Network:
    """What an app with these settings may reach. ``dev``: all of this machine, too."""
    return Network(NetPolicy(allow_net, open_loopback=dev), extra_ca_certs, timeout_s)
