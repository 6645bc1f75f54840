"""The node's own identities: a private folder beside the database, so a copy of the ledger has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedpact.identity import Identity, IdentityError, Wallet
from fedpact.wire.membership import Membership

_ORDERER = "orderer"
_PEER = "peer."
_READER = "reader"


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """Whom this node plays.

    Attributes
    ----------
    peers : MSP identifier -> the endorsing peer's identity.
    orderer : who signs blocks; None where another node orders.
    reader : who asks other nodes for blocks where there is no peer.
    """

    peers: Mapping[str, Identity]
    orderer: Identity | None = None
    reader: Identity | None = None

    @classmethod
    def of(
        cls, peers: Sequence[Identity], orderer: Identity | None = None, *, reader: Identity | None = None
    ) -> NodeKeys:
        """Sort identities by organisation.

        Raises
        ------
        ValueError
            If there is no peer and no reader, or an organisation has two peers.
        """
        by_organisation = {peer.mspid: peer for peer in peers}
        if not (peers or reader) or len(by_organisation) != len(peers):
            raise ValueError("a node needs peers, one of each organisation at most")
        return cls(by_organisation, orderer, reader)

    @property
    def speaker(self) -> Identity:
        """Who signs what this node asks of others: its first peer, or its reader."""
        return next(identity for identity in (*self.peers.values(), self.reader) if identity is not None)

    def save(self, folder: Path) -> None:
        """Write the identities; the folder is readable by its owner only (0700)."""
        wallet = Wallet(folder)
        for label in wallet.list():
            wallet.remove(label)  # of a ledger that was here before and is gone
        for label, identity in ((_ORDERER, self.orderer), (_READER, self.reader)):
            if identity is not None:
                wallet.put(label, identity)
        for mspid, peer in self.peers.items():
            wallet.put(f"{_PEER}{mspid}", peer)
        folder.chmod(0o700)

    @staticmethod
    def put(folder: Path, identity: Identity, *, orders: bool) -> None:
        """Write one identity in place of the orderer's, or of its organisation's peer's."""
        Wallet(folder).put(_ORDERER if orders else f"{_PEER}{identity.mspid}", identity)

    @classmethod
    def load(cls, folder: Path) -> NodeKeys:
        """Read what `save` wrote.

        Raises
        ------
        IdentityError
            If a file is damaged.
        ValueError
            As `of`.
        """
        wallet = Wallet(folder)
        labels = wallet.list()
        peers = [wallet.get(label) for label in labels if label.startswith(_PEER)]
        orderer, reader = (wallet.get(label) if label in labels else None for label in (_ORDERER, _READER))
        return cls.of(peers, orderer, reader=reader)


def keys_folder(database: Path) -> Path:
    """Return the folder of a database's keys: `<database>.keys`."""
    return database.with_name(f"{database.name}.keys")


def check_keys(keys: NodeKeys, membership: Membership, at_s: float) -> None:
    """Refuse identities that are no valid peers or orderer of the channel.

    Raises
    ------
    ValueError
        Naming the identity.
    """
    orderers = () if keys.orderer is None else (keys.orderer,)
    for ou, identities in (("peer", tuple(keys.peers.values())), ("orderer", orderers)):
        for identity in identities:
            try:
                member = membership.identify(identity.creator, at_s)
            except IdentityError as error:
                raise ValueError(f"{identity.id} cannot act as {ou}: {error}") from error
            if ou not in member.ou:
                raise ValueError(f"{identity.id} cannot act as {ou}: its certificate does not say so")
