"""Intl.Segmenter: where characters, words and sentences end. What is expected is what V8 answers (ICU 77)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]
SEGMENTS = {
    "grapheme": [
        ["e\u0301", "x", "\r\n", "\n"],
        [
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "\U0001f1e6\U0001f1f9",
            "\U0001f1e9\U0001f1ea",
            "\U0001f1e6",
            "\u2764\ufe0f\u200d\U0001f525",
            "\U0001f44d\U0001f3fd",
        ],
        [
            "\u0928",
            "\u092e",
            "\u0938\u094d\u0924\u0947",
            " ",
            "\u0915\u094d\u0937",
            "\u0924\u094d\u0930\u093f",
            "\u092f",
        ],
        ["\uac01", "\u1100\uac01\u11a8"],
        ["\u06001", "2", " ", "\u0d4e\u0d2e"],
        ["a\u200d", "b\u200c"],
        ["\ud800", "x"],
        [],
    ],
    "word": [
        [
            "It's",
            " ",
            "3.14",
            " ",
            "o'clock",
            ",",
            " ",
            "e.g",
            ".",
            " ",
            "1,000.5",
            " ",
            "a_b",
            " ",
            "foo",
            "-",
            "bar",
            " ",
            "a:b",
        ],
        ["can\u2019t", " ", "user", "@", "mail.com", " ", "$", "5.00", " ", "10", ":", "30", " ", "C", "+", "+"],
        ["\u05e9\u05dc\u05d5\u05dd", " ", '\u05d1"\u05d4', " ", "\u05e6'"],
        [
            "\U0001f468\u200d\U0001f469\u200d\U0001f467",
            "ab",
            "  ",
            "\U0001f1e6\U0001f1f9",
            "\U0001f1e9\U0001f1ea",
            "\r\n",
            "\u30a2\u30a4\u30a6",
            " ",
            "x",
        ],
        ["e\u0301\u00ad1\u20606"],
        ["_", " ", "a_", " ", "5_"],
        ["3", ".", "a", " ", ".", "5", " ", "1", ".", ".", "2", " ", "a", "'"],
    ],
    "sentence": [
        ["Mr. ", "Smith went. ", '"Yes?" ', "he said. ", "Etc. then more."],
        ["A. ", "B. c. ", "D! ", "e? ", "(F.) [g] 'H.' ", "\u201cI.\u201d j"],
        ["1. ", "2.5 3.x U.S.A. is. v1.", "Two"],
        ["One.\n", "Two\r\n", "Three!? ", "Four\u2026 five"],
        ["Wait... what? ", "No!) ", "So: yes. - and"],
    ],
}
WORDS = [
    "It's 3.14 o'clock e.g 1,000.5 a_b foo bar a:b",
    "can\u2019t user mail.com 5.00 10 30 C",
    "\u05e9\u05dc\u05d5\u05dd \u05d1\"\u05d4 \u05e6'",
    "ab \u30a2\u30a4\u30a6 x",
    "e\u0301\u00ad1\u20606",
    "a_ 5_",
    "3 a 5 1 2 a",
]
"""Of the second list: what is like a word."""


@pytest.mark.parametrize(
    ("granularity", "segments"), [(granularity, case) for granularity in SEGMENTS for case in SEGMENTS[granularity]]
)
def test_as_elsewhere(run_js: Run, granularity: str, segments: list[str]) -> None:
    text = "".join(segments)
    expected: list[Any] = []
    for segment in segments:
        at = sum(len(one["segment"].encode("utf-16-le", "surrogatepass")) // 2 for one in expected)
        expected.append({"segment": segment, "index": at, "input": text})
    told = run_js(
        f"""const segmenter = new Intl.Segmenter("en", {{ granularity: "{granularity}" }}), text = {json.dumps(text)};
        const all = [...segmenter.segment(text)];
        // Any place leads to the same, in any order.
        const places = [...Array(text.length).keys()], segments = segmenter.segment(text);
        for (const place of [...places, ...places.reverse()]) {{
          const found = segments.containing(place), same = all.find(({{ index, segment }}) => place >= index && place < index + segment.length);
          if (JSON.stringify(found) !== JSON.stringify(same)) return [place, found];
        }}
        return all.map(({{ segment, index, input }}) => ({{ segment, index, input }}));"""
    )
    assert told == expected


def test_what_is_like_a_word(run_js: Run) -> None:
    texts = json.dumps(["".join(segments) for segments in SEGMENTS["word"]])
    assert (
        run_js(
            f"""const segmenter = new Intl.Segmenter("en", {{ granularity: "word" }});
        return {texts}.map((text) => [...segmenter.segment(text)].filter((one) => one.isWordLike).map((one) => one.segment).join(" "));"""
        )
        == WORDS
    )


def test_its_objects(run_js: Run) -> None:
    assert run_js(
        """const attempt = (call) => { try { return call() } catch (error) { return error.name } };
        const segmenter = new Intl.Segmenter(), segments = segmenter.segment("ab"), iterator = segments[Symbol.iterator]();
        const first = iterator.next();
        return [`${segmenter}`, `${iterator}`, iterator[Symbol.iterator]() === iterator, Object.keys(first.value), first.done,
                iterator.next().value.index, iterator.next().done, iterator.next().done, Object.keys(segments.containing(0)),
                [-1, 2, NaN, "1", 1.9, undefined].map((at) => segments.containing(at)?.index ?? "none"),
                segmenter.resolvedOptions(), new Intl.Segmenter("de", { granularity: "word" }).resolvedOptions(),
                Intl.Segmenter.supportedLocalesOf(["de", "en"]), [...segmenter.segment()].length,
                attempt(() => Intl.Segmenter()), attempt(() => new Intl.Segmenter("en", { granularity: "line" })),
                attempt(() => new Intl.Segmenter("en", 5)), attempt(() => segmenter.segment.call({}, "a")),
                attempt(() => iterator.next.call({})), attempt(() => segments.containing.call(segmenter, 0))];"""
    ) == ["[object Intl.Segmenter]", "[object Segmenter String Iterator]", True, ["segment", "index", "input"], False, 1,
          True, True, ["segment", "index", "input"], ["none", "none", 0, 1, 1, 0], {"locale": "en-US", "granularity": "grapheme"},
          {"locale": "en-US", "granularity": "word"}, ["en"], 9, "TypeError", "RangeError", "TypeError", "TypeError",
          "TypeError", "TypeError"]  # fmt: skip


def test_an_app_that_replaces_what_it_can_changes_nothing(run_js: Run) -> None:
    assert run_js(
        """const iterate = Array.prototype[Symbol.iterator], Generator = Object.getPrototypeOf(function* () {}).prototype;
        Array.prototype[Symbol.iterator] = function () { throw new Error("replaced") };
        RegExp.prototype.test = String.prototype.codePointAt = Map.prototype.get = Map.prototype.set = () => 5;
        const iterator = new Intl.Segmenter("en", { granularity: "sentence" }).segment("A b. C, d! ü").containing(7);
        const words = new Intl.Segmenter("en", { granularity: "word" }).segment("it's ö")[Symbol.iterator]();
        const found = words.next().value.segment;
        Array.prototype[Symbol.iterator] = iterate;
        return [iterator.segment, found, Object.getPrototypeOf(Object.getPrototypeOf(words)) === Object.getPrototypeOf(Generator)];"""
    ) == ["C, d! ", "it's", True]
