"""Updates on their way between administrators: files, gathered signatures, and what signers are shown."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from hypothesis import given
from hypothesis import strategies as st

from fedpact.identity import CertificateAuthority
from fedpact.wire.batch import BatchRules
from fedpact.wire.bundle import Bundle
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact.wire.config_changes import (
    add_organisation,
    desired,
    publish_revocation_list,
    published_list,
    remove_organisation,
    set_anchor_peers,
    set_batch_rules,
    set_policy,
)
from fedpact.wire.config_review import review
from fedpact.wire.config_update import ConfigUpdateError, compute_update, sign_update, update_envelope
from fedpact.wire.config_update_files import UpdateFile, merged, read_update_file, write_update_file

MSPIDS = ("Org1MSP", "Org2MSP", "Org3MSP")
AUTHORITIES = {mspid: CertificateAuthority.create(mspid, mspid) for mspid in (*MSPIDS, "Org4MSP")}
ADMINS = {mspid: ca.issue("admin", role="admin", ou="admin") for mspid, ca in AUTHORITIES.items()}
FIRST = Bundle.from_block(
    ChannelConfig(
        "consortium",
        tuple(Organisation(mspid, (AUTHORITIES[mspid].certificate_pem,)) for mspid in MSPIDS),
    ).to_genesis_block()
)


def update_of(*changes, bundle=FIRST):
    group = desired(bundle)
    for change in changes:
        change(group)
    return compute_update(bundle, group)


def rules(**numbers):
    return lambda group: set_batch_rules(group, replace(BatchRules(), **numbers))


def signature(update, mspid):
    return sign_update(update, ADMINS[mspid]).SerializeToString()


def reviewed(update, *mspids, bundle=FIRST):
    return review(bundle, update, [sign_update(update, ADMINS[mspid]) for mspid in mspids], time.time())


def test_a_file_is_read_as_it_was_written():
    update = update_of(rules(timeout_ms=50))
    content = UpdateFile(update, (signature(update, "Org1MSP"), signature(update, "Org2MSP")))
    assert read_update_file(write_update_file(content)) == content
    assert read_update_file(write_update_file(UpdateFile(update))) == UpdateFile(update)


def test_a_file_is_what_fabrics_tools_make():
    """`configtxlator` and `peer channel signconfigtx` use this envelope: no creator, no signature."""
    update = update_of(rules(timeout_ms=50))
    envelope = common_pb2.Envelope.FromString(write_update_file(UpdateFile(update)))
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    assert (header.type, header.channel_id) == (common_pb2.CONFIG_UPDATE, "consortium")
    assert configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data).config_update == update
    assert not envelope.signature
    submitted = update_envelope(update, [sign_update(update, ADMINS["Org1MSP"])], ADMINS["Org2MSP"])
    assert len(read_update_file(submitted).signatures) == 1  # what was submitted can be read again


def test_signatures_of_copies_are_gathered_once():
    update = update_of(rules(timeout_ms=50))
    one, two = signature(update, "Org1MSP"), signature(update, "Org2MSP")
    assert merged([UpdateFile(update, (one,)), UpdateFile(update, (one, two))]).signatures == (one, two)
    with pytest.raises(ConfigUpdateError, match="one and the same"):
        merged([UpdateFile(update), UpdateFile(update_of(rules(timeout_ms=51)))])
    with pytest.raises(ConfigUpdateError):
        merged([])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_refused(data):
    with suppress(ConfigUpdateError):
        read_update_file(data)


@given(st.data())
def test_a_damaged_file_is_shown_or_refused(data):
    content = bytearray(write_update_file(UpdateFile(update_of(rules(timeout_ms=50)))))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(ConfigUpdateError):
        found = read_update_file(bytes(content))
        review(FIRST, found.update, (), time.time())


def test_signers_see_what_they_sign():
    fourth = Organisation("Org4MSP", (AUTHORITIES["Org4MSP"].certificate_pem,))
    update = update_of(
        lambda group: add_organisation(group, fourth, orders=False),
        lambda group: remove_organisation(group, "Org3MSP"),
        lambda group: set_policy(group, "/Channel/Application/Endorsement", "ANY Endorsement"),
        rules(max_messages=3),
    )
    shown = {change.path: change for change in reviewed(update).changes}
    assert shown["/Channel/Application/Org3MSP"].change == "removed"
    assert shown["/Channel/Orderer/Org3MSP"].change == "removed"
    assert shown["/Channel/Application"].change == "changed"
    assert shown["/Channel/Application/Endorsement"].content == "ANY Endorsement"
    assert shown["/Channel/Application/Org4MSP/MSP"].content.startswith("Org4MSP: roots 1")
    assert shown["/Channel/Application/Org4MSP/Admins"].content == "OR('Org4MSP.admin')"
    assert "max_message_count: 3" in shown["/Channel/Orderer/BatchSize"].content
    assert {change.policy for change in shown.values()} == {
        "",
        "/Channel/Application/Admins",
        "/Channel/Orderer/Admins",
    }


def test_whether_signatures_suffice():
    update = update_of(rules(timeout_ms=50))
    assert not reviewed(update).ready
    assert not reviewed(update, "Org1MSP", "Org1MSP").ready
    assert not reviewed(update, "Org1MSP", "Org4MSP").ready  # no member
    assert reviewed(update, "Org1MSP", "Org3MSP").ready
    assert reviewed(update, "Org1MSP", "Org3MSP", "Org4MSP").signers == ("Org1MSP/admin", "Org3MSP/admin")
    anchors = update_of(lambda group: set_anchor_peers(group, "Org2MSP", ["p.example.org:7051"]))
    assert not reviewed(anchors, "Org1MSP", "Org3MSP").ready
    assert reviewed(anchors, "Org2MSP").ready


def test_other_channels_and_earlier_configurations_are_told():
    other = Bundle.from_config("other", FIRST.config, 0)
    with pytest.raises(ConfigUpdateError, match="WRONG_CHANNEL"):
        reviewed(update_of(rules(timeout_ms=50), bundle=other))
    update = update_of(rules(timeout_ms=50))
    config = FIRST.updated(
        update_envelope(update, [sign_update(update, ADMINS[who]) for who in MSPIDS], ADMINS["Org1MSP"])
    )
    second = Bundle.from_config("consortium", config, 7)
    with pytest.raises(ConfigUpdateError, match="STALE"):
        reviewed(update, bundle=second)


def test_the_list_that_an_authority_has_published():
    group, authority = desired(FIRST), AUTHORITIES["Org2MSP"]
    assert published_list(group, "Org2MSP", authority.certificate) is None
    revocations = authority.revoke([5])
    publish_revocation_list(group, "Org2MSP", revocations)
    assert published_list(group, "Org2MSP", authority.certificate) == revocations
    assert published_list(group, "Org2MSP", AUTHORITIES["Org1MSP"].certificate) is None
