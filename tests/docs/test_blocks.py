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
from nano_trio.cli.commands import main
from nano_trio.testing import App
from tests.npm.conftest import node_modules  # noqa: F401
from tests.npm.test_commonjs import installed
from tests.npm.test_types import mistakes
from tests.npm.test_unbundled import app_folder
from tests.readme.document import REPOSITORY
from tests.readme.session import Session
from tests.serving.conftest import SiteMaker, serve  # noqa: F401

from .pages import PAGES, PageBlock, blocks_of, pages

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
                assert {"title", "answers", "loads", "npm"} & set(found.attributes), (
                    f"{found.name}: say how it is tested"
                )
            case "python":
                assert _is_used(found), f"{found.name}: no command of its page runs it"
            case language:
                assert language in ("ts", "toml", "json", "ini", "nginx", "caddyfile", "dockerfile"), found.name


def test_what_is_not_run_says_why() -> None:
    kept = [found for found in BLOCKS if "elsewhere" in found.attributes]
    assert all(found.block.language == "sh" and len(found.attributes["elsewhere"]) > 5 for found in kept)


def _is_used(found: PageBlock) -> bool:
    """Whether a file of a page, or its folder, is named by commands that are run there, or by another file of it."""
    others = [
        other.block.text
        for other in blocks_of(found.page)
        if other.block != found.block
        and (other.block.file or (other.block.language == "sh" and "elsewhere" not in other.attributes))
    ]
    name = found.block.file.partition("/")[0]
    return bool(name) and any(re.search(rf"\b{re.escape(name)}\b", text) for text in others)


@pytest.mark.parametrize("page", pages())
def test_commands_in_the_text_are_ones_that_there_are(page: str) -> None:
    for command in re.findall(r"`(nano-trio [^`\n]+)`", (PAGES / page).read_text("utf-8")):
        words = [word for word in shlex.split(command) if word not in ("…", "[APP]", "[PATH]")]
        if not {"|", ">", "<"} & set(words):
            _assert_taken([word for word in words[1:] if not word.startswith("[")])


@of("sh")
def test_commands_are_ones_that_there_are(block: PageBlock) -> None:
    """Also those that are not run: bash can read them, and nano-trio takes their options."""
    subprocess.run(["bash", "-n", "-c", block.block.text], check=True)
    for line in block.block.text.splitlines():
        words = shlex.split(line)
        if Path(words[0]).name == "nano-trio" and not {"|", "&"} & set(words):
            _assert_taken(words[1:])


@of("js")
async def test_modules_load_and_answer(block: PageBlock, serve: SiteMaker) -> None:  # noqa: F811
    source = block.block.text
    if "npm" in block.attributes:
        return
    if block.block.file:
        # A file of its page's commands: what it imports is there alone.
        if "export default" not in source or re.search(r'from "(\./|nano:test)', source):
            assert _is_used(block), block.name
            return
        async with serve({"app": {"source": source, "timeout_ms": 100}}) as site:
            assert (await site.get("app")).status in (200, 503), block.name
        return
    if "export default" not in source:
        source += "\nexport default () => new Response('loaded');"
    async with serve({"app": source}) as site:
        answer = await site.get("app")
        if "answers" in block.attributes:
            assert answer.text.strip() == block.attributes["answers"].replace("\\n", "\n").strip()
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


def test_an_app_with_a_package(tmp_path: Path, node_modules: Path) -> None:  # noqa: F811
    blocks = [found.block for found in BLOCKS if "npm" in found.attributes]
    assert len(blocks) == 2
    for block in blocks:
        folder = tmp_path / str(block.line)
        packages = installed(node_modules, re.findall(r'from "([^./"]+)', block.text))
        app_folder(folder, node_modules, tuple(packages), block.text, block.file)
        with App(folder) as app:
            if "hono" in packages:
                assert app.fetch("/users/Ada").json() == {"name": "Ada"}
            else:
                assert app.fetch("/").text().startswith("eyJhbGciOiJIUzI1NiIs")


def test_typescript_agrees(tmp_path: Path, node_modules: Path) -> None:  # noqa: F811
    """With the options of the page of TypeScript, and with the types that ``init`` brings."""
    shutil.copytree(REPOSITORY / "nano_trio" / "types", tmp_path / ".nano-trio")
    blocks = blocks_of("guides/typescript.md")
    for number, found in enumerate(found for found in blocks if found.block.language in ("ts", "js")):
        (tmp_path / f"{number}.{found.block.language}").write_text(found.block.text)
    (options,) = [found.block.text for found in blocks if found.block.file == "tsconfig.json"]
    (tmp_path / "tsconfig.json").write_text(options)
    assert mistakes(tmp_path, node_modules, "tsconfig.json", "--allowJs", "--checkJs") == []


@pytest.fixture
def around(tmp_path: Path) -> Path:
    """A folder with whatever the configurations of the pages refer to."""
    app = "export default () => new Response('here');\n"
    for name in ("shop", "reports", "app", "chat"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.js").write_text(app)
    for name in ("login.js", "loop.js", "shop.js"):
        (tmp_path / name).write_text(app)
    authority = trustme.CA()
    certificate = authority.issue_cert("shop.example.com", "shop")
    for name in ("clients-ca.pem", "internal-ca.pem"):
        authority.cert_pem.write_to_path(tmp_path / name)
    for name in ("shop", "chat"):
        certificate.private_key_pem.write_to_path(tmp_path / f"{name}-key.pem")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(tmp_path / f"{name}.pem", append=True)
    (tmp_path / "admin-token").write_text("a-token-of-16-characters-or-more\n")
    (tmp_path / "admin-token").chmod(0o600)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "esbuild").touch(0o755)
    return tmp_path


@of("toml", "json")
def test_configurations_load(block: PageBlock, around: Path) -> None:
    if block.block.file == "tsconfig.json":
        return  # see test_typescript_agrees
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
        _assert_taken(shlex.split(unit["Service"]["ExecStart"])[1:])


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
    instructions = [line.split(" ", 1) for line in block.block.text.splitlines() if line]
    assert instructions[0][0] == "FROM"
    assert {name for name, _ in instructions} <= {"FROM", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL", "CMD"}
    program, *arguments = json.loads(dict(instructions)["CMD"])
    assert program == "nano-trio"
    _assert_taken(arguments)


@of("dockerfile")
def test_a_container_has_what_is_compiled(block: PageBlock) -> None:
    """The package is built where there is a C compiler, which slim images have not, and the image takes that build.

    So is the engine, which has no wheel for each kind of machine.
    """
    build, image = block.block.text.split("\n\n")
    base, _, stage = build.splitlines()[0].removeprefix("FROM ").partition(" AS ")
    assert "slim" not in base
    assert "COPY . /src" in build
    assert "wheel-dir /wheels /src" in build
    assert "--no-deps" not in build
    assert f"COPY --from={stage} /wheels /wheels" in image
    assert "pip install --no-cache-dir --no-index /wheels/" in image
    assert image.splitlines()[0] == f"FROM {base}-slim", "of the same system and Python, or its libraries may not load"


def _assert_taken(arguments: list[str]) -> None:
    """The command line takes these; click.UsageError says what of them it does not. Files need not exist."""
    command: click.Command = main
    rest = [word for word in arguments if word not in ("--help", "--version")]
    while isinstance(command, click.Group) and rest:
        context = click.Context(command, allow_interspersed_args=False)
        _, rest, _ = command.make_parser(context).parse_args(rest)
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command = found
    command.make_parser(click.Context(command)).parse_args(rest)
