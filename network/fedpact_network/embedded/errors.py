"""Why the node refused a call.

Refusal                  the call was refused; the ledger is as before
  .code -> RefusalCode   stable; the gateway's handler maps it to gRPC's statuses
  .answers               what endorsing peers said
"""

from __future__ import annotations

import os
from enum import StrEnum

from fedpact.gateway.transport import ErrorDetail


class RefusalCode(StrEnum):
    """Stable reasons; a code is never renamed and never given a second meaning."""

    MALFORMED = "MALFORMED"
    UNKNOWN_CHANNEL = "UNKNOWN_CHANNEL"
    UNKNOWN_CHAINCODE = "UNKNOWN_CHAINCODE"
    NOT_DEFINED = "NOT_DEFINED"
    OTHER_CODE_AGREED = "OTHER_CODE_AGREED"
    ACCESS_DENIED = "ACCESS_DENIED"
    POLICY_UNSATISFIED = "POLICY_UNSATISFIED"
    CLOCK_OFF = "CLOCK_OFF"
    DUPLICATE = "DUPLICATE"
    TOO_LARGE = "TOO_LARGE"
    NO_ENDORSERS = "NO_ENDORSERS"
    CONTRACT_REFUSED = "CONTRACT_REFUSED"
    ENDORSERS_FAILED = "ENDORSERS_FAILED"
    NOT_DISSEMINATED = "NOT_DISSEMINATED"
    RESULTS_DIFFER = "RESULTS_DIFFER"
    CONFIG_REFUSED = "CONFIG_REFUSED"
    NOT_COMMITTED_YET = "NOT_COMMITTED_YET"
    ORDERERS_FAILED = "ORDERERS_FAILED"
    OVERLOADED = "OVERLOADED"
    STOPPED = "STOPPED"


class Refusal(Exception):  # noqa: N818 (a refusal is an answer, not a fault)
    """The node refused a call.

    Parameters
    ----------
    code : the stable reason.
    message : one line for people.
    answers : what endorsing peers said, each with its address and organisation.
    """

    def __init__(self, code: RefusalCode, message: str, answers: tuple[ErrorDetail, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.answers = answers


def check_process(process: int) -> None:
    """Refuse (STOPPED) calls in a forked child: its copy of the node has neither threads nor a database.

    Parameters
    ----------
    process : id of the process that started the node.
    """
    if os.getpid() != process:
        raise Refusal(RefusalCode.STOPPED, "this node runs in another process; use its local address")
