"""Endorsements of peers that this node does not play: what they are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fedpact.wire.envelopes import Endorsement
from fedpact.wire.policies import Policy
from fedpact_network.embedded.errors import Refusal, RefusalCode


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """What other nodes are asked to endorse.

    Attributes
    ----------
    proposal_bytes, signature : the proposal as its creator signed it.
    organisations : whose endorsements are missing.
    policies : what all endorsements together must satisfy; empty where the client named the organisations.
    signed : organisations that endorse here.
    prp : the serialised `ProposalResponsePayload` that came of the execution here.
    """

    proposal_bytes: bytes
    signature: bytes
    organisations: tuple[str, ...]
    policies: tuple[Policy, ...]
    signed: tuple[str, ...]
    prp: bytes


class RemoteAnswer(NamedTuple):
    """What a peer elsewhere has signed."""

    prp: bytes
    endorsement: Endorsement


RemoteEndorsers = Callable[[RemoteCall], Sequence[RemoteAnswer]]
"""Asks peers elsewhere; raises `Refusal` (NO_ENDORSERS, CONTRACT_REFUSED) where they do not all endorse."""


def ask(remote: RemoteEndorsers | None, call: RemoteCall) -> list[Endorsement]:
    """Return the endorsements that are missing here.

    Raises
    ------
    Refusal
        NO_ENDORSERS; RESULTS_DIFFER, where an execution elsewhere came to another result.
    """
    if remote is None:
        text = f"this node has no peers of {', '.join(call.organisations)[:200]}"
        raise Refusal(RefusalCode.NO_ENDORSERS, text)
    answers = remote(call)
    if any(answer.prp != call.prp for answer in answers):
        raise Refusal(RefusalCode.RESULTS_DIFFER, "ProposalResponsePayloads do not match")
    return [answer.endorsement for answer in answers]
