"""The benchmarks do run, on little: what they report is there and is plausible. Their figures are nobody's business here."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import (
    coldstart,
    density,
    hello,
    hono,
    isolate,
    json_body,
    load,
    memory,
    neighbour_throughput,
    proxy,
    servers,
)
from bench.adapters import hypercorn_app
from bench.report import Options, Outcome
from nano_trio.runtime.platform import LAZY_GLOBALS
from tests.npm.conftest import node_modules  # noqa: F401

ALONE = Options(rounds=1, seconds=1, quick=True, peers=())
WITH_NODE = Options(rounds=1, seconds=1, quick=True, peers=("node",))


def kinds(outcome: Outcome) -> list[str]:
    return [verdict.kind for verdict in outcome.verdicts]


def test_proxies_beside_node_and_the_upstream() -> None:
    outcome = proxy.run(WITH_NODE)
    assert set(outcome.data["rounds"]) == {"nano-trio", "node http", "node", "without a proxy"}
    for name, rounds in outcome.data["rounds"].items():
        assert rounds[0]["mb_per_s"] > 1, name
    assert kinds(outcome) == ["must", "aim"]
    assert all(verdict.holds is not None for verdict in outcome.verdicts)
    assert "MB/s against node's http proxy" in outcome.render()


def test_hello_alone_holds_nothing_against_peers_that_were_not_asked_for() -> None:
    outcome = hello.run(ALONE)
    assert set(outcome.data["rounds"]) == {"nano-trio", "nano-trio h11"}
    assert outcome.data["rounds"]["nano-trio"][0]["errors"] == 0
    assert all(verdict.holds is None for verdict in outcome.verdicts)
    assert [(verdict.kind, verdict.bound) for verdict in outcome.verdicts] == [
        ("must", "≥ 1.5 ×"),
        ("aim", "≥ 2.5 ×"),
        ("aim", "≥ 0.6 ×"),
        ("must", "≤ 0.1 ×"),
        ("aim", "≤ 1 ×"),
    ]


def test_hono_answers_alike_in_nano_trio_and_node(node_modules: Path, tmp_path: Path) -> None:  # noqa: F811
    module = hono.bundle(tmp_path, str(node_modules / ".bin/esbuild"), node_modules)
    with servers.started(["nano-trio", "node"], module) as (running, absent):
        assert not absent
        hono.check(running)
        requests = tmp_path / "requests"
        requests.write_text("\n".join(hono.MIX))
        seen = load.load(running[0].port, connections=4, seconds=1, requests=requests)
    assert seen.errors == 0
    assert seen.requests > len(hono.MIX)
    assert seen.quantiles[-1] == (1, seen.max_ms)


def test_servers_that_differ_are_no_rivals(tmp_path: Path) -> None:
    (tmp_path / "broken.js").write_text("export default { fetch: () => new Response('no', { status: 500 }) };")
    with (
        servers.started(["nano-trio"], tmp_path / "broken.js") as (running, _),
        pytest.raises(RuntimeError, match="500"),
    ):
        hono.check(running)


def test_the_load_without_wrk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load.shutil, "which", lambda program: None)
    requests = tmp_path / "requests"
    requests.write_text(f"POST / {json_body.order().decode()}\n")
    with servers.started(["nano-trio"], "json") as (running, _):
        seen = load.load(running[0].port, connections=4, seconds=0.5, requests=requests)
    assert seen.errors == 0
    assert seen.requests > 10
    assert 0 < seen.p50_ms <= seen.p99_ms <= seen.max_ms
    assert seen.cpu_s > 0


def test_a_time_without_an_answer_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = {"us": 4_000_000, "p50": 2, "p99": 3, "max": 4, "quantiles": [], "cpu_s": 0.5}
    answered = {"requests": 8, "errors": 0, **times}
    nothing = {**answered, "requests": 0, "us": 1_000_000}
    seen = iter([nothing, nothing, answered])
    lengths: list[float] = []
    monkeypatch.setattr(load, "_generate", lambda *arguments: lengths.append(arguments[3]) or next(seen))
    assert load.load(1, connections=1, seconds=1).requests_per_s == 2
    assert lengths == [1, 2, 4]
    assert "no answer in 2 s" in capsys.readouterr().err
    monkeypatch.setattr(load, "_generate", lambda *arguments: nothing)
    with pytest.raises(RuntimeError, match="answered nothing in 32 s"):
        load.load(1, connections=1, seconds=1)
    monkeypatch.setattr(load, "_generate", lambda *arguments: {**nothing, "errors": 3})
    with pytest.raises(RuntimeError, match="answered nothing in 1 s; 3 errors"):
        load.load(1, connections=1, seconds=1)


def test_the_upstream_sends_what_it_is_asked_for_on_one_connection() -> None:
    upstream = servers.start_module("bench.upstream", server_core=False)
    try:
        with socket.create_connection(("127.0.0.1", upstream.port), timeout=10) as connection:
            file = connection.makefile("rb")
            for size in (0, 5, 3_000_000):
                connection.sendall(f"GET /x?bytes={size} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
                head = []
                while (line := file.readline()) != b"\r\n":
                    head.append(line)
                assert f"Content-Length: {size}\r\n".encode() in head
                assert file.read(size) == b"a" * size
    finally:
        upstream.stop()


def test_density_and_memory_and_cold_start() -> None:
    found = density.run(ALONE)
    assert kinds(found) == ["must", "must", "aim"]
    assert all(0.01 < run["ready_s"] < 60 and run["pss_mb"] > run["asleep_mb"] > 5 for run in found.data["runs"])
    assert kinds(memory.run(ALONE)) == ["must", "aim"]
    assert kinds(coldstart.run(ALONE)) == ["must", "aim"]


async def test_the_parts_of_an_isolate() -> None:
    sizes = dict(await isolate.memory())
    core = sizes.pop("the core in all")
    others = {name: sizes.pop(name) for name in list(sizes) if name.startswith("+ ")}
    assert others.keys() == {f"+ {name}" for name in LAZY_GLOBALS.keys() - set(isolate.CORE)}
    assert sum(sizes.values()) == pytest.approx(core)
    assert all(size > 0 for size in (*sizes.values(), *others.values()))


def test_the_neighbours_throughput() -> None:
    seen = neighbour_throughput.measure(ALONE)
    (found,) = seen["rounds"]
    # Eight apps that compute for ever take a share; they do not take all.
    assert 0.02 < found["share"] < 0.999
    assert found["beside"] > 1
    assert [verdict.kind for verdict in neighbour_throughput.verdicts(seen)] == ["must", "aim"]


async def test_hypercorns_handler_does_what_the_others_do() -> None:
    sent: list[dict[str, object]] = []
    parts = [json_body.order()[:100], json_body.order()[100:]]

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await hypercorn_app.order({}, receive, send)
    answer = json.loads(sent[1]["body"])  # type: ignore[arg-type]
    order = json.loads(json_body.order())
    assert answer == {**order, "total": sum(item["price"] * item["count"] for item in order["items"])}


def test_the_command_writes_results_and_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results")
    status = command.main(
        [
            "stream",
            "--quick",
            "--peers",
            "node",
            "--json",
            str(tmp_path / "out.json"),
            "--plots",
            str(tmp_path / "plots"),
        ]
    )
    report = json.loads((tmp_path / "out.json").read_text())
    (kept,) = (tmp_path / "results").glob("*.json")
    assert json.loads(kept.read_text()) == report
    assert set(report["benchmarks"]["stream"]["data"]["rounds"]) == {"nano-trio", "node", "node http"}
    musts = [each for each in report["benchmarks"]["stream"]["verdicts"] if each["kind"] == "must"]
    assert status == (0 if all(each["holds"] for each in musts) else 1)
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["stream.svg"]


@pytest.mark.parametrize(("arguments", "told"), [(["helo"], "hello"), (["--peers", "nginx"], "workerd")])
def test_a_mistyped_name_is_told_with_those_there_are(arguments: list[str], told: str) -> None:
    done = subprocess.run([sys.executable, "-m", "bench", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert told in done.stderr
