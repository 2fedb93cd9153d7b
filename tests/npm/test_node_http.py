"""The client of ``node:http``: the same program prints the same under Node and under nano-trio, as of one server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .test_node_modules import output, run

HERE = Path(__file__).parent


@pytest.fixture
def port() -> Iterator[str]:
    server = subprocess.Popen(
        ["node", str(HERE / "http_server.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.stdin.close()


def test_as_node(port: str) -> None:
    program = str(HERE / "http_program.mjs")
    told = output([sys.executable, "-m", "nano_trio", "run", program, port])
    assert told == output(["node", "--no-warnings", program, port])
    assert len(told) > 40


def test_the_constants_of_http2(tmp_path: Path) -> None:
    """Clients of HTTP/1.1 and 2 read them when they are imported."""
    source = """
      import http2, { constants } from "node:http2";
      console.log(JSON.stringify(constants), http2.constants === constants);
    """
    ours, same = run(tmp_path, source)[0].rsplit(" ", 1)
    nodes = output(["node", "-p", "JSON.stringify(require('http2').constants)"])[0]
    assert same == "true"
    assert len(json.loads(ours)) > 80
    assert json.loads(ours).items() <= json.loads(nodes).items()


def test_agents_that_connect_otherwise_are_refused(tmp_path: Path) -> None:
    """What goes by a proxy must not go past it unheard."""
    source = """
      import http from "node:http";
      class Proxy extends http.Agent { connect() {} }
      for (const options of [{ agent: new Proxy() }, { socketPath: "/x" }, { createConnection() {} }]) {
        try { http.get("http://127.0.0.1:1/", options); } catch (error) { console.log(error.code); }
      }
    """
    assert run(tmp_path, source) == ["ERR_METHOD_NOT_IMPLEMENTED"] * 3


def test_a_fetch_that_is_replaced_by_one_of_node_http(tmp_path: Path, port: str) -> None:
    """As node-fetch is by some; the platform's own is what sends."""
    source = f"""
      globalThis.fetch = () => {{ throw new Error("again") }};
      const http = await import("node:http");
      http.get("http://127.0.0.1:{port}/x", (response) => console.log(response.resume().statusCode));
    """
    assert run(tmp_path, source) == ["201"]
