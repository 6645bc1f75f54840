"""Why a node cannot be served."""

from __future__ import annotations


class ServerError(Exception):
    """A server cannot be started, found or stopped.

    Attributes
    ----------
    code : stable. `BAD_SETTINGS`: a value is out of its bounds; `PLAIN_REFUSED`: without TLS only loopback
        addresses are served; `TLS_UNUSABLE`: certificate, key or roots cannot be used; `ADDRESS_UNUSABLE`:
        the address is taken or not of this machine; `NOT_SERVED`: no server runs this ledger; `NOT_STOPPED`:
        it did not end in time.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
