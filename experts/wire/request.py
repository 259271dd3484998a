"""The bytes of a request: what all requests to one place have in common, and what each adds."""

import base64
import re
from collections.abc import Mapping

import httpx

from experts.wire.names import Origin

AGENT = {"user-agent": "coterie", "accept": "*/*"}
"""Some servers refuse who does not say what it is."""
_PORTS = {"http": 80, "https": 443}
_NOT_IN_A_FIELD = re.compile(r"[\0\r\n]")


class RequestHead:
    """What every POST to one URL begins with."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """`headers` are those of all requests. Raises ValueError, httpx.InvalidURL."""
        place = httpx.URL(url)
        port = place.port or _PORTS[place.scheme]
        self.origin = Origin(place.scheme == "https", place.raw_host.decode("ascii"), port)
        fields = {"host": place.netloc.decode("ascii"), **AGENT, **headers}
        if place.userinfo and "authorization" not in fields:
            told = f"{place.username}:{place.password}".encode()
            fields["authorization"] = "Basic " + base64.b64encode(told).decode("ascii")
        self._bytes = b"POST " + place.raw_path + b" HTTP/1.1\r\n" + _written(fields)

    def with_body(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """A whole request. Raises ValueError for a header that would end before its value does."""
        own = _written(headers)
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (self._bytes, own, len(body), body)


def _written(headers: Mapping[str, str]) -> bytes:
    block = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not len(headers) == block.count("\n") == block.count("\r") or "\0" in block:
        odd = next(name for name, value in headers.items() if _NOT_IN_A_FIELD.search(value))
        raise ValueError(f"a line ends in the header {odd}")
    return block.encode()
