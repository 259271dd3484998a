"""What a user can do about each way in which Redis refuses."""

from redis import exceptions

_RIGHTS = "The user needs `~coterie:* +@read +@write +@scripting +@connection` (ACL SETUSER)."
_BY_KIND: tuple[tuple[type[Exception], str], ...] = (
    (
        exceptions.AuthenticationError,
        "Check the user and the password in `store` (redis://USER:PASSWORD@HOST:PORT/DB,"
        " percent-encoded).",
    ),
    (exceptions.NoPermissionError, _RIGHTS),
    (
        exceptions.ReadOnlyError,
        "It is a replica: name the primary in `store`, or all servers (redis://HOST,HOST/DB), or"
        " promote it (REPLICAOF NO ONE).",
    ),
    (
        exceptions.OutOfMemoryError,
        "Raise its `maxmemory`, or delete files that nobody needs any more.",
    ),
    (exceptions.BusyLoadingError, "It reads its data; it will answer when it has."),
)
_BY_WORDS = (
    ("The user executing the script can't", _RIGHTS),
    (
        "DB index is out of range",
        "Name a database that it has in `store` (redis://HOST:PORT/DB; usually 0 to 15).",
    ),
    ("MISCONF", "It cannot write to its disk: make room there; its log says more."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "Name the CA that signed its certificate (rediss://HOST/DB?ssl_ca_certs=FILE), and the"
        " host as the certificate does.",
    ),
    (
        "Timeout connecting",
        "Nobody answers there in time: check host and port, and whether it has TLS (rediss://) or"
        " none (redis://).",
    ),
)


def hint_for(error: Exception) -> str:
    """What to do; nothing where Redis is just not there."""
    for kind, hint in _BY_KIND:
        if isinstance(error, kind):
            return hint
    words = str(error)
    return next((hint for mark, hint in _BY_WORDS if mark in words), "")
