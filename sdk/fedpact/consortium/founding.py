"""Founding a consortium: organisations with their own authorities, a node's keys, a ledger, agreed code.

A consortium's home is a folder of its own on the founder's machine:

    consortium.json              ledger's URL, channel, organisations
    retrieval.key                secret under which members hash the terms of profiles
    authorities/<mspid>/         each organisation's CA (moved to that organisation in production)
    wallet/                      issued identities
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote

import msgspec

from fedpact.identity.authority import CertificateAuthority
from fedpact.identity.identity import Identity
from fedpact.identity.private_files import make_private_folder, write_private_file
from fedpact.identity.seeds import derive_bytes
from fedpact.identity.wallet import Wallet
from fedpact.ledger import ClockNs, Ledger, create_ledger
from fedpact.wire.config import BatchRules, ChannelConfig, ConfigError, Organisation

_PROFILE = "consortium.json"
_RETRIEVAL_KEY = "retrieval.key"
_AUTHORITIES = "authorities"
_MAX_DENOMINATOR = 1000
NODE_ROLES = ("peer", "orderer")
_UNITS = ("admin", *NODE_ROLES)
_FOUNDER = "founder"
"""Name of the administrators who agree on the contract; their keys are not kept."""


class FoundingRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the founders agree on.

    Attributes
    ----------
    channel_id : the channel's name.
    endorsement : who must endorse a transaction: `MAJORITY Endorsement`, or a signature policy.
    council : a motion passes when strictly more than this fraction of the organisations approves.
    batch_timeout_ms : longest wait of a transaction for its block.
    """

    channel_id: str = "consortium"
    endorsement: str = "MAJORITY Endorsement"
    council: tuple[int, int] = (2, 3)
    batch_timeout_ms: int = 20


class _Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    channel_id: str
    organisations: dict[str, str]
    council: tuple[int, int] = (2, 3)


class Consortium:
    """The founder's view: who belongs, where the ledger is, and the authorities that issue identities.

    Attributes
    ----------
    url : the ledger's URL.
    channel_id : its channel.
    organisations : name of each organisation by its mspid.
    council : a motion passes when strictly more than this fraction of the organisations approves.
    authorities : certificate authority of each organisation by its mspid.
    wallet : the identities issued so far, under `mspid@name`.
    retrieval_key : 32 bytes, the members' secret for hashing terms.
    """

    def __init__(
        self,
        home: Path,
        profile: _Profile,
        retrieval_key: bytes,
        authorities: Mapping[str, CertificateAuthority],
    ) -> None:
        self.home = home
        self.url = profile.url
        self.channel_id = profile.channel_id
        self.organisations: Mapping[str, str] = profile.organisations
        self.council = profile.council
        self.retrieval_key = retrieval_key
        self.authorities = authorities
        self.wallet = Wallet(home / "wallet")

    @classmethod
    def open(cls, home: Path | str) -> Self:
        """Open a consortium's home; authorities that were moved elsewhere are left out.

        Raises
        ------
        FileNotFoundError
            No consortium was founded there.
        msgspec.DecodeError
            Its description is damaged.
        """
        folder = Path(home)
        profile = msgspec.json.decode((folder / _PROFILE).read_bytes(), type=_Profile)
        folders = {mspid: folder / _AUTHORITIES / mspid for mspid in profile.organisations}
        authorities = {
            mspid: CertificateAuthority.load(place) for mspid, place in folders.items() if place.is_dir()
        }
        return cls(folder, profile, bytes.fromhex((folder / _RETRIEVAL_KEY).read_text()), authorities)

    def enrol(self, mspid: str, name: str, *, role: str) -> Identity:
        """Issue an identity and keep it in the wallet.

        Parameters
        ----------
        mspid : its organisation.
        name : common name, unique within the organisation.
        role : `admin`, `member`, `device`, `manager` or `validator`; `peer` or `orderer` for a node.

        Raises
        ------
        FileNotFoundError
            The organisation's authority is not in this home.
        """
        if mspid not in self.authorities:
            raise FileNotFoundError(f"the authority of {mspid} is not in {self.home}")
        unit = role if role in _UNITS else "client"
        identity = self.authorities[mspid].issue(name, role=None if role in NODE_ROLES else role, ou=unit)
        self.wallet.put(wallet_label(identity.id), identity)
        return identity

    def identity(self, identifier: str) -> Identity:
        """Return an issued identity, `mspid/name`."""
        return self.wallet.get(wallet_label(identifier))


def found(  # noqa: PLR0913 (every one is a decision of the founders)
    home: Path | str,
    organisations: Mapping[str, str],
    *,
    url: str | None = None,
    rules: FoundingRules | None = None,
    seed: bytes | None = None,
    not_before: datetime | None = None,
    clock_ns: ClockNs = time.time_ns,
) -> tuple[Consortium, Ledger]:
    """Found a consortium: authorities, the node's keys, the ledger with its genesis block, the contract.

    The consortium's own contract, as it is installed here, is approved by an administrator of every
    organisation and committed: from then on no node runs other code unless the members agree on it.

    Parameters
    ----------
    home : an empty or new folder.
    organisations : name by mspid.
    url : the ledger's; default an embedded ledger in the home.
    rules : the founders' agreement.
    seed : derive every key from it (demonstrations and tests only); None: random keys.
    not_before : start of the certificates' validity; default now.
    clock_ns : the node's clock.

    Returns
    -------
    The consortium and its opened ledger.

    Raises
    ------
    LedgerError
        LEDGER_EXISTS, UNKNOWN_SCHEME.
    GatewayError
        The ledger does not let the founders agree on the contract.
    ConfigError
        A rule is out of bounds.
    FileExistsError
        The folder holds a consortium already.
    """
    folder = Path(home).absolute()
    agreed = rules or FoundingRules()
    _check_council(agreed.council)
    if (folder / _PROFILE).exists():
        raise FileExistsError(f"{folder} holds a consortium already")
    make_private_folder(folder)
    address = url or f"embedded://{quote(str(folder / 'ledger.db'))}"
    authorities = _authorities(organisations, seed, not_before)
    peers = [ca.issue("peer0", role=None, ou="peer") for ca in authorities.values()]
    orderer = next(iter(authorities.values())).issue("orderer0", role=None, ou="orderer")
    ledger = create_ledger(
        address, _config(agreed, authorities), peers=peers, orderer=orderer, clock_ns=clock_ns
    )
    _agree(ledger, authorities, clock_ns)
    key = secrets.token_bytes(32) if seed is None else derive_bytes(seed, "retrieval", 32)
    profile = _Profile(
        url=address, channel_id=agreed.channel_id, organisations=dict(organisations), council=agreed.council
    )
    return _settle(folder, profile, key, authorities), ledger


def join(
    home: Path | str,
    mspid: str,
    name: str,
    *,
    url: str,
    retrieval_key: bytes,
    channel_id: str = "consortium",
) -> Consortium:
    """Make the home of an organisation that others are to let into their channel: its own authority.

    Parameters
    ----------
    home : an empty or new folder.
    mspid, name : the organisation's.
    url : where its members reach the ledger.
    retrieval_key : the consortium's 32 bytes, from a member.
    channel_id : the channel's name.

    Raises
    ------
    IdentityError
        BAD_NAME.
    FileExistsError
        The folder holds a consortium already.
    """
    folder = Path(home).absolute()
    if (folder / _PROFILE).exists():
        raise FileExistsError(f"{folder} holds a consortium already")
    authorities = {mspid: CertificateAuthority.create(name, mspid)}
    make_private_folder(folder)
    profile = _Profile(url=url, channel_id=channel_id, organisations={mspid: name})
    return _settle(folder, profile, retrieval_key, authorities)


def _settle(
    folder: Path, profile: _Profile, key: bytes, authorities: Mapping[str, CertificateAuthority]
) -> Consortium:
    for mspid, authority in authorities.items():
        authority.save(folder / _AUTHORITIES / mspid)
    write_private_file(folder / _RETRIEVAL_KEY, key.hex().encode())
    write_private_file(folder / _PROFILE, msgspec.json.encode(profile))
    return Consortium(folder, profile, key, authorities)


def _check_council(council: tuple[int, int]) -> None:
    numerator, denominator = council
    if not 0 <= numerator < denominator <= _MAX_DENOMINATOR:
        raise ConfigError(
            f"council must be a fraction from 0 to below 1, its denominator at most {_MAX_DENOMINATOR}"
        )


def _agree(ledger: Ledger, authorities: Mapping[str, CertificateAuthority], clock_ns: ClockNs) -> None:
    """Have the founders agree on the contract; close the ledger if they do not."""
    from fedpact.consortium.chaincodes import agree
    from fedpact.consortium.connecting import connect
    from fedpact_chaincode.consortium import NAME

    try:
        founders = [
            connect(ledger, identity=authority.issue(_FOUNDER, role="admin", ou="admin"), clock_ns=clock_ns)
            for authority in authorities.values()
        ]
        agree(founders, founders[0].chaincodes.proposed(NAME))
    except BaseException:
        ledger.close()
        raise


def _config(rules: FoundingRules, authorities: Mapping[str, CertificateAuthority]) -> ChannelConfig:
    return ChannelConfig(
        channel_id=rules.channel_id,
        organisations=tuple(Organisation(mspid, (ca.certificate_pem,)) for mspid, ca in authorities.items()),
        endorsement=rules.endorsement,
        batch=BatchRules(timeout_ms=rules.batch_timeout_ms),
    )


def _authorities(
    organisations: Mapping[str, str], seed: bytes | None, not_before: datetime | None
) -> dict[str, CertificateAuthority]:
    return {
        mspid: CertificateAuthority.create(
            name,
            mspid,
            seed=None if seed is None else derive_bytes(seed, f"authority/{mspid}", 32),
            not_before=not_before,
        )
        for mspid, name in organisations.items()
    }


def wallet_label(identifier: str) -> str:
    """Return the label under which wallets keep the identity `mspid/name`."""
    return identifier.replace("/", "@", 1)
