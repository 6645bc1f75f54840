"""How a gateway is called: a JSON file that describes an existing network, or our own node's."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fedpact_loadtest import creates
from fedpact_loadtest.served import ServedNode
from fedpact_loadtest.venue import CHANNEL

KEY, VALUE = "{key}", "{value}"


class ProfileError(Exception):
    """A profile that cannot be used; the message names the file and what is wrong."""


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gateway, who calls it, and what.

    Attributes
    ----------
    endpoint : `host:port` of a gateway: a Fabric peer, or a node of ours.
    tls_root : file with the certificate that signed the server's, PEM. Files are relative to the profile.
    server_name : the name in the server's certificate, where it is not the endpoint's host.
    mspid, certificate, key : the client's identity: its organisation, and files, PEM.
    channel, chaincode : where the function is.
    function : the transaction: a plain create of a new key.
    arguments : its arguments; `{key}` and `{value}` in them stand for the new key and the value.
    """

    endpoint: str
    tls_root: str
    mspid: str
    certificate: str
    key: str
    channel: str
    chaincode: str
    function: str
    arguments: tuple[str, ...]
    server_name: str = ""


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises
    ------
    ProfileError
        It cannot be read, a field or a file is missing, or the arguments have no place for the key.
    """
    try:
        profile = msgspec.json.decode(path.read_bytes(), type=Profile)
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ProfileError(f"{path}: {error}") from error
    if not any(KEY in argument for argument in profile.arguments):
        raise ProfileError(f"{path}: no argument has a place for the key, {KEY}")
    files = {name: path.parent / getattr(profile, name) for name in ("tls_root", "certificate", "key")}
    for name, file in files.items():
        if not file.is_file():
            raise ProfileError(f"{path}: {name}: there is no file {file}")
    return msgspec.structs.replace(profile, **{name: str(file.absolute()) for name, file in files.items()})


def profile_of(node: ServedNode) -> Profile:
    """Return the profile of a node that the benchmark serves."""
    known = node.credentials
    return Profile(
        endpoint=node.address,
        tls_root=str(known.roots),
        mspid=known.mspid,
        certificate=str(known.certificate),
        key=str(known.key),
        channel=CHANNEL,
        chaincode=creates.NAME,
        function=creates.CREATE,
        arguments=(f'{{"key":"{KEY}","value":"{VALUE}"}}',),
    )
