"""Installed chaincodes: those a node was started with, described as Fabric describes packages."""

from __future__ import annotations

from hashlib import sha256

from fabric_protos.peer.lifecycle import lifecycle_pb2 as messages

from fedpact_chaincode.errors import Rejected
from fedpact_chaincode.lifecycle.call import Call
from fedpact_chaincode.lifecycle.codes import PACKAGE_NOT_FOUND
from fedpact_chaincode.lifecycle.layout import NAMESPACES
from fedpact_chaincode.lifecycle.records import read_metadata
from fedpact_chaincode.lifecycle.terms import Terms

_CODE_HASH = "+sha256."


def package_id(name: str, version: str) -> str:
    """Return the package id of an installed chaincode, `<name>_<version>:<hash>`.

    The hash is that of the code, which the version of a consortium's chaincode ends with; for other
    versions it is the SHA-256 of `<name>:<version>`.
    """
    number, _, code_hash = version.partition(_CODE_HASH)
    return f"{name}_{number}:{code_hash or sha256(f'{name}:{version}'.encode()).hexdigest()}"


def installed_chaincode(
    call: Call, arguments: messages.QueryInstalledChaincodeArgs
) -> messages.QueryInstalledChaincodeResult:
    """Return one installed chaincode.

    Raises
    ------
    Rejected
        PACKAGE_NOT_FOUND.
    """
    for found in all_installed(call, messages.QueryInstalledChaincodesArgs()).installed_chaincodes:
        if found.package_id == arguments.package_id:
            return messages.QueryInstalledChaincodeResult.FromString(found.SerializeToString())
    raise Rejected(PACKAGE_NOT_FOUND, package_id=arguments.package_id[:256])


def all_installed(
    call: Call, _arguments: messages.QueryInstalledChaincodesArgs
) -> messages.QueryInstalledChaincodesResult:
    """Return all installed chaincodes, and whether the channel has agreed on them."""
    result = messages.QueryInstalledChaincodesResult()
    for name, version in sorted(call.installed.items()):
        package = package_id(name, version)
        found = result.installed_chaincodes.add(package_id=package, label=package.partition(":")[0])
        if read_metadata(call.public, NAMESPACES, name) is None:
            continue
        if Terms.read(call.public, name).endorsing.version == version:
            found.references[call.stub.channel_id].chaincodes.add(name=name, version=version)
    return result
