"""HPACK as the package hpack has it, at a cost that the other end does not set. Costs are counted, not timed."""

from __future__ import annotations

import random

import hpack
import pytest
from hpack.huffman_table import decode_huffman as by_the_package
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.runtime.http2_hpack import FrugalDecoder, FrugalEncoder, decode_huffman

NAMES = st.sampled_from([b":path", b":method", b"cookie", b"host", b"x-a", b"x-b"]) | st.binary(max_size=20)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from([b"GET", b"/", b"x" * 2000]) | st.binary(max_size=200)), max_size=90)
Blocks = list[tuple[list[tuple[bytes, bytes]], int, bool]]
SIZES = st.sampled_from([0, 100, 1000, 4096, 1 << 30])


def decoder() -> FrugalDecoder:
    return FrugalDecoder(1 << 20, 1 << 20)


@given(st.lists(st.tuples(FIELDS, SIZES, st.booleans()), max_size=4))
def test_what_is_encoded_is_decoded_here_and_by_the_package(blocks: Blocks) -> None:
    encoder, ours, theirs = FrugalEncoder(), decoder(), hpack.Decoder(1 << 20)
    for fields, size, secret in blocks:
        encoder.header_table_size = size
        given = [hpack.NeverIndexedHeaderTuple(*field) if secret else field for field in fields]
        block = encoder.encode(given)
        assert ours.decode(block) == fields
        assert [tuple(field) for field in theirs.decode(block, raw=True)] == fields


@given(st.lists(FIELDS, max_size=4))
def test_what_the_package_encodes_is_decoded(blocks: list[list[tuple[bytes, bytes]]]) -> None:
    encoder, ours = hpack.Encoder(), decoder()
    for fields in blocks:
        assert ours.decode(encoder.encode(fields)) == fields


@given(st.binary(max_size=40))
def test_what_is_no_block_is_none_here_either(data: bytes) -> None:
    try:
        expected = [tuple(field) for field in hpack.Decoder(1 << 20).decode(data, raw=True)]
    except hpack.HPACKError:
        with pytest.raises(hpack.HPACKError):
            decoder().decode(data)
    else:
        assert decoder().decode(data) == expected


@given(st.binary(max_size=12))
def test_huffmans_code(data: bytes) -> None:
    try:
        expected = by_the_package(data)
    except hpack.HPACKDecodingError:
        with pytest.raises(hpack.HPACKDecodingError):
            decode_huffman(data)
    else:
        assert decode_huffman(data) == expected


def test_huffmans_code_of_much() -> None:
    """Whatever is in it: no more than a few rows of the table are made for one string."""
    text = random.Random(1).randbytes(20_000)
    coded = hpack.Encoder().huffman_coder.encode(text)
    for _ in range(3):
        assert decode_huffman(coded) == text


def test_large_values_are_written_as_they_are() -> None:
    """By Huffman's code 128 KB took more than a second, in which nobody else was served."""
    value = b"a" * 128_000
    block = FrugalEncoder().encode([(b"x-large", value), (b"cookie", value)])
    assert block.count(value) == 2
    assert decoder().decode(block) == [(b"x-large", value), (b"cookie", value)]


def test_a_table_of_a_gigabyte_is_not_kept() -> None:
    encoder = FrugalEncoder()
    encoder.header_table_size = 1 << 30
    assert encoder.header_table_size == 4096
    for number in range(100):
        encoder.encode([(b"x-%d-%d" % (number, field), bytes(20)) for field in range(100)])
        assert len(encoder.header_table.dynamic_entries) <= 4096 // 32
    encoder.header_table_size = 0
    encoder.header_table_size = 0
    encoder.header_table_size = 1 << 30
    # The smallest and the last of what was said meanwhile, once.
    assert encoder.encode([(b":method", b"GET")]) == b"\x20\x3f\xe1\x1f\x82"
    assert encoder.encode([(b":method", b"GET")]) == b"\x82"


def test_only_so_many_fields_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, searched = FrugalEncoder(), []
    search = encoder.header_table.search
    monkeypatch.setattr(encoder.header_table, "search", lambda *field: (searched.append(field), search(*field))[1])
    fields = [(b"x-%d" % number, b"v") for number in range(8000)]
    assert decoder().decode(encoder.encode(fields)) == fields
    assert len(searched) == 64


@pytest.mark.parametrize(
    "block",
    [b"\x82" * 101, b"\x00\x00\x00" * 101, b"\x40\x01x\x00" * 101, b"\x20" * 9, b"\x82\x20", b"\x3f\xe2\x1f"],
    ids=["entries", "literals", "entries made", "sizes", "a late size", "a large size"],
)
def test_what_is_too_much(block: bytes) -> None:
    with pytest.raises(hpack.HPACKError):
        FrugalDecoder(1 << 20, 100).decode(block)


def test_a_list_that_is_too_large() -> None:
    with pytest.raises(hpack.OversizedHeaderListError):
        FrugalDecoder(33 * 3, 100).decode(b"\x00\x01x\x00" * 4)
    assert len(FrugalDecoder(33 * 3, 100).decode(b"\x00\x01x\x00" * 3)) == 3
