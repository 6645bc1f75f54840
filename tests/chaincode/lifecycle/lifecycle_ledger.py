"""Three organisations, their admins, and a ledger in memory under `_lifecycle`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages
from google.protobuf.message import Message

from fedpact.identity import CertificateAuthority, Identity
from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.lifecycle.layout import implicit_collection_name
from fedpact_chaincode.lifecycle.system_chaincode import Lifecycle

ORGANISATIONS = ("AlphaMSP", "BetaMSP", "GammaMSP")
POLICIES = {"/Channel/Application/Endorsement", "/Channel/Application/Admins"}


def person(mspid: str, ou: str = "admin") -> Identity:
    return _issued(mspid, ou)


@cache
def _issued(mspid: str, ou: str) -> Identity:
    return CertificateAuthority.create(mspid, mspid).issue(f"{ou}0", role=None, ou=ou)


@dataclass
class Stub:
    """One execution; like Fabric's stub, reads never see its own writes."""

    ledger: Ledger
    creator: bytes
    args: list[bytes]
    channel_id: str = "consortium"
    tx_id: str = "tx"
    timestamp_ns: int = 0
    transient: Mapping[str, bytes] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    private_writes: dict[str, dict[str, bytes | None]] = field(default_factory=dict)

    def get_state(self, key: str) -> bytes | None:
        return self.ledger.state.get(key)

    def put_state(self, key: str, value: bytes) -> None:
        assert key
        assert value
        self.writes[key] = value

    def delete_state(self, key: str) -> None:
        self.writes[key] = None

    def get_state_by_range(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        yield from sorted((k, v) for k, v in self.ledger.state.items() if start <= k < end)

    def get_private_data(self, collection: str, key: str) -> bytes | None:
        return self.ledger.private.get(collection, {}).get(key)

    def get_private_data_hash(self, collection: str, key: str) -> bytes | None:
        value = self.get_private_data(collection, key)
        return None if value is None else sha256(value).digest()

    def put_private_data(self, collection: str, key: str, value: bytes) -> None:
        self.private_writes.setdefault(collection, {})[key] = value

    def delete_private_data(self, collection: str, key: str) -> None:
        self.private_writes.setdefault(collection, {})[key] = None

    def get_private_data_by_range(self, collection: str, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        rows = self.ledger.private.get(collection, {})
        yield from sorted((k, v) for k, v in rows.items() if start <= k < end)


class Ledger:
    """Executes calls of `_lifecycle` and applies what they propose."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.private: dict[str, dict[str, bytes]] = {}
        self.installed = {"mycc": "1.0", "other": "2.1+sha256." + "ab" * 32}
        self.last: Stub | None = None

    def call(
        self,
        function: str,
        arguments: Message | bytes,
        *,
        by: Identity | None = None,
        acting: tuple[str, ...] | None = None,
        commit: bool = True,
    ) -> bytes:
        creator = by or person("AlphaMSP")
        content = arguments if isinstance(arguments, bytes) else arguments.SerializeToString()
        stub = self.last = Stub(self, creator.creator, [function.encode(), content])
        chaincode = Lifecycle(
            (creator.mspid,) if acting is None else acting,
            ORGANISATIONS,
            has_policy=POLICIES.__contains__,
            is_admin=[person(mspid).creator for mspid in ORGANISATIONS].__contains__,
            installed=self.installed,
        )
        response = chaincode.invoke(stub)  # type: ignore[arg-type]
        if response.status != 200:
            rejected = Rejected.from_json(response.message)
            assert rejected is not None
            assert rejected.status == response.status
            raise rejected
        if commit:
            self._apply(self.state, stub.writes)
            for collection, writes in stub.private_writes.items():
                self._apply(self.private.setdefault(collection, {}), writes)
        return response.payload

    def _apply(self, rows: dict[str, bytes], writes: Mapping[str, bytes | None]) -> None:
        for key, value in writes.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value

    def approve(self, *mspids: str, **terms: Any) -> None:
        for mspid in mspids:
            arguments = messages.ApproveChaincodeDefinitionForMyOrgArgs(**defaults(terms))
            self.call("ApproveChaincodeDefinitionForMyOrg", arguments, by=person(mspid))

    def commit(self, *mspids: str, **terms: Any) -> None:
        arguments = messages.CommitChaincodeDefinitionArgs(**defaults(terms))
        self.call("CommitChaincodeDefinition", arguments, by=person("AlphaMSP", "client"), acting=mspids)

    def approvals_of(self, mspid: str) -> dict[str, bytes]:
        return self.private.get(implicit_collection_name(mspid), {})


def defaults(terms: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "mycc", "sequence": 1, "version": "1.0", **terms}


def signed_by(*principals: tuple[str, int], needed: int = 1) -> policies_pb2.SignaturePolicyEnvelope:
    """A policy by hand: `needed` of these (mspid, role)."""
    rules = [policies_pb2.SignaturePolicy(signed_by=number) for number in range(len(principals))]
    return policies_pb2.SignaturePolicyEnvelope(
        rule=policies_pb2.SignaturePolicy(
            n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=needed, rules=rules)
        ),
        identities=[
            msp_principal_pb2.MSPPrincipal(
                principal=msp_principal_pb2.MSPRole(msp_identifier=mspid, role=role).SerializeToString()
            )
            for mspid, role in principals
        ],
    )


def collection(name: str = "secrets", **changes: Any) -> collection_pb2.CollectionConfig:
    content: dict[str, Any] = {
        "name": name,
        "member_orgs_policy": collection_pb2.CollectionPolicyConfig(
            signature_policy=signed_by(("AlphaMSP", 0), ("BetaMSP", 0))
        ),
        "required_peer_count": 0,
        "maximum_peer_count": 1,
        "block_to_live": 100,
        **changes,
    }
    return collection_pb2.CollectionConfig(
        static_collection_config=collection_pb2.StaticCollectionConfig(**content)
    )


def package(*configs: collection_pb2.CollectionConfig) -> collection_pb2.CollectionConfigPackage:
    return collection_pb2.CollectionConfigPackage(config=configs)
