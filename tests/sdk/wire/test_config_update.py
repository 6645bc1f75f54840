from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from fedpact.identity import CertificateAuthority, Identity, IdentityError
from fedpact.wire.batch import BatchRules
from fedpact.wire.bundle import Bundle
from fedpact.wire.config import ChannelConfig, Organisation
from fedpact.wire.config_changes import (
    add_organisation,
    desired,
    publish_revocation_list,
    remove_organisation,
    replace_roots,
    set_batch_rules,
    set_policy,
)
from fedpact.wire.config_delta import compute_sets, elements, overlaid
from fedpact.wire.config_update import (
    ConfigUpdateError,
    compute_update,
    config_envelope,
    next_bundle,
    sign_update,
    update_envelope,
    updated,
)
from fedpact.wire.errors import ConfigError
from fedpact.wire.policies import PolicyError

MSPIDS = ("Org1MSP", "Org2MSP", "Org3MSP")
AUTHORITIES = {mspid: CertificateAuthority.create(mspid, mspid) for mspid in (*MSPIDS, "Org4MSP")}
ADMINS = {mspid: ca.issue("admin", role="admin", ou="admin") for mspid, ca in AUTHORITIES.items()}
ORDERER = AUTHORITIES["Org1MSP"].issue("orderer0", role=None, ou="orderer")
FOURTH = Organisation("Org4MSP", (AUTHORITIES["Org4MSP"].certificate_pem,))
FIRST = Bundle.from_block(
    ChannelConfig(
        "consortium",
        tuple(Organisation(mspid, (AUTHORITIES[mspid].certificate_pem,)) for mspid in MSPIDS),
    ).to_genesis_block()
)

Group: TypeAlias = configtx_pb2.ConfigGroup


def signed(update: bytes, who: Sequence[str] = MSPIDS, **options: int) -> bytes:
    signatures = [sign_update(update, ADMINS[mspid]) for mspid in who]
    return update_envelope(update, signatures, ADMINS["Org1MSP"], **options)


def proposed(bundle: Bundle, *changes: Callable[[Group], object], who: Sequence[str] = MSPIDS) -> bytes:
    group = desired(bundle)
    for change in changes:
        change(group)
    return signed(compute_update(bundle, group), who)


def after(bundle: Bundle, *changes: Callable[[Group], object], who: Sequence[str] = MSPIDS) -> Bundle:
    """Propose, order and validate."""
    envelope = proposed(bundle, *changes, who=who)
    ordered = config_envelope(bundle.updated(envelope), envelope, ORDERER)
    return next_bundle(bundle, ordered, bundle.block_number + 7)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigUpdateError) as caught:
        call()
    return caught.value.code


def own_readers(group: Group) -> None:
    set_policy(group, "/Channel/Application/Org2MSP/Readers", "OR('Org2MSP.peer')")


def newcomer(group: Group) -> None:
    add_organisation(group, FOURTH)


def slower(group: Group) -> None:
    set_batch_rules(group, BatchRules(timeout_ms=77))


def looser(group: Group) -> None:
    set_policy(group, "/Channel/Application/Endorsement", "ANY Endorsement")


def test_an_organisation_joins_and_leaves() -> None:
    second = after(FIRST, newcomer)
    assert (second.sequence, second.block_number) == (1, 7)
    assert second.mspids == (*MSPIDS, "Org4MSP")
    assert second.endorsement_policy.needed == 3
    peer = AUTHORITIES["Org4MSP"].issue("peer0", role=None, ou="peer")
    assert "peer" in second.membership().identify(peer.creator).roles
    third = after(second, lambda group: remove_organisation(group, "Org4MSP"))
    assert (third.sequence, third.mspids) == (2, MSPIDS)
    with pytest.raises(IdentityError, match="UNKNOWN_MSP"):
        third.membership().identify(peer.creator)


def test_usual_changes() -> None:
    second = after(FIRST, slower, looser)
    assert (second.batch, second.endorsement_policy.text) == (BatchRules(timeout_ms=77), "ANY Endorsement")
    assert second.mspids == FIRST.mspids


def test_a_revoked_certificate_is_refused_from_then_on() -> None:
    authority = AUTHORITIES["Org2MSP"]
    alice, bob = authority.issue("Alice", role="member"), authority.issue("Bob", role="member")
    first_list = authority.revoke([alice.certificate.serial_number])
    # an administrator of the organisation is enough for what is its own
    second = after(FIRST, lambda g: publish_revocation_list(g, "Org2MSP", first_list), who=["Org2MSP"])
    with pytest.raises(IdentityError, match="REVOKED"):
        second.membership().identify(alice.creator)
    assert second.membership().identify(bob.creator).name == "Bob"
    both = authority.revoke([bob.certificate.serial_number], previous=first_list)
    third = after(second, lambda g: publish_revocation_list(g, "Org2MSP", both), who=["Org2MSP"])
    assert [len(known.revocation_lists) for known in third.organisations] == [0, 1, 0]
    for revoked in (alice, bob):
        with pytest.raises(IdentityError, match="REVOKED"):
            third.membership().identify(revoked.creator)


def test_a_root_is_renewed_without_a_gap() -> None:
    old = AUTHORITIES["Org3MSP"].issue("Old", role=None)
    renewed = CertificateAuthority.create("Org3MSP", "Org3MSP")
    roots = [AUTHORITIES["Org3MSP"].certificate_pem, renewed.certificate_pem]
    second = after(FIRST, lambda g: replace_roots(g, "Org3MSP", roots), who=["Org3MSP"])
    assert second.membership().identify(old.creator).name == "Old"
    assert second.membership().identify(renewed.issue("New", role=None).creator).name == "New"
    third = after(second, lambda g: replace_roots(g, "Org3MSP", roots[1:]), who=["Org3MSP"])
    with pytest.raises(IdentityError, match="FOREIGN_CA"):
        third.membership().identify(old.creator)


@pytest.mark.parametrize(
    ("change", "who", "enough"),
    [
        (slower, ("Org1MSP", "Org2MSP"), True),
        (slower, ("Org1MSP",), False),
        (slower, ("Org1MSP", "Org1MSP"), False),
        (slower, ("Org1MSP", "Org4MSP"), False),
        (slower, (), False),
        (newcomer, ("Org2MSP", "Org3MSP"), True),
        (newcomer, ("Org3MSP",), False),
        (own_readers, ("Org2MSP",), True),
        (own_readers, ("Org1MSP", "Org3MSP"), False),
        (lambda g: set_policy(g, "/Channel/Admins", "ANY Admins"), ("Org1MSP", "Org3MSP"), True),
        (lambda g: set_policy(g, "/Channel/Admins", "ANY Admins"), ("Org1MSP",), False),
    ],
)
def test_who_may_change_what(change: Callable[[Group], object], who: Sequence[str], *, enough: bool) -> None:
    envelope = proposed(FIRST, change, who=who)
    if enough:
        assert updated(FIRST, envelope).sequence == 1
    else:
        assert code_of(lambda: updated(FIRST, envelope)) == "NOT_AUTHORISED"


def test_signatures_that_count_for_nothing() -> None:
    group = desired(FIRST)
    slower(group)
    update = compute_update(FIRST, group)
    other = compute_update(FIRST, after(FIRST, looser).config.channel_group)
    good = sign_update(update, ADMINS["Org1MSP"])
    client = AUTHORITIES["Org2MSP"].issue("client", role="admin", ou="client")
    broken = configtx_pb2.ConfigSignature(signature_header=good.signature_header, signature=b"x")
    for bad in (sign_update(other, ADMINS["Org2MSP"]), sign_update(update, client), broken):
        envelope = update_envelope(update, [good, bad], ADMINS["Org1MSP"])
        assert code_of(lambda envelope=envelope: updated(FIRST, envelope)) == "NOT_AUTHORISED"
    # a broken signature does not keep the same administrator's good one from counting
    pair = [broken, good, sign_update(update, ADMINS["Org2MSP"])]
    assert updated(FIRST, update_envelope(update, pair, ADMINS["Org1MSP"])).sequence == 1
    flood = update_envelope(update, [good] * 513, ADMINS["Org1MSP"])
    assert code_of(lambda: updated(FIRST, flood)) == "TOO_LARGE"


def test_who_submits_may_write_to_the_channel() -> None:
    group = desired(FIRST)
    slower(group)
    update = compute_update(FIRST, group)
    signatures = [sign_update(update, ADMINS[mspid]) for mspid in MSPIDS]

    def submitted(by: Identity) -> bytes:
        return update_envelope(update, signatures, by)

    peer = AUTHORITIES["Org1MSP"].issue("peer0", role=None, ou="peer")
    assert code_of(lambda: updated(FIRST, submitted(peer))) == "NOT_AUTHORISED"
    assert code_of(lambda: updated(FIRST, submitted(ADMINS["Org4MSP"]))) == "BAD_SIGNATURE"
    forged = common_pb2.Envelope.FromString(submitted(ADMINS["Org1MSP"]))
    forged.signature = b"x"
    assert code_of(lambda: updated(FIRST, forged.SerializeToString())) == "BAD_SIGNATURE"


def test_certificates_are_valid_at_the_time_of_the_update() -> None:
    group = desired(FIRST)
    slower(group)
    late = time.time_ns() + 20 * 365 * 86_400 * 10**9
    envelope = signed(compute_update(FIRST, group), timestamp_ns=late)
    assert code_of(lambda: updated(FIRST, envelope)) == "BAD_SIGNATURE"


def test_an_update_is_applied_once() -> None:
    envelope = proposed(FIRST, slower)
    second = after(FIRST, slower)
    assert code_of(lambda: updated(second, envelope)) == "BAD_VERSION"
    ordered = config_envelope(updated(FIRST, envelope), envelope, ORDERER)
    assert code_of(lambda: next_bundle(second, ordered, 9)) == "BAD_SEQUENCE"


def test_of_two_updates_to_one_thing_the_second_is_stale() -> None:
    faster = proposed(FIRST, lambda g: set_batch_rules(g, BatchRules(timeout_ms=1)))
    assert code_of(lambda: updated(after(FIRST, slower), faster)) in {"STALE", "BAD_VERSION"}
    # another part is another matter
    assert updated(after(FIRST, slower), proposed(FIRST, looser)).sequence == 2


def test_no_change() -> None:
    assert code_of(lambda: compute_update(FIRST, desired(FIRST))) == "NO_CHANGE"
    empty = configtx_pb2.ConfigUpdate(channel_id="consortium").SerializeToString()
    assert code_of(lambda: updated(FIRST, signed(empty))) == "NO_CHANGE"


def altered(change: Callable[[configtx_pb2.ConfigUpdate], object]) -> bytes:
    group = desired(FIRST)
    newcomer(group)
    update = configtx_pb2.ConfigUpdate.FromString(compute_update(FIRST, group))
    change(update)
    return signed(update.SerializeToString())


def unlisted(update: configtx_pb2.ConfigUpdate) -> None:
    """Write an element that no group of the result mentions."""
    update.write_set.CopyFrom(update.read_set)
    update.write_set.groups["Application"].groups["Other"].mod_policy = "Admins"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda u: setattr(u, "channel_id", "other"), "WRONG_CHANNEL"),
        (lambda u: setattr(u.read_set.groups["Application"], "version", 3), "STALE"),
        (lambda u: setattr(u.read_set.groups["Application"].groups["Nobody"], "version", 0), "STALE"),
        (lambda u: setattr(u.write_set.groups["Application"], "version", 2), "BAD_VERSION"),
        (lambda u: setattr(u.write_set.groups["Application"].groups["Org4MSP"], "version", 1), "BAD_VERSION"),
        (lambda u: setattr(u.write_set.groups["Application"], "mod_policy", ""), "BAD_MOD_POLICY"),
        (lambda u: setattr(u.write_set.groups["Application"], "mod_policy", "a//b"), "BAD_MOD_POLICY"),
        (lambda u: u.write_set.groups["Application"].groups["a b"].values.clear(), "MALFORMED"),
        (lambda u: u.write_set.groups["Application"].groups["Org4MSP"].values.pop("MSP"), "BAD_CONFIG"),
        (unlisted, "NO_CHANGE"),
    ],
)
def test_altered_updates(change: Callable[[configtx_pb2.ConfigUpdate], object], code: str) -> None:
    assert code_of(lambda: updated(FIRST, altered(change))) == code


def test_an_organisation_keeps_its_identifier() -> None:
    def renamed(group: Group) -> None:
        remove_organisation(group, "Org3MSP")
        add_organisation(group, replace(FOURTH, name="Org3MSP"))

    assert code_of(lambda: updated(FIRST, proposed(FIRST, renamed))) == "BAD_CONFIG"


def test_what_the_orderer_puts_beside_the_update_is_checked() -> None:
    envelope = proposed(FIRST, slower)
    config = updated(FIRST, envelope)
    good = config_envelope(config, envelope, ORDERER)
    assert next_bundle(FIRST, good, 3).batch.timeout_ms == 77
    other = updated(FIRST, proposed(FIRST, looser))
    assert code_of(lambda: next_bundle(FIRST, config_envelope(other, envelope, ORDERER), 3)) == "BAD_RESULT"
    skipped = configtx_pb2.Config(sequence=2, channel_group=config.channel_group)
    assert (
        code_of(lambda: next_bundle(FIRST, config_envelope(skipped, envelope, ORDERER), 3)) == "BAD_SEQUENCE"
    )
    stranger = config_envelope(config, envelope, ADMINS["Org4MSP"])
    assert code_of(lambda: next_bundle(FIRST, stranger, 3)) == "BAD_SIGNATURE"
    assert code_of(lambda: next_bundle(FIRST, envelope, 3)) == "MALFORMED"
    few = proposed(FIRST, slower, who=["Org2MSP"])
    assert code_of(lambda: next_bundle(FIRST, config_envelope(config, few, ORDERER), 3)) == "NOT_AUTHORISED"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    assert code_of(lambda: updated(FIRST, data)) == "MALFORMED"
    assert code_of(lambda: next_bundle(FIRST, data, 1)) == "MALFORMED"


def test_large_bytes_are_not_read() -> None:
    assert code_of(lambda: updated(FIRST, bytes(17 * 2**20))) == "TOO_LARGE"


def test_fabric_itself_decides_the_same() -> None:
    golden = json.loads((Path(__file__).parent / "fabric" / "config_updates.json").read_text())
    bundle = Bundle.from_block(common_pb2.Block.FromString(base64.b64decode(golden["genesis"])))
    assert {known["fabric"] for known in golden["updates"]} == {"OK", "REFUSED", "BADCONFIG"}
    for known in golden["updates"]:
        envelope = base64.b64decode(known["envelope"])
        if known["fabric"] == "OK":
            content = updated(bundle, envelope).SerializeToString(deterministic=True)
            assert hashlib.sha256(content).hexdigest() == known["config"]
        else:
            code = code_of(lambda data=envelope: updated(bundle, data))
            assert code == known["code"]
            assert (code == "BAD_CONFIG") is (known["fabric"] == "BADCONFIG")


def test_changes_that_cannot_be_made() -> None:
    group = desired(FIRST)
    for change in (
        lambda: add_organisation(group, FIRST.organisations[0]),
        lambda: remove_organisation(group, "Org9MSP"),
        lambda: set_policy(group, "/Channel/Dreams/Admins", "ANY Admins"),
        lambda: replace_roots(group, "Org9MSP", FOURTH.root_certificates),
    ):
        with pytest.raises(ConfigError):
            change()
    with pytest.raises(PolicyError):
        set_policy(group, "/Channel/Admins", "SOME Admins")
    foreign = AUTHORITIES["Org1MSP"].revoke([1])
    with pytest.raises(IdentityError, match="BAD_REVOCATION_LIST"):
        publish_revocation_list(group, "Org2MSP", foreign)
    assert group == FIRST.config.channel_group


NAMES = st.sampled_from(["Application", "Orderer", "Org1MSP", "Org4MSP", "Readers", "MSP", "Capabilities"])


@st.composite
def any_change(draw: st.DrawFn) -> Callable[[Group], object]:
    """Add, remove or alter something anywhere in the tree."""
    path = draw(st.lists(NAMES, max_size=2))
    kind, name = draw(st.sampled_from(["groups", "values", "policies"])), draw(NAMES)
    action, text = draw(st.sampled_from(["remove", "put", "mod_policy"])), draw(st.sampled_from(["A", "B"]))

    def change(group: Group) -> None:
        for part in path:
            if part not in group.groups:
                return
            group = group.groups[part]
        parts = getattr(group, kind)
        if action == "remove":
            parts.pop(name, None)
        elif action == "mod_policy" or kind == "groups":
            parts[name].mod_policy = text
        elif kind == "values":
            parts[name].value = text.encode()
            parts[name].mod_policy = "Admins"
        else:
            parts[name].policy.value = text.encode()
            parts[name].mod_policy = "Admins"

    return change


def without_versions(group: Group) -> Group:
    copy = Group()
    copy.CopyFrom(group)
    copy.version = 0
    for part in (*copy.values.values(), *copy.policies.values()):
        part.version = 0
    for name in copy.groups:
        copy.groups[name].CopyFrom(without_versions(copy.groups[name]))
    return copy


@given(st.lists(any_change(), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_computed_update_leads_to_what_is_desired(changes: list[Callable[[Group], object]]) -> None:
    group = desired(FIRST)
    for change in changes:
        change(group)
    sets = compute_sets(FIRST.config.channel_group, group)
    if sets is None:
        assert without_versions(group) == without_versions(FIRST.config.channel_group)
        return
    before, read, written = map(elements, (FIRST.config.channel_group, *sets))
    delta = {
        key: part
        for key, part in written.items()
        if key not in read or read[key].content.version != part.content.version
    }
    result = overlaid(before, delta)
    assert without_versions(result) == without_versions(filled(group))
    for key, part in delta.items():
        assert part.content.version == (before[key].content.version + 1 if key in before else 0)


def filled(group: Group) -> Group:
    """What nobody could change is changed by administrators, where Orderer has capabilities."""
    if "Orderer" not in group.groups or "Capabilities" not in group.groups["Orderer"].values:
        return group
    copy = Group()
    copy.CopyFrom(group)

    def fill(inner: Group) -> None:
        for part in (inner, *inner.values.values(), *inner.policies.values()):
            part.mod_policy = part.mod_policy or "Admins"
        for further in inner.groups.values():
            fill(further)

    fill(copy)
    return copy
