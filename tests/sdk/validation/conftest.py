"""A channel without a node: its configuration, people who have signed, rows in memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from fabric_protos.peer import collection_pb2
from fabric_protos.peer.lifecycle import chaincode_definition_pb2, db_pb2

from fedpact.identity import CertificateAuthority
from fedpact.validation import ChannelRules, Examined, ValidatedBlock, validate_block
from fedpact.wire.bundle import Bundle
from fedpact.wire.chaincode_terms import ChaincodeTerms
from fedpact.wire.commits import ValidationCode
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact.wire.definitions import LIFECYCLE
from fedpact.wire.envelopes import ParsedTransaction, Response
from fedpact.wire.headers import Headers
from fedpact.wire.policies import parse
from fedpact.wire.rwsets import VALIDATION_PARAMETER, NamespaceRwset, Row, Version, encode_metadata
from fedpact_chaincode.lifecycle.layout import DEFINITION, NAMESPACES, encode_field, field_key, metadata_key

MSPIDS = ("Org1MSP", "Org2MSP", "Org3MSP")


class Rows(dict):
    """Committed rows by (namespace, key)."""

    def get(self, namespace, key):
        return dict.get(self, (namespace, key))

    def scan(self, namespace, start, end):
        found = sorted(key for space, key in self if space == namespace)
        return ((k, self[namespace, k]) for k in found if start <= k and (not end or k < end))


def parameter(policy: str) -> tuple[tuple[str, bytes], ...]:
    """A key's metadata with a policy of its own."""
    return ((VALIDATION_PARAMETER, parse(policy).SerializeToString()),)


def row(value: bytes, policy: str = "") -> Row:
    return Row(value, Version(1, 0), encode_metadata(parameter(policy)) if policy else b"")


def definition_rows(terms: ChaincodeTerms) -> dict[str, bytes]:
    """What `_lifecycle` writes when a definition is committed."""
    fields = terms.as_fields()
    endorsing = chaincode_definition_pb2.ChaincodeEndorsementInfo(version=terms.version)
    validating = chaincode_definition_pb2.ChaincodeValidationInfo(
        validation_parameter=fields["validation_parameter"]
    )
    collections = fields["collections"] or collection_pb2.CollectionConfigPackage()
    contents = {
        "Sequence": terms.sequence,
        "EndorsementInfo": endorsing.SerializeToString(),
        "ValidationInfo": validating.SerializeToString(),
        "Collections": collections.SerializeToString(),
    }
    metadata = db_pb2.StateMetadata(datatype=DEFINITION.datatype, fields=sorted(contents))
    rows = {metadata_key(NAMESPACES, terms.name): metadata.SerializeToString()}
    for name, value in contents.items():
        rows[field_key(NAMESPACES, terms.name, name)] = encode_field(value)
    return rows


class Channel:
    """Judges blocks one after another and keeps the state."""

    def __init__(self) -> None:
        self.authorities = {mspid: CertificateAuthority.create(mspid, mspid) for mspid in MSPIDS}
        organisations = tuple(
            Organisation(mspid, (authority.certificate_pem,)) for mspid, authority in self.authorities.items()
        )
        genesis = ChannelConfig("channel", organisations).to_genesis_block()
        self.bundle = Bundle.from_block(genesis)
        membership = self.bundle.membership()
        self.peers = {
            mspid: membership.identify(authority.issue("peer0", role=None, ou="peer").creator)
            for mspid, authority in self.authorities.items()
        }
        self._genesis = genesis
        self.reset()

    def reset(self) -> None:
        self.rules = ChannelRules(self.bundle)
        self.rows = Rows()
        self.height = 1
        self.known: set[str] = set()
        self._numbers = itertools.count()
        self._due: list = []

    def define(self, terms: ChaincodeTerms) -> None:
        """Put a definition into the state, as `_lifecycle` would."""
        for key, value in definition_rows(terms).items():
            self.rows[LIFECYCLE, key] = row(value)
        self.rules.forget_definitions()

    def transaction(
        self, *rwsets: NamespaceRwset, by: Iterable[str] = MSPIDS, version: str = "1", tx_id: str = ""
    ):
        """A transaction that these organisations' peers have endorsed, examined."""
        tx_id = tx_id or f"tx{next(self._numbers)}"
        called = rwsets[0].namespace if rwsets else "kv"
        headers = Headers(b"", b"", "channel", tx_id, called, 5, b"creator", b"nonce")
        response = Response(200)
        parsed = ParsedTransaction(headers, b"", b"", (), True, b"", (), rwsets, response, None, version)
        members = tuple(self.peers[organisation] for organisation in by)
        return parsed, Examined(ValidationCode.VALID, tx_id, members)

    def block(self, *envelopes) -> ValidatedBlock:
        """Judge a block and apply it."""
        due = [expiry for expiry in self._due if expiry.block <= self.height]
        validated = validate_block(self.height, envelopes, self.rules, self.rows, known=self.known, due=due)
        for place, changed in validated.state.rows():
            if changed is None:
                self.rows.pop(place, None)
            else:
                self.rows[place] = changed
        self._due += validated.state.expiries
        self.known.update(tx_id for tx_id, _ in validated.owners)
        self.height += 1
        self.rules = validated.successor(self.rules)
        return validated

    def judge(self, *rwsets: NamespaceRwset, **how) -> ValidationCode:
        """Judge a transaction alone in its block."""
        return self.block(self.transaction(*rwsets, **how)).codes[0]


@pytest.fixture(scope="session")
def one_channel() -> Channel:
    return Channel()


@pytest.fixture
def channel(one_channel: Channel) -> Channel:
    one_channel.reset()
    return one_channel
