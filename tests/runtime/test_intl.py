"""Intl and what ECMAScript says by it, for en-US. What is expected is what V8 answers (ICU 77)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]

# 9 September 2001, 01:46:40 UTC, a Sunday.
MOMENT = "1e12"
NUMBERS = {
    "(1234567.891).toLocaleString()": "1,234,567.891",
    "(1.005).toLocaleString('en-US', { maximumFractionDigits: 2 })": "1.01",
    "(2.5).toLocaleString('en-US', { maximumFractionDigits: 0 })": "3",
    "(999.9995).toLocaleString()": "1,000",
    "(1234.5).toLocaleString(undefined, { minimumFractionDigits: 2 })": "1,234.50",
    "(1e21).toLocaleString()": "1,000,000,000,000,000,000,000",
    "(5e-324).toLocaleString()": "0",
    "(-0).toLocaleString()": "-0",
    "[NaN, Infinity, -Infinity].map((x) => x.toLocaleString()).join()": "NaN,∞,-∞",
    "12345678901234567890n.toLocaleString()": "12,345,678,901,234,567,890",
    "new Intl.NumberFormat().format('12345678901234567890.5')": "12,345,678,901,234,567,890.5",
    "['1e999999999', '-1e-999999999', '0x10'].map(new Intl.NumberFormat().format).join()": "∞,-0,16",
    "new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' }).format(-1234.5)": "-$1,234.50",
    "new Intl.NumberFormat('en-US', { style: 'currency', currency: 'JPY' }).format(1234.5)": "¥1,235",
    "new Intl.NumberFormat('en-US', { style: 'currency', currency: 'chf' }).format(1)": "CHF\xa01.00",
    "new Intl.NumberFormat('en', { style: 'currency', currency: 'CAD', currencyDisplay: 'narrowSymbol' }).format(1)": "$1.00",
    "new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', currencySign: 'accounting' }).format(-1)": "($1.00)",
    "(0.256).toLocaleString('en-US', { style: 'percent' })": "26%",
    "[1234, 12345, 999999, 1e16].map((x) => x.toLocaleString('en', { notation: 'compact' })).join(' ')": "1.2K 12K 1M 10,000T",
    "(1e6).toLocaleString('en', { notation: 'compact', compactDisplay: 'long' })": "1 million",
    "(0.00012345).toLocaleString('en', { notation: 'scientific' })": "1.235E-4",
    "(12345).toLocaleString('en', { notation: 'engineering' })": "12.345E3",
    "(123456).toLocaleString('en', { maximumSignificantDigits: 3 })": "123,000",
    "(7).toLocaleString('en', { minimumIntegerDigits: 2 })": "07",
    "(1234).toLocaleString('en', { useGrouping: false })": "1234",
    "(5).toLocaleString('en', { signDisplay: 'always' })": "+5",
    "[0.5, 1.5].map((x) => x.toLocaleString('en', { maximumFractionDigits: 0, roundingMode: 'halfEven' })).join()": "0,2",
    "new Intl.NumberFormat().formatToParts(-1234.5).map((p) => p.type + p.value).join('|')": (
        "minusSign-|integer1|group,|integer234|decimal.|fraction5"
    ),
    "[3, 1].map(new Intl.NumberFormat('en', { minimumFractionDigits: 1 }).format).join()": "3.0,1.0",
}
DATES = {
    "new Date(0).toLocaleDateString('en-US', { timeZone: 'UTC' })": "1/1/1970",
    f"new Date({MOMENT}).toLocaleString('en-US', {{ timeZone: 'UTC' }})": "9/9/2001, 1:46:40 AM",
    f"new Date({MOMENT}).toLocaleTimeString('en-US', {{ timeZone: 'UTC', hour12: false }})": "01:46:40",
    f"new Date({MOMENT}).toLocaleString('en-US', {{ timeZone: 'America/New_York', timeZoneName: 'short' }})": (
        "9/8/2001, 9:46:40 PM EDT"
    ),
    "new Date(0).toLocaleString('en-US', { timeZone: 'america/new_york', timeZoneName: 'long' })": (
        "12/31/1969, 7:00:00 PM Eastern Standard Time"
    ),
    f"new Date({MOMENT}).toLocaleTimeString('en', {{ timeZone: 'Asia/Kolkata', timeZoneName: 'short' }})": (
        "7:16:40 AM GMT+5:30"
    ),
    f"new Date({MOMENT}).toLocaleTimeString('en', {{ timeZone: '-0330', timeStyle: 'long' }})": "10:16:40 PM GMT-3:30",
    "new Date(NaN).toLocaleDateString()": "Invalid Date",
}
FORMATS = {
    "{ weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' }": "Sunday, September 9, 2001",
    "{ weekday: 'short', month: 'short', day: '2-digit' }": "Sun, Sep 09",
    "{ year: 'numeric', month: '2-digit', day: '2-digit' }": "09/09/2001",
    "{ year: '2-digit', month: 'numeric' }": "9/01",
    "{ month: 'long', year: 'numeric' }": "September 2001",
    "{ month: 'long', day: 'numeric', hour: 'numeric' }": "September 9 at 1 AM",
    "{ month: 'short', day: 'numeric', hour: 'numeric', minute: '2-digit' }": "Sep 9, 1:46 AM",
    "{ weekday: 'short', hour: '2-digit' }": "Sun 01 AM",
    "{ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', fractionalSecondDigits: 3 }": "01:46:40.000",
    "{ dateStyle: 'full', timeStyle: 'long' }": "Sunday, September 9, 2001 at 1:46:40 AM UTC",
    "{ dateStyle: 'medium', timeStyle: 'short' }": "Sep 9, 2001, 1:46 AM",
    "{ dateStyle: 'short' }": "9/9/01",
    "{ timeStyle: 'full' }": "1:46:40 AM Coordinated Universal Time",
}
WORDS = {
    "[0, 1, 2, 1.5].map((n) => new Intl.PluralRules('en').select(n)).join()": "other,one,other,other",
    "[1, 2, 3, 4, 11, 22].map((n) => new Intl.PluralRules('en', { type: 'ordinal' }).select(n)).join()": (
        "one,two,few,other,other,two"
    ),
    "new Intl.ListFormat('en').format(['a', 'b', 'c'])": "a, b, and c",
    "new Intl.ListFormat('en', { type: 'disjunction' }).format(new Set(['a', 'b']))": "a or b",
    "new Intl.ListFormat('en', { type: 'unit', style: 'narrow' }).format(['3h', '2m'])": "3h 2m",
    "new Intl.RelativeTimeFormat('en').format(-1, 'day')": "1 day ago",
    "new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(-1, 'days')": "yesterday",
    "new Intl.RelativeTimeFormat('en', { style: 'short' }).format(3, 'quarters')": "in 3 qtrs.",
    "new Intl.RelativeTimeFormat('en', { style: 'narrow' }).format(-5, 'minute')": "5m ago",
}


@pytest.mark.parametrize("expression", [*NUMBERS, *DATES, *WORDS])
def test_as_elsewhere(run_js: Run, expression: str) -> None:
    assert run_js(f"return {expression}") == (NUMBERS | DATES | WORDS)[expression]


@pytest.mark.parametrize("options", FORMATS)
def test_dates_are_written_as_elsewhere(run_js: Run, options: str) -> None:
    source = f"return new Intl.DateTimeFormat('en-US', {{ timeZone: 'UTC', ...{options} }}).format({MOMENT})"
    assert run_js(source) == FORMATS[options]


def test_texts_are_in_the_order_that_people_expect(run_js: Run) -> None:
    ordered = [
        "",
        " a",
        "_",
        "-",
        "1",
        "10",
        "2",
        "a",
        "A",
        "á",
        "Á",
        "à",
        "ab",
        "aB",
        "Áb",
        "æ",
        "b",
        "ß",
        "z",
        "Z",
        "я",
    ]
    source = "return {}.sort((a, b) => a.localeCompare(b))"
    assert run_js(source.format(sorted(ordered))) == ordered
    assert run_js(source.format(ordered[::-1])) == ordered


@pytest.mark.parametrize(
    ("a", "b", "options", "result"),
    [
        ("a", "A", "{ sensitivity: 'base' }", 0),
        ("a", "á", "{ sensitivity: 'base' }", 0),
        ("a", "á", "{ sensitivity: 'accent' }", -1),
        ("a", "A", "{ sensitivity: 'accent' }", 0),
        ("a", "A", "{ caseFirst: 'upper' }", 1),
        ("a10", "a9", "{ numeric: true }", 1),
        ("a009", "a9", "{ numeric: true }", 0),
        ("co-op", "coop", "{ ignorePunctuation: true }", 0),
        ("e\\u0301", "é", "undefined", 0),
        ("a\\0", "a", "undefined", 0),
        ("straße", "STRASSE", "{ sensitivity: 'base' }", 0),
    ],
)
def test_comparing(run_js: Run, a: str, b: str, options: str, result: int) -> None:
    both = f"'{a}'.localeCompare('{b}', 'en', {options}), new Intl.Collator('en', {options}).compare('{a}', '{b}')"
    assert run_js(f"return [{both}]") == [result, result]


def test_what_packages_ask_when_they_are_loaded(run_js: Run) -> None:
    assert run_js(
        """const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
        return [locale, typeof timeZone, Intl.NumberFormat.supportedLocalesOf(["de", "en-US", "fr"]),
                typeof Intl.Segmenter, Object.keys(Intl), `${Intl}`, Intl.Collator() instanceof Intl.Collator,
                Object.keys(Number.prototype), Intl.getCanonicalLocales(["EN-us", "zh-hant-tw"]),
                new Intl.NumberFormat("de-DE").resolvedOptions().locale];"""
    ) == ["en-US", "string", ["en-US"], "undefined", [], "[object Intl]", True, [], ["en-US", "zh-Hant-TW"], "en-US"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(1).toLocaleString('en_US')", "RangeError: Incorrect locale information provided: en_US"),
        (
            "new Intl.NumberFormat('en', { style: 'unit', unit: 'byte' })",
            'RangeError: Intl: style "unit" is not provided; there is decimal, percent, currency',
        ),
        ("new Intl.NumberFormat('en', { style: 'currency' })", "TypeError: Currency code is required"),
        (
            "new Intl.NumberFormat('en', { maximumFractionDigits: 101 })",
            "RangeError: Intl: maximumFractionDigits is out",
        ),
        (
            "new Date().toLocaleString('en', { timeZone: 'Mars/Olympus' })",
            "RangeError: Invalid time zone specified: Mars/",
        ),
        (
            "new Date().toLocaleString('en', { timeZone: '../../etc/passwd' })",
            "RangeError: Invalid time zone specified: ..",
        ),
        ("new Intl.DateTimeFormat('en', { era: 'short' })", "RangeError: Intl.DateTimeFormat: era is not provided"),
        (
            "new Intl.DateTimeFormat('en', { dateStyle: 'long', year: 'numeric' })",
            "TypeError: Intl.DateTimeFormat: dateStyle",
        ),
        ("Intl.PluralRules()", "TypeError: Intl.PluralRules needs new"),
        ("Intl.NumberFormat.prototype.formatToParts.call({})", "TypeError: this is no Intl.NumberFormat"),
        ("Number.prototype.toLocaleString.call('1')", "TypeError"),
        ("String.prototype.localeCompare.call(null, 'a')", "TypeError: String.prototype.localeCompare"),
    ],
)
def test_what_is_not_there_says_so(run_js: Run, expression: str, message: str) -> None:
    told = run_js(f"try {{ {expression}; return 'nothing'; }} catch (error) {{ return `${{error}}`; }}")
    assert told.startswith(message)
