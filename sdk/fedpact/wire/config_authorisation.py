"""Who may change what of a configuration: an update is held against the one in force, as Fabric does it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from fabric_protos.common import common_pb2, configtx_pb2

from fedpact.identity.errors import IdentityError
from fedpact.wire.bundle import Bundle
from fedpact.wire.config_delta import Element, elements, overlaid
from fedpact.wire.config_keys import check_name
from fedpact.wire.errors import WireCode, WireError, read
from fedpact.wire.membership import Member, Membership

__all__ = ["ConfigUpdateCode", "ConfigUpdateError", "authorised", "read_update", "signers_of"]

MAX_SIGNATURES: Final = 512


class ConfigUpdateCode(StrEnum):
    """Why a change of the configuration was refused. Names are never changed or re-used."""

    MALFORMED = "MALFORMED"
    TOO_LARGE = "TOO_LARGE"
    WRONG_CHANNEL = "WRONG_CHANNEL"
    NO_CHANGE = "NO_CHANGE"
    STALE = "STALE"
    BAD_VERSION = "BAD_VERSION"
    BAD_MOD_POLICY = "BAD_MOD_POLICY"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    NOT_AUTHORISED = "NOT_AUTHORISED"
    BAD_SEQUENCE = "BAD_SEQUENCE"
    BAD_RESULT = "BAD_RESULT"
    BAD_CONFIG = "BAD_CONFIG"


class ConfigUpdateError(ValueError):
    """A change of the configuration was refused; `code` is a `ConfigUpdateCode`."""

    def __init__(self, code: ConfigUpdateCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def read_update(data: bytes) -> configtx_pb2.ConfigUpdate:
    """Parse an update; raises ConfigUpdateError MALFORMED."""
    try:
        return read(configtx_pb2.ConfigUpdate, data, WireCode.BAD_BLOCK)
    except WireError as error:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, str(error)) from error


def authorised(
    bundle: Bundle, membership: Membership, signed: configtx_pb2.ConfigUpdateEnvelope, at_s: float
) -> configtx_pb2.ConfigGroup:
    """Apply an update whose signatures satisfy the policies of all that it changes.

    What it has read must be in force; what it writes has the next version; and of every element that is
    there already and changes, the policy that its `mod_policy` names is satisfied.

    Parameters
    ----------
    bundle
        What is in force.
    membership
        Its members.
    signed
        The update and its signatures.
    at_s
        When the signers' certificates must be valid, in seconds since the epoch.

    Returns
    -------
    ConfigGroup
        The whole channel group that it leads to.

    Raises
    ------
    ConfigUpdateError
        MALFORMED, TOO_LARGE, WRONG_CHANNEL, NO_CHANGE, STALE, BAD_VERSION, BAD_MOD_POLICY, NOT_AUTHORISED.
    """
    update = read_update(signed.config_update)
    if update.channel_id != bundle.channel_id:
        raise ConfigUpdateError(ConfigUpdateCode.WRONG_CHANNEL, "the update is for another channel")
    try:
        current = elements(bundle.config.channel_group)
        read_set = elements(update.read_set) if update.HasField("read_set") else {}
        write_set = elements(update.write_set) if update.HasField("write_set") else {}
        _check_read_set(current, read_set)
        delta = {
            key: element
            for key, element in write_set.items()
            if key not in read_set or read_set[key].content.version != element.content.version
        }
        _check_delta(bundle, current, delta, signers_of(membership, signed, at_s))
        return overlaid(current, delta)
    except WireError as error:
        raise ConfigUpdateError(ConfigUpdateCode.MALFORMED, str(error)) from error


def _check_read_set(
    current: Mapping[tuple[str, str], Element], read_set: Mapping[tuple[str, str], Element]
) -> None:
    for key, element in read_set.items():
        if key not in current:
            raise ConfigUpdateError(ConfigUpdateCode.STALE, f"{key[1]} is not there")
        there = current[key].content.version
        if element.content.version != there:
            raise ConfigUpdateError(ConfigUpdateCode.STALE, f"{key[1]} has version {there} by now")


def _check_delta(
    bundle: Bundle,
    current: Mapping[tuple[str, str], Element],
    delta: Mapping[tuple[str, str], Element],
    signers: list[Member],
) -> None:
    if not delta:
        raise ConfigUpdateError(ConfigUpdateCode.NO_CHANGE, "the update changes nothing")
    for (kind, path), element in delta.items():
        _check_mod_policy(element.content.mod_policy, path)
        before = current.get((kind, path))
        expected = 0 if before is None else before.content.version + 1
        if element.content.version != expected:
            raise ConfigUpdateError(ConfigUpdateCode.BAD_VERSION, f"{path} must become version {expected}")
        if before is None:
            continue
        mod_policy = before.content.mod_policy
        where = mod_policy if mod_policy.startswith("/") else f"{before.group}/{mod_policy}"
        if not bundle.has_policy(where):
            raise ConfigUpdateError(ConfigUpdateCode.NOT_AUTHORISED, f"nobody may change {path}")
        if not bundle.policy(where).satisfied_by(signers):
            raise ConfigUpdateError(
                ConfigUpdateCode.NOT_AUTHORISED, f"the signatures do not satisfy {where} to change {path}"
            )


def _check_mod_policy(mod_policy: str, path: str) -> None:
    try:
        for name in mod_policy.removeprefix("/").split("/"):
            check_name(name)
    except WireError as error:
        raise ConfigUpdateError(
            ConfigUpdateCode.BAD_MOD_POLICY, f"the mod_policy of {path} is no path"
        ) from error


def signers_of(
    membership: Membership, content: configtx_pb2.ConfigUpdateEnvelope, at_s: float
) -> list[Member]:
    """Return whose valid signatures the update has, each once; others count for nothing."""
    if len(content.signatures) > MAX_SIGNATURES:
        raise ConfigUpdateError(ConfigUpdateCode.TOO_LARGE, f"at most {MAX_SIGNATURES} signatures")
    found: dict[bytes, Member] = {}
    for item in content.signatures:
        creator = read(common_pb2.SignatureHeader, item.signature_header, WireCode.BAD_BLOCK).creator
        message = item.signature_header + content.config_update
        try:
            if membership.identify(creator, at_s).fingerprint in found:
                continue
            member = membership.verify(creator, message, item.signature, at_s)
        except IdentityError:
            continue
        found[member.fingerprint] = member
    return list(found.values())
