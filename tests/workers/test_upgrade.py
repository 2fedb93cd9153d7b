"""nano-trio is installed anew under a running server: the workers that are replaced come from the other version."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import nano_trio
from tests.cli.conftest import Running, end_all

from .conftest import get, until, workers_of

Installed = tuple[Running, int, Callable[[str, str, str], None]]


@pytest.fixture
def installed(tmp_path: Path, app: Path, request: pytest.FixtureRequest) -> Iterator[Installed]:
    """A server of a copy of the package, its port, and what changes a word in a file of the copy.

    It has two workers, or as many as its parameter says.
    """
    workers = getattr(request, "param", 2)
    (package,) = nano_trio.__path__
    copy = tmp_path / "installed"
    shutil.copytree(package, copy / "nano_trio", ignore=shutil.ignore_patterns("__pycache__"))

    def upgrade(file: str, old: str, new: str) -> None:
        path = copy / "nano_trio" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    arguments = ["serve", str(app), "--port", "0", "--workers", str(workers), "--no-watch"]
    running = Running(tmp_path, arguments, {"PYTHONPATH": str(copy)})
    port = running.port()
    until(lambda: sum("listening" in line for line in running.err) == workers)
    yield running, port, upgrade
    end_all([running])


def kill_one(running: Running) -> None:
    worker = workers_of(running)[0]
    worker.kill()
    psutil.wait_procs([worker], 30)


def test_a_worker_that_speaks_otherwise_is_refused_and_the_others_serve(installed: Installed) -> None:
    running, port, upgrade = installed
    upgrade("parent/channel.py", "\nVERSION = ", "\nVERSION = 1000 + ")
    upgrade("__init__.py", nano_trio.__version__, "99.0.0")
    kill_one(running)
    line = running.wait_for("is of nano-trio 99.0.0")
    assert f"installed while the server ran ({nano_trio.__version__}): restart the server" in line
    assert float(line.rpartition("next_in_s=")[2]) > 20
    assert [get(port) for _ in range(10)] == [(200, "hello")] * 10
    assert len(workers_of(running)) == 1
    running.process.terminate()
    result = running.end()
    assert result.code == 0
    assert "Traceback" not in result.err


@pytest.mark.parametrize("installed", [1, 2], indirect=True)
def test_where_only_such_workers_are_left_the_server_ends(installed: Installed) -> None:
    """And fails, so that whoever keeps it running starts the new version."""
    running, _, upgrade = installed
    upgrade("parent/channel.py", "\nVERSION = ", "\nVERSION = 1000 + ")
    upgrade("__init__.py", nano_trio.__version__, "99.0.0")
    workers = workers_of(running)
    for worker in workers:
        worker.kill()
    line = running.wait_for("there is no other: the server ends")
    assert f"is of nano-trio 99.0.0, installed while the server ran ({nano_trio.__version__})" in line
    result = running.end()
    assert result.code == 1
    assert "Traceback" not in result.err


def test_a_worker_of_another_version_that_speaks_alike_serves_and_says_so(installed: Installed) -> None:
    running, port, upgrade = installed
    upgrade("__init__.py", nano_trio.__version__, "99.0.0")
    kill_one(running)
    line = running.wait_for("nano-trio was upgraded while the server ran: restart it")
    assert "worker_is=99.0.0" in line
    until(lambda: sum("listening" in line for line in running.err) == 3)
    assert [get(port) for _ in range(10)] == [(200, "hello")] * 10
    running.process.terminate()
    assert running.end().code == 0
