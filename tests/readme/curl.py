"""As much of curl as README.md uses, for machines without it."""

from __future__ import annotations

import argparse
import socket
import ssl
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("-N", action="store_true")
    parser.add_argument("-sS", action="store_true")
    parser.add_argument("--cacert")
    parser.add_argument("--max-time", type=float, default=20)
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    headers = dict(header.split(": ", 1) for header in arguments.headers)
    method = arguments.method or ("GET" if arguments.data is None else "POST")
    connection = HTTPConnection("127.0.0.1", url.port, timeout=arguments.max_time)  # every name here is this machine
    if url.scheme == "https":
        plain = socket.create_connection(("127.0.0.1", url.port), arguments.max_time)
        trusting = ssl.create_default_context(cafile=arguments.cacert)
        connection.sock = trusting.wrap_socket(plain, server_hostname=url.hostname)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection.request(method, target, arguments.data, {"Host": url.netloc, **headers})
    sys.stdout.buffer.write(connection.getresponse().read())


if __name__ == "__main__":
    main()
