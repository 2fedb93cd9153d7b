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


@pytest.mark.parametrize(
    ("unit", "texts"),
    [
        ("hour", "1 hr,2 hr,1 hour,2 hours,1h,2h"),
        ("month", "1 mth,2 mths,1 month,2 months,1m,2m"),
        ("byte", "1 byte,2 byte,1 byte,2 bytes,1B,2B"),
        ("celsius", "1°C,2°C,1 degree Celsius,2 degrees Celsius,1°C,2°C"),
        ("percent", "1%,2%,1 percent,2 percent,1%,2%"),
        ("foot", "1 ft,2 ft,1 foot,2 feet,1′,2′"),
        ("fluid-ounce", "1 fl oz,2 fl oz,1 fluid ounce,2 fluid ounces,1fl oz,2fl oz"),
        ("mile-per-hour", "1 mph,2 mph,1 mile per hour,2 miles per hour,1mph,2mph"),
        ("kilometer-per-hour", "1 km/h,2 km/h,1 kilometer per hour,2 kilometers per hour,1km/h,2km/h"),
        ("liter-per-gallon", "1 L/gal US,2 L/gal US,1 liter per gallon,2 liters per gallon,1L/gal,2L/gal"),
        ("gigabyte-per-second", "1 GB/s,2 GB/s,1 gigabyte per second,2 gigabytes per second,1GB/s,2GB/s"),
    ],
)
def test_a_unit(run_js: Run, unit: str, texts: str) -> None:
    assert (
        run_js(
            f"""return ["short", "long", "narrow"].flatMap((unitDisplay) => [1, 2].map((number) =>
              new Intl.NumberFormat("en-US", {{ style: "unit", unit: "{unit}", unitDisplay }}).format(number))).join();"""
        )
        == texts
    )


def test_units_with_other_options(run_js: Run) -> None:
    assert run_js(
        """const hours = (options) => new Intl.NumberFormat("en", { style: "unit", unit: "hour", unitDisplay: "long", ...options });
        return [hours({ minimumFractionDigits: 1 }).format(1), hours({ signDisplay: "always" }).format(1),
          hours({ notation: "compact" }).format(1000), [NaN, Infinity, -1, 0].map(hours().format).join(),
          hours().formatToParts(-1), new Intl.NumberFormat("en", { style: "unit", unit: "percent" }).formatToParts(1),
          hours().resolvedOptions().unit, hours().resolvedOptions().unitDisplay];"""
    ) == [
        *("1.0 hours", "+1 hour", "1K hours", "NaN hours,∞ hours,-1 hour,0 hours"),
        [
            {"type": "minusSign", "value": "-"},
            {"type": "integer", "value": "1"},
            {"type": "literal", "value": " "},
            {"type": "unit", "value": "hour"},
        ],
        [{"type": "integer", "value": "1"}, {"type": "percentSign", "value": "%"}],
        *("hour", "long"),
    ]


@pytest.mark.parametrize(
    ("options", "after", "before"),
    [
        ("era: 'short'", "9/9/2001 AD", "10/15/250 BC"),
        ("era: 'long', year: 'numeric', month: 'long'", "September 2001 Anno Domini", "October 250 Before Christ"),
        ("era: 'narrow', year: 'numeric'", "2001 A", "250 B"),
        ("era: 'short', month: 'short', day: 'numeric'", "Sep 9 AD", "Oct 15 BC"),
        (
            "era: 'short', year: 'numeric', month: 'long', hour: 'numeric'",
            "September 2001 AD at 1 AM",
            "October 250 BC at 7 PM",
        ),
        (
            "era: 'short', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', hour12: false",
            "9/9/2001 AD, 01:46",
            "10/15/250 BC, 19:33",
        ),
    ],
)
def test_an_era(run_js: Run, options: str, after: str, before: str) -> None:
    assert run_js(
        f"""const format = new Intl.DateTimeFormat("en-US", {{ timeZone: "UTC", {options} }});
        return [format.format({MOMENT}), format.format(-7e13), format.resolvedOptions().era !== undefined];"""
    ) == [after, before, True]


def test_what_packages_ask_when_they_are_loaded(run_js: Run) -> None:
    assert run_js(
        """const { locale, timeZone } = Intl.DateTimeFormat().resolvedOptions();
        return [locale, typeof timeZone, Intl.NumberFormat.supportedLocalesOf(["de", "en-US", "fr"]),
                typeof Intl.Segmenter, Object.keys(Intl), `${Intl}`, Intl.Collator() instanceof Intl.Collator,
                Object.keys(Number.prototype), Intl.getCanonicalLocales(["EN-us", "zh-hant-tw"]),
                new Intl.NumberFormat("de-DE").resolvedOptions().locale];"""
    ) == ["en-US", "string", ["en-US"], "function", [], "[object Intl]", True, [], ["en-US", "zh-Hant-TW"], "en-US"]


def test_what_is_resolved_is_what_there_is(run_js: Run) -> None:
    """English as in the United States is no English as in Britain: who asks for that is told of the language alone."""
    assert run_js(
        """const asked = ["en-US", "EN-us", "en-US-u-nu-latn", "en-US-posix", "en", "en-GB", "en-u-ca-gregory", "eng", "de",
                           ["de", "en-GB", "en-US"], ["zz", "en-US"], [], undefined];
        const of = (name) => asked.map((locales) => new Intl[name](locales).resolvedOptions().locale).join();
        const names = ["Collator", "DateTimeFormat", "ListFormat", "NumberFormat", "PluralRules", "RelativeTimeFormat"];
        return [...new Set(names.map(of))].concat(Intl.NumberFormat.supportedLocalesOf(["en-GB", "de", "en", "en-US", "eng"]));"""
    ) == [",".join([*["en-US"] * 4, *["en"] * 3, *["en-US"] * 2, "en", *["en-US"] * 3]), "en-GB", "en", "en-US"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("(1).toLocaleString('en_US')", "RangeError: Incorrect locale information provided: en_US"),
        ("new Intl.NumberFormat('en', { style: 'unit' })", "TypeError: Unit is required with unit style."),
        ("new Intl.NumberFormat('en', { unit: 'hours' })", "RangeError: Invalid unit argument"),
        ("new Intl.NumberFormat('en', { unit: 'hour-per-hours' })", "RangeError: Invalid unit argument"),
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
        ("new Intl.DateTimeFormat('en', { era: 'short', month: 'long' })", "RangeError: Intl.DateTimeFormat: era is "),
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
