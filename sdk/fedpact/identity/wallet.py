"""A folder of identities, in the file format that the wallets of Fabric's SDKs share."""

import json
import re
from pathlib import Path

from fedpact.identity.errors import IdentityCode, IdentityError
from fedpact.identity.identity import Identity
from fedpact.identity.private_files import make_private_folder, write_private_file
from fedpact.identity.signer import PrivateKeySigner

__all__ = ["Wallet"]

_LABEL = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9._@-]{0,127}")
_SUFFIX = ".id"
_MAX_FILE_BYTES = 64 * 1024


class Wallet:
    """Identities by label, one file ``<label>.id`` each (mode 0600, key in PKCS8 PEM).

    Parameters
    ----------
    path
        The folder; made (0700) by the first `put`.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def put(self, label: str, identity: Identity, password: bytes | None = None) -> None:
        """Keep an identity, in place of an earlier one of this label.

        Raises
        ------
        IdentityError
            BAD_NAME for a label outside ``[A-Za-z0-9._@-]{1,128}``; KEY_MISMATCH when the
            identity's key is not in memory and so cannot be stored.
        """
        file = self._file(label)
        if not isinstance(identity.signer, PrivateKeySigner):
            raise IdentityError(
                IdentityCode.KEY_MISMATCH, "only an identity with a key in memory can be stored"
            )
        document = {
            "credentials": {
                "certificate": identity.certificate_pem.decode(),
                "privateKey": identity.signer.private_key_pem(password).decode(),
            },
            "mspId": identity.mspid,
            "type": "X.509",
            "version": 1,
        }
        make_private_folder(self.path)
        write_private_file(file, json.dumps(document, indent=1).encode())

    def get(self, label: str, password: bytes | None = None) -> Identity:
        """Read an identity.

        Raises
        ------
        IdentityError
            NOT_IN_WALLET, KEY_LOCKED, or MALFORMED and its like when the file was damaged.
        """
        try:
            with self._file(label).open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError as error:
            raise IdentityError(
                IdentityCode.NOT_IN_WALLET, f"the wallet has no identity {label!r}"
            ) from error
        mspid, certificate, key = _parts(content)
        return Identity(mspid, certificate, PrivateKeySigner.from_pem(key, password))

    def list(self) -> tuple[str, ...]:
        """Return the labels in alphabetical order."""
        return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in self.path.glob(f"[!.]*{_SUFFIX}")))

    def remove(self, label: str) -> None:
        """Delete an identity; raises IdentityError NOT_IN_WALLET when there is none."""
        try:
            self._file(label).unlink()
        except FileNotFoundError as error:
            raise IdentityError(
                IdentityCode.NOT_IN_WALLET, f"the wallet has no identity {label!r}"
            ) from error

    def __contains__(self, label: str) -> bool:
        return self._file(label).exists()

    def _file(self, label: str) -> Path:
        if not _LABEL.fullmatch(label):
            raise IdentityError(
                IdentityCode.BAD_NAME, "a label has 1 to 128 of A-Z a-z 0-9 . _ @ - and no leading dot"
            )
        return self.path / f"{label}{_SUFFIX}"


def _parts(content: bytes) -> tuple[str, bytes, bytes]:
    """Return MSP id, certificate PEM and key PEM of a wallet file."""
    try:
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError("too long")
        document = json.loads(content)
        credentials = document["credentials"]
        return str(document["mspId"]), credentials["certificate"].encode(), credentials["privateKey"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise IdentityError(IdentityCode.MALFORMED, "this is not a wallet file") from error
