"""The decoders of the Encoding Standard: whole indexes, chunks, and the two ways of the multi-byte ones."""

from __future__ import annotations

import hashlib
from itertools import pairwise, product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nano_trio.runtime.encoding import decode
from nano_trio.runtime.encoding_labels import ENCODINGS, encoding_of
from nano_trio.runtime.encoding_multi import multibyte
from nano_trio.runtime.encoding_single import is_single_byte

MULTIBYTE = ["gb18030", "big5", "euc-jp", "shift_jis", "euc-kr"]
DECODABLE = [name for name in ENCODINGS if name != "replacement"]
REPLACEMENT_CHARACTER = {
    "utf-8": b"\xef\xbf\xbd",
    "utf-16le": b"\xfd\xff",
    "utf-16be": b"\xff\xfd",
    "gbk": b"\x84\x31\xa4\x37",
    "gb18030": b"\x84\x31\xa4\x37",
}
"""How U+FFFD is written, in those encodings that have it."""

telling = st.one_of(
    st.binary(max_size=12),
    st.lists(
        st.sampled_from(b"\x1b($BJI@\x0e\x21\x30\x39\x41\x7e\x80\x81\x8e\x8f\xa1\xb0\xd8\xdc\xed\xf0\xfe\xff"),
        max_size=10,
    ).map(bytes),
)


def whole(encoding: str, data: bytes, fatal: bool = False) -> str | None:
    decoded = decode(encoding, data, "", True, fatal)
    return None if decoded is None else decoded[0]


def of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


PAIRS = [bytes(pair) for pair in product(range(0x80, 0x100), range(0x30, 0x100))]


@pytest.mark.parametrize(
    ("encoding", "digest"),
    [
        ("gb18030", "967bdf1a72937054"),
        ("big5", "b54e4a9676b93bfb"),
        ("euc-jp", "95060c6df908aabc"),
        ("shift_jis", "5d58a99e089b0331"),
        ("euc-kr", "d647a7e059f34f55"),
    ],
)
def test_every_sequence_of_two_bytes(encoding: str, digest: str) -> None:
    # The digests are of results that were compared with the indexes of the standard, pointer by pointer.
    assert of("\n".join(whole(encoding, pair) or "" for pair in PAIRS)) == digest


def test_every_sequence_of_jis_x_0212() -> None:
    text = "\n".join(whole("euc-jp", b"\x8f" + bytes(pair)) or "" for pair in product(range(0xA1, 0xFF), repeat=2))
    assert of(text) == "816cdd19b564072a"


def test_every_range_of_gb18030() -> None:
    def four(pointer: int) -> bytes:
        return bytes(
            [pointer // 12600 + 0x81, pointer // 1260 % 10 + 0x30, pointer // 10 % 126 + 0x81, pointer % 10 + 0x30]
        )

    assert of("".join(whole("gb18030", four(pointer)) or "" for pointer in range(39500))) == "bd2c60b6e5bc63b5"
    assert whole("gb18030", four(189000) + four(1237575) + four(1237576)) == "\U00010000\U0010ffff\ufffd"


def test_every_byte_of_the_single_byte_encodings() -> None:
    tables = {name: whole(name, bytes(range(256))) for name in ENCODINGS if is_single_byte(name)}
    assert len(tables) == 29
    assert all(table is not None and table[:128] == "".join(map(chr, range(128))) for table in tables.values())
    assert of("".join(f"{name}{tables[name]}" for name in sorted(tables))) == "fd29652158cca12a"


def test_labels() -> None:
    labels = [label for names in ENCODINGS.values() for label in names.split()]
    assert len(labels) == len(set(labels)) == 228
    assert all(
        encoding_of(f"\t{label.upper()} ") == name for name, names in ENCODINGS.items() for label in names.split()
    )
    assert all(encoding_of(name) == name for name in ENCODINGS)


@given(encoding=st.sampled_from(DECODABLE), data=telling, cuts=st.lists(st.integers(0, 12), max_size=4))
def test_chunks_give_the_same_text(encoding: str, data: bytes, cuts: list[int]) -> None:
    borders = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    text, state = "", ""
    for start, end in pairwise(borders):
        decoded = decode(encoding, data[start:end], state, False, False)
        assert decoded is not None
        text, state = text + decoded[0], decoded[1]
    rest = decode(encoding, b"", state, True, False)
    assert rest is not None
    assert text + rest[0] == whole(encoding, data)


@given(encoding=st.sampled_from(DECODABLE), data=telling)
def test_fatal_fails_exactly_where_something_is_replaced(encoding: str, data: bytes) -> None:
    # One that is written is no replacement; what becomes of it is the next test's question.
    assume(encoding not in REPLACEMENT_CHARACTER or REPLACEMENT_CHARACTER[encoding] not in data)
    lenient = whole(encoding, data)
    assert lenient is not None
    assert whole(encoding, data, fatal=True) == (None if "\ufffd" in lenient else lenient)


@pytest.mark.parametrize("encoding", REPLACEMENT_CHARACTER)
def test_a_replacement_character_that_is_written_is_no_error(encoding: str) -> None:
    assert whole(encoding, REPLACEMENT_CHARACTER[encoding] * 2, fatal=True) == "\ufffd" * 2


@given(encoding=st.sampled_from(MULTIBYTE), data=telling, final=st.booleans(), fatal=st.booleans())
def test_the_quick_way_and_the_exact_way_agree(encoding: str, data: bytes, final: bool, fatal: bool) -> None:
    decoder = multibyte(encoding)
    assert decoder is not None
    assert decoder.decode(data, final, fatal) == decoder._decode_exactly(data, final, fatal)


@given(st.text())
def test_utf_8_and_utf_16_round_trip(text: str) -> None:
    assert whole("utf-8", text.encode("utf-8"), fatal=True) == text
    assert whole("utf-16le", text.encode("utf-16-le"), fatal=True) == text
    assert whole("utf-16be", text.encode("utf-16-be"), fatal=True) == text
