"""Endorsement policies of single keys, as Fabric's `statebased` package makes them."""

from __future__ import annotations

from typing import Literal

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

Role = Literal["member", "peer"]


def endorsed_by(*mspids: str, role: Role = "peer") -> bytes:
    """Return the policy that every one of these organisations must endorse, a `SignaturePolicyEnvelope`.

    Raises
    ------
    ValueError
        If no organisation is given.
    """
    if not mspids:
        raise ValueError("a key's policy names at least one organisation")
    names = sorted(set(mspids))
    kind = msp_principal_pb2.MSPRole.PEER if role == "peer" else msp_principal_pb2.MSPRole.MEMBER
    rules = [policies_pb2.SignaturePolicy(signed_by=position) for position in range(len(names))]
    encoded: bytes = policies_pb2.SignaturePolicyEnvelope(
        rule=policies_pb2.SignaturePolicy(
            n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=len(names), rules=rules)
        ),
        identities=[
            msp_principal_pb2.MSPPrincipal(
                principal_classification=msp_principal_pb2.MSPPrincipal.ROLE,
                principal=msp_principal_pb2.MSPRole(msp_identifier=name, role=kind).SerializeToString(),
            )
            for name in names
        ],
    ).SerializeToString()
    return encoded
