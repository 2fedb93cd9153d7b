"""Every code block of the documentation site is run, loaded or checked, by its language."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import trio
import trustme

from nano_trio import config
from nano_trio.cli import main
from tests.readme.session import Session
from tests.serving.conftest import SiteMaker, serve  # noqa: F401

from .pages import PageBlock, blocks_of, pages

BLOCKS = [block for page in pages() for block in blocks_of(page)]
RUN = [page for page in pages() if any(b.block.language == "sh" and "elsewhere" not in b.attributes for b in blocks_of(page))]  # fmt: skip


def of(*languages: str) -> pytest.MarkDecorator:
    found = [block for block in BLOCKS if block.block.language in languages]
    return pytest.mark.parametrize("block", found, ids=lambda block: block.name)


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page(page: str, tmp_path: Path) -> None:
    blocks = [found for found in blocks_of(page) if "elsewhere" not in found.attributes]
    # Files that others of these tests check are no part of what the commands need.
    Session(tmp_path).follow(found.block for found in blocks if found.block.language not in ("nginx", "ini"))


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    printed = False
    for found in BLOCKS:
        match found.block.language:
            case "sh":
                printed = "elsewhere" not in found.attributes
            case "text":
                assert printed, f"{found.name}: text that no command prints"
            case "js":
                assert {"title", "answers", "loads"} & set(found.attributes), f"{found.name}: say how it is tested"
            case "python":
                assert found.block.file.startswith("test_"), found.name
            case language:
                assert language in ("ts", "toml", "json", "ini", "nginx", "caddyfile", "dockerfile"), found.name


@of("sh")
def test_commands_are_ones_that_there_are(block: PageBlock) -> None:
    """Also those that are not run: bash can read them, and nano-trio takes their options."""
    subprocess.run(["bash", "-n", "-c", block.block.text], check=True)
    for line in block.block.text.splitlines():
        words = shlex.split(line)
        if Path(words[0]).name == "nano-trio" and not {"|", "&"} & set(words):
            _parse(words[1:])


@of("js")
async def test_modules_load_and_answer(block: PageBlock, serve: SiteMaker) -> None:  # noqa: F811
    source = block.block.text
    if block.block.file:
        # A file of its page's commands: what it imports is there alone.
        if re.search(r'from "(\./|nano:test)', source):
            assert block.page in RUN
            return
        async with serve({"app": {"source": source, "timeout_ms": 100}}) as site:
            if "export default" in source:
                assert (await site.get("app")).status in (200, 503), block.name
        return
    if "export default" not in source:
        source += "\nexport default () => new Response('loaded');"
    async with serve({"app": source}) as site:
        answer = await site.get("app")
        if "answers" in block.attributes:
            assert answer.text.strip() == block.attributes["answers"]
        elif "new WebSocketPair" in source:
            assert answer.status == 426  # the app ran, but nobody asked for a WebSocket
        else:
            assert answer.text == "loaded"


@of("ts")
async def test_typescript_loads_and_answers(block: PageBlock, built: Path, serve: SiteMaker) -> None:  # noqa: F811
    esbuild = built.parent / "node_modules" / ".bin" / "esbuild"
    command = [str(esbuild), "--loader=ts", "--format=esm"]
    done = await trio.run_process(command, stdin=block.block.text.encode(), capture_stdout=True)
    async with serve({"app": done.stdout.decode()}) as site:
        assert (await site.get("app")).status == 200


@pytest.fixture
def around(tmp_path: Path) -> Path:
    """A folder with whatever the configurations of the pages refer to."""
    app = "export default () => new Response('here');\n"
    for name in ("shop", "reports", "app"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.js").write_text(app)
    for name in ("login.js", "loop.js", "shop.js"):
        (tmp_path / name).write_text(app)
    authority = trustme.CA()
    certificate = authority.issue_cert("shop.example.com", "shop")
    for name in ("clients-ca.pem", "internal-ca.pem"):
        authority.cert_pem.write_to_path(tmp_path / name)
    certificate.private_key_pem.write_to_path(tmp_path / "shop-key.pem")
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(tmp_path / "shop.pem", append=True)
    (tmp_path / "admin-token").write_text("a-token-of-16-characters-or-more\n")
    (tmp_path / "admin-token").chmod(0o600)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "esbuild").touch(0o755)
    return tmp_path


@of("toml", "json")
def test_configurations_load(block: PageBlock, around: Path) -> None:
    file = around / f"nano.{block.block.language}"
    file.write_text(block.block.text)
    assert config.load(file, {}).apps


def test_toml_and_json_say_the_same(around: Path) -> None:
    for found in blocks_of("reference/configuration.md"):
        if found.block.file:
            (around / found.block.file).write_text(found.block.text)
    assert config.load(around / "nano.toml", {}) == config.load(around / "nano.json", {})


def test_every_key_is_in_an_example() -> None:
    text = "\n".join(found.block.text for found in blocks_of("reference/configuration.md"))
    for key in config.describe_keys():
        assert re.search(rf"\b{key.key} = ", text), f"{key.table} {key.key}"


@of("ini")
def test_units_are_what_systemd_reads(block: PageBlock) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=", comment_prefixes="#")
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block.block.text)
    assert set(unit.sections()) <= {"Unit", "Service", "Socket", "Install"}
    if unit.has_option("Service", "ExecStart"):
        _parse(shlex.split(unit["Service"]["ExecStart"])[1:])


@of("nginx")
def test_nginx_takes_its_configuration(block: PageBlock, around: Path) -> None:
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    text = block.block.text.replace("/etc/ssl/", f"{around}/")
    (around / "nginx.conf").write_text(f"pid {around}/nginx.pid;\nerror_log stderr;\n{text}")
    done = subprocess.run(
        [program, "-t", "-e", "stderr", "-p", str(around), "-c", str(around / "nginx.conf")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "syntax is ok" in done.stderr, done.stderr


@of("caddyfile")
def test_caddy_takes_its_configuration(block: PageBlock, around: Path) -> None:
    (around / "Caddyfile").write_text(block.block.text)
    done = subprocess.run(
        ["caddy", "adapt", "--config", "Caddyfile", "--adapter", "caddyfile"],
        cwd=around,
        env={"HOME": str(around), "PATH": "/usr/bin:/bin:/usr/local/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1:3000" in done.stdout
    assert "warn" not in done.stderr.lower(), done.stderr


@of("dockerfile")
def test_a_containers_command_is_one_that_there_is(block: PageBlock) -> None:
    instructions = [line.split(" ", 1) for line in block.block.text.splitlines()]
    assert instructions[0][0] == "FROM"
    assert {name for name, _ in instructions} <= {"FROM", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "CMD"}
    program, *arguments = json.loads(dict(instructions)["CMD"])
    assert program == "nano-trio"
    _parse(arguments)


def _parse(arguments: list[str]) -> None:
    """Raises click.UsageError for what the command line does not take. Files need not exist."""
    command: click.Command = main
    rest = [word for word in arguments if word not in ("--help", "--version")]
    while isinstance(command, click.Group) and rest:
        context = click.Context(command, allow_interspersed_args=False)
        _, rest, _ = command.make_parser(context).parse_args(rest)
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command = found
    command.make_parser(click.Context(command)).parse_args(rest)
