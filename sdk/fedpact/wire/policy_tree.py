"""All policies of a configuration, by their paths, such as ``/Channel/Application/Endorsement``."""

from __future__ import annotations

from collections.abc import Mapping

from fabric_protos.common import configtx_pb2

from fedpact.wire.policies import Policy
from fedpact.wire.policy_language import PolicyCode, PolicyError

__all__ = ["CHANNEL", "read_policies"]

CHANNEL = "/Channel"
MAX_GROUP_DEPTH = 8


def read_policies(channel: configtx_pb2.ConfigGroup) -> Mapping[str, Policy]:
    """Read every policy of a configuration's groups; implicit meta policies refer to those below.

    Raises
    ------
    PolicyError
        As for `Policy.from_proto`; TOO_COMPLEX when groups nest more than eight levels deep.
    """
    found: dict[str, Policy] = {}
    _read(CHANNEL, channel, found, 1)
    return found


def _read(path: str, group: configtx_pb2.ConfigGroup, found: dict[str, Policy], depth: int) -> None:
    if depth > MAX_GROUP_DEPTH:
        raise PolicyError(PolicyCode.TOO_COMPLEX, f"groups nest at most {MAX_GROUP_DEPTH} levels")
    below = [f"{path}/{name}" for name in sorted(group.groups)]
    for name, inner in group.groups.items():
        _read(f"{path}/{name}", inner, found, depth + 1)

    def of_groups(name: str) -> list[Policy]:
        return [found.get(f"{inner}/{name}") or Policy.refusing() for inner in below]

    for name, item in group.policies.items():
        found[f"{path}/{name}"] = Policy.from_proto(item.policy, of_groups)
