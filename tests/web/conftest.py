from __future__ import annotations

from collections.abc import Callable

import pytest

from nano_trio.web.http1 import HeadParser
from nano_trio.web.parser_h11 import h11_parser
from nano_trio.web.parser_httptools import httptools_parser

ENGINES: dict[str, Callable[[], HeadParser]] = {"httptools": httptools_parser, "h11": h11_parser}


@pytest.fixture(params=sorted(ENGINES))
def http(request: pytest.FixtureRequest) -> str:
    """The name of an engine; a test that takes it runs with each."""
    name: str = request.param
    return name


@pytest.fixture
def parse_head(http: str) -> HeadParser:
    return ENGINES[http]()
