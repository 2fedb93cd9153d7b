"""The wall against server-side request forgery: what an app cannot reach, and what allow_net opens."""

from __future__ import annotations

import attrs
import pytest
import trio

from nano_trio.runtime import net_connect
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy

from .fetching import fetching
from .upstream import running

# Hosts as apps may write them; PORT is that of a server on 127.0.0.1 that must not be reached.
ATTEMPTS = [
    # loopback, however it is written
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.255.255.254:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7F.0x0.0x0.0x1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0x0.1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127。0。0。1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "http://\t127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://app.localhost:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000::0001]:PORT/",
    # nowhere in particular, which is here
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://0.1.2.3:PORT/",
    "http://[::]:PORT/",
    # IPv4 in IPv6
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[2001:0:808:808:0:0:80ff:fffe]:PORT/",
    "http://[2606:4700::5efe:10.0.0.1]/",
    "http://[fe80::5efe:8.8.8.8]/",
    # private, link-local, shared, metadata
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.127.255.254/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.169.254./",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://192.0.0.192/",
    "http://[fc00::1]/",
    "http://[fdff:ffff::1]/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fec0::1]/",
    # nobody's
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://198.18.0.1/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[ff02::1]/",
    "http://[100::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[4000::1]/",
    # userinfo that looks like the host
    "http://example.com:80@127.0.0.1:PORT/",
    "http://example.com%2f@127.0.0.1:PORT/",
    "http://example.com\\@127.0.0.1:PORT/",
    # names of others that lead here
    "http://rebind.example:PORT/",
    "http://mixed.example:PORT/",
    "http://metadata.example/",
    "http://internal.example/",
    "http://six.example:PORT/",
    "http://scoped.example:PORT/",
    "http://nonsense.example:PORT/",
    "http://xn--lgbb.example:PORT/",
    "http://münchen.example:PORT/",
    "http://example.com.:PORT/",
    # ports of other services
    "http://public.example:25/",
    "http://public.example:6667/",
    "http://8.8.8.8:22/",
    "https://8.8.8.8:993/",
]

NAMES = {
    "metadata.example": ["169.254.169.254"],
    "internal.example": ["10.1.2.3", "fd00::1"],
    "six.example": ["::1"],
    "mixed.example": ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1"],
    "scoped.example": ["fe80::1%lo"],
    "nonsense.example": ["localhost"],
    "public.example": ["93.184.215.14"],
    "many.example": ["10.9.9.9", "127.0.0.1"],
}


async def resolve(host: str, port: int) -> list[str]:
    """The system's resolver for the names of the tests; all others lead to 127.0.0.1."""
    if host[0].isdigit() or ":" in host:
        return [host.rstrip(".")]
    return NAMES.get(host.rstrip("."), ["127.0.0.1"])


@pytest.mark.parametrize("url", ATTEMPTS)
async def test_an_attempt_is_refused(url: str) -> None:
    async with running() as upstream, fetching(Network(resolve=resolve)) as js:
        with trio.fail_after(3):
            name, message, code = await js.failure("await fetch(url)", url=url.replace("PORT", str(upstream.port)))
        assert name == "TypeError"
        if code != "ERR_BLOCKED":  # or it is no URL that may be fetched at all
            assert code == "undefined"
            assert "credentials" in message or "Failed to parse" in message
        assert upstream.connections == 0
        # An app learns nothing of what a name resolves to inside.
        assert not any(address in message for address in ("10.1.2.3", "169.254.169.254")) or address_written(url)


def address_written(url: str) -> bool:
    return ".example" not in url


async def test_without_a_stub_the_systems_resolver_is_asked() -> None:
    async with running() as upstream, fetching(Network()) as js:
        for host in ("localhost", "app.localhost", "a.app.localhost.", "127.0.0.1", "[::1]", "0"):
            failure = await js.failure("await fetch(url)", url=f"http://{host}:{upstream.port}/text")
            assert failure[2] == "ERR_BLOCKED"
        assert upstream.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.1:PORT/text",
        "//localhost:PORT/text",
        "http://metadata.example/",
        "http://[::ffff:169.254.169.254]/",
        "http://2130706433:PORT/text",
        "/redirect?to=http://10.0.0.1/",
    ],
)
async def test_a_redirect_into_private_space(to: str, status: int) -> None:
    # Only this one name is open, as a server on the Internet would be.
    async with running() as public, running() as secret:
        network = Network(NetPolicy([f"open.example:{public.port}"]), resolve=resolve)
        async with fetching(network) as js:
            location = to.replace("PORT", str(secret.port))
            url = f"http://open.example:{public.port}/redirect?status={status}&to={location}"
            assert (await js.failure("await fetch(url)", url=url))[2] == "ERR_BLOCKED"
            assert secret.connections == 0
            assert len(public.requests) >= 1


async def test_a_name_that_changes_between_check_and_connect() -> None:
    """DNS rebinding: what was checked is what is connected to, and each further connection is checked anew."""
    answers = [["127.0.0.9"], ["127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    async with running() as upstream:
        network = Network(NetPolicy(["127.0.0.9"]), timeout_s=2, resolve=rebinding)
        async with fetching(network) as js:
            url = f"http://rebind.example:{upstream.port}/text"
            # The first answer passes the check; the server does not listen there, and nobody asks again.
            assert (await js.failure("await fetch(url)", url=url))[2] == "ECONNREFUSED"
            assert len(asked) == 1
            assert (await js.failure("await fetch(url)", url=url))[2] == "ERR_BLOCKED"
            assert upstream.connections == 0


async def test_only_the_allowed_of_several_addresses_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    connect_to = net_connect._connect_to

    async def connect(address: str, port: int) -> trio.socket.SocketType:
        tried.append(address)
        return await connect_to(address, port)

    monkeypatch.setattr(net_connect, "_connect_to", connect)
    async with running() as upstream, fetching(Network(NetPolicy(["127.0.0.1"]), resolve=resolve)) as js:
        url = f"http://many.example:{upstream.port}/text"
        assert await js.run("return (await fetch(url)).text()", url=url) == "text"
        assert tried == ["127.0.0.1"]


# -- what opens --------------------------------------------------------------------------------------------------------

# (entries of allow_net, host, port, address): open with the entries, closed without.
OPENED = [
    (["loopback"], "localhost", 80, "127.0.0.1"),
    (["loopback"], "localhost", 80, "127.9.9.9"),
    (["loopback"], "localhost", 80, "::1"),
    (["LoopBack"], "localhost", 80, "::ffff:127.0.0.1"),
    (["loopback:3000"], "localhost", 3000, "127.0.0.1"),
    (["loopback:3000-4000"], "localhost", 3500, "::1"),
    (["private"], "x", 80, "10.0.0.1"),
    (["private"], "x", 80, "172.20.0.1"),
    (["private"], "x", 80, "192.168.0.1"),
    (["private"], "x", 80, "fd12::1"),
    (["private"], "x", 80, "::ffff:10.0.0.1"),
    (["private"], "x", 80, "64:ff9b::10.0.0.1"),
    (["private:5432"], "x", 5432, "10.0.0.1"),
    (["10.0.0.5"], "x", 80, "10.0.0.5"),
    (["10.0.0.5:80"], "10.0.0.5", 80, "10.0.0.5"),
    (["10.0.0.0/8"], "x", 80, "10.200.0.1"),
    (["10.0.0.0/8:8000-8999"], "x", 8080, "10.200.0.1"),
    (["127.0.0.1/32"], "x", 80, "127.0.0.1"),
    (["100.64.0.0/10"], "x", 80, "100.64.1.1"),
    (["fd00::1"], "x", 80, "fd00::1"),
    (["[fd00::1]:8080"], "x", 8080, "fd00::1"),
    (["fd00::/8"], "x", 80, "fd99::1"),
    (["[fd00::/8]:443"], "x", 443, "fd99::1"),
    (["::1"], "x", 80, "::1"),
    (["fe80::/10"], "x", 80, "fe80::1"),
    (["169.254.0.0/16"], "x", 80, "169.254.1.1"),
    (["169.254.169.254"], "x", 80, "169.254.169.254"),
    (["169.254.169.254/32"], "x", 80, "169.254.169.254"),
    (["fd00:ec2::254"], "x", 80, "fd00:ec2::254"),
    (["api.internal"], "api.internal", 80, "10.0.0.1"),
    (["api.internal"], "api.internal.", 80, "10.0.0.1"),
    (["API.Internal"], "api.internal", 80, "127.0.0.1"),
    (["api.internal:8080"], "api.internal", 8080, "fd00::1"),
    (["*.corp.example"], "a.corp.example", 80, "10.0.0.1"),
    (["*.corp.example"], "a.b.corp.example", 80, "172.16.0.1"),
    (["*.corp.example:80-90"], "a.corp.example", 85, "192.168.0.1"),
    (["localhost"], "localhost", 80, "::1"),
    (["redis", "loopback:1"], "redis", 6379, "172.17.0.2"),
    (["224.0.0.0/4"], "x", 80, "224.0.0.1"),
    (["192.0.2.0/24"], "x", 80, "192.0.2.7"),
    (["0.0.0.0"], "x", 80, "0.0.0.0"),
    (["10.0.0.0/8", "2002::/16"], "x", 80, "2002:a00:1::"),
    (["64:ff9b::/96", "10.0.0.0/8"], "x", 80, "64:ff9b::a00:1"),
]  # fmt: skip


@pytest.mark.parametrize(("entries", "host", "port", "address"), OPENED)
def test_an_entry_opens(entries: list[str], host: str, port: int, address: str) -> None:
    assert not NetPolicy().allows(host, port, address)
    assert NetPolicy(entries).allows(host, port, address)


STILL_CLOSED = [
    (["loopback"], "x", 80, "10.0.0.1"),
    (["loopback"], "x", 80, "0.0.0.0"),
    (["loopback"], "x", 80, "169.254.169.254"),
    (["loopback:3000"], "x", 3001, "127.0.0.1"),
    (["private"], "x", 80, "127.0.0.1"),
    (["private"], "x", 80, "169.254.169.254"),
    (["private"], "x", 80, "fd00:ec2::254"),
    (["private"], "x", 80, "100.64.0.1"),
    (["private", "loopback"], "x", 80, "64:ff9b::a9fe:a9fe"),
    (["fd00::/8"], "x", 80, "fd00:ec2::254"),
    (["169.254.0.0/16"], "x", 80, "169.254.169.254"),
    (["0.0.0.0/0"], "x", 80, "169.254.169.254"),
    (["::/0"], "x", 80, "::ffff:127.0.0.1"),
    (["2002::/16"], "x", 80, "2002:7f00:1::"),
    (["10.0.0.0/8:80"], "x", 81, "10.0.0.1"),
    (["api.internal"], "xapi.internal", 80, "10.0.0.1"),
    (["api.internal"], "api.internal.example", 80, "10.0.0.1"),
    (["api.internal:80"], "api.internal", 81, "10.0.0.1"),
    (["api.internal"], "api.internal", 80, "169.254.169.254"),
    (["api.internal"], "api.internal", 80, "::ffff:169.254.169.254"),
    (["*.corp.example"], "corp.example", 80, "10.0.0.1"),
    (["*.corp.example"], "xcorp.example", 80, "10.0.0.1"),
    (["*.corp.example"], "a.corp.example.org", 80, "10.0.0.1"),
]


@pytest.mark.parametrize(("entries", "host", "port", "address"), STILL_CLOSED)
def test_an_entry_opens_no_more_than_it_says(entries: list[str], host: str, port: int, address: str) -> None:
    assert not NetPolicy(entries).allows(host, port, address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.167.0.1",
     "169.253.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
     "2002:808:808::1"],
)  # fmt: skip
def test_the_public_internet_is_open(address: str) -> None:
    assert NetPolicy().allows("example.com", 443, address)


def test_development_opens_loopback_alone() -> None:
    policy = NetPolicy(open_loopback=True)
    assert policy.allows("localhost", 3000, "127.0.0.1")
    assert policy.allows("localhost", 3000, "::1")
    assert not policy.allows("x", 80, "10.0.0.1")
    assert not policy.allows("x", 80, "169.254.169.254")


def test_an_entry_with_a_port_opens_that_port() -> None:
    public = "93.184.215.14"
    assert not NetPolicy(["mail.example"]).allows("mail.example", 25, public)
    assert NetPolicy(["mail.example:25"]).allows("mail.example", 25, public)
    assert not NetPolicy(["mail.example:25"]).allows("other.example", 25, public)
    assert not NetPolicy(["mail.example:25"]).allows("mail.example", 22, public)
    assert NetPolicy([f"{public}:20-30"]).allows("other.example", 25, public)
    assert NetPolicy().allows("example.com", 8080, public)


@pytest.mark.parametrize("entry", ["loopback", "127.0.0.1", "localhost", "127.0.0.0/8", "*.example"])
async def test_an_entry_opens_over_real_sockets(entry: str) -> None:
    async with running() as upstream:
        for rule in (entry, f"{entry}:{upstream.port}"):
            network = attrs.evolve(Network(NetPolicy([rule])), resolve=resolve)
            host = "any.example" if entry.startswith("*") else "localhost" if entry == "localhost" else "127.0.0.1"
            async with fetching(network) as js:
                url = f"http://{host}:{upstream.port}/text"
                assert await js.run("return (await fetch(url)).text()", url=url) == "text"
