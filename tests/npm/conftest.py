"""Installs what package.json names into tests/.npm (once, until the lock changes) and bundles the apps with esbuild."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
INSTALLED = HERE.parent / ".npm"
ROUTERS = ("hono", "itty", "h3")
APPS = (*ROUTERS, "jose")

# As wrangler bundles for Workers.
ESBUILD = ["--bundle", "--format=esm", "--platform=browser", "--conditions=workerd,worker,browser", "--target=es2023"]


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder with the installed packages; installs them where the lock says otherwise."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("these tests need npm (and node) on the PATH")
    INSTALLED.mkdir(exist_ok=True)
    with (INSTALLED / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
        stamp = INSTALLED / ".installed"
        if not stamp.exists() or stamp.read_text() != digest:
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copyfile(HERE / name, INSTALLED / name)
            command = [npm, "ci", "--ignore-scripts", "--no-progress"]
            done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode != 0:
                pytest.fail(f"npm ci: {done.stderr}")
            stamp.write_text(digest)
    return INSTALLED / "node_modules"


@pytest.fixture(scope="session")
def bundles(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each app as one module, by name."""
    folder = tmp_path_factory.mktemp("bundles")
    built = {}
    for name in APPS:
        built[name] = folder / f"{name}.js"
        subprocess.run(
            [node_modules / ".bin/esbuild", HERE / "apps" / f"{name}.js", *ESBUILD, f"--outfile={built[name]}"],
            env={**os.environ, "NODE_PATH": str(node_modules)},
            capture_output=True,
            check=True,
            timeout=60,
        )
    return built


@dataclass
class Answer:
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json")
        return json.loads(self.body)


@dataclass
class Client:
    """Talks to one app of the server, over a new connection each time."""

    port: int
    app: str

    def open(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[HTTPConnection, HTTPResponse]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {"host": f"{self.app}:{self.port}", **(headers or {})}
        connection.request(method, path, body=body, headers=named, encode_chunked="transfer-encoding" in named)
        try:
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request with its answer. Names of headers are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection, response = self.open(method, path, body, named)
        try:
            fields = response.getheaders()
            return Answer(
                response.status,
                {name.lower(): value for name, value in fields},
                response.read(),
                [value for name, value in fields if name.lower() == "set-cookie"],
            )
        finally:
            connection.close()


@pytest.fixture(scope="session")
def server(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server process that hosts all the apps, told apart by the Host header."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "nano.json"
    apps = [{"name": name, "path": str(path), "env": {"GREETING": f"hi {name}"}} for name, path in bundles.items()]
    config.write_text(json.dumps({"apps": apps}))
    with (folder / "stderr").open("w+") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "nano_trio", "serve", "--config", str(config), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if " listening on http://" in line:
                    break
            else:
                stderr.seek(0)
                pytest.fail(f"the server did not start: {stderr.read()}")
            yield int(line.rstrip("\n/").rpartition(":")[2])
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            stderr.seek(0)
            assert "Traceback" not in stderr.read()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(params=ROUTERS)
def app(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def fetch(server: int, app: str) -> Client:
    return Client(server, app)
