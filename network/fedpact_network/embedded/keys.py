"""The node's own identities: a private folder beside the database, so a copy of the ledger has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedpact.identity import Identity, Wallet

_ORDERER = "orderer"
_PEER = "peer."


@dataclass(frozen=True, slots=True)
class NodeKeys:
    """Whom this node plays.

    Attributes
    ----------
    peers : MSP identifier -> the endorsing peer's identity.
    orderer : who signs blocks.
    """

    peers: Mapping[str, Identity]
    orderer: Identity

    @classmethod
    def of(cls, peers: Sequence[Identity], orderer: Identity) -> NodeKeys:
        """Sort identities by organisation.

        Raises
        ------
        ValueError
            If there is no peer, or an organisation has two.
        """
        by_organisation = {peer.mspid: peer for peer in peers}
        if not peers or len(by_organisation) != len(peers):
            raise ValueError("a node needs peers, one of each organisation at most")
        return cls(by_organisation, orderer)

    def save(self, folder: Path) -> None:
        """Write the identities; the folder is readable by its owner only (0700)."""
        wallet = Wallet(folder)
        for label in wallet.list():
            wallet.remove(label)  # of a ledger that was here before and is gone
        wallet.put(_ORDERER, self.orderer)
        for mspid, peer in self.peers.items():
            wallet.put(f"{_PEER}{mspid}", peer)
        folder.chmod(0o700)

    @classmethod
    def load(cls, folder: Path) -> NodeKeys:
        """Read what `save` wrote.

        Raises
        ------
        IdentityError
            If the orderer is missing, or a file is damaged.
        """
        wallet = Wallet(folder)
        peers = [wallet.get(label) for label in wallet.list() if label.startswith(_PEER)]
        return cls.of(peers, wallet.get(_ORDERER))


def keys_folder(database: Path) -> Path:
    """Return the folder of a database's keys: `<database>.keys`."""
    return database.with_name(f"{database.name}.keys")
