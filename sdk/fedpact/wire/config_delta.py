"""What changes between two configurations: Fabric's read set and write set, and how they are applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

from fabric_protos.common import configtx_pb2

from fedpact.wire.config_keys import check_name
from fedpact.wire.errors import WireCode, WireError
from fedpact.wire.policy_tree import CHANNEL, MAX_GROUP_DEPTH

__all__ = ["Element", "compute_sets", "elements", "overlaid"]

_GROUPS: Final = "groups"
_PARTS: Final = (_GROUPS, "values", "policies")
_USUAL_MOD_POLICY: Final = "Admins"

Part: TypeAlias = configtx_pb2.ConfigGroup | configtx_pb2.ConfigValue | configtx_pb2.ConfigPolicy
Group: TypeAlias = configtx_pb2.ConfigGroup


class Element(NamedTuple):
    """A group, value or policy in its place.

    Attributes
    ----------
    kind
        ``groups``, ``values`` or ``policies``.
    group
        Path of the group that its policies are looked up in: of a group, its own.
    content
        The element itself.
    """

    kind: str
    group: str
    content: Part


def elements(group: Group) -> dict[tuple[str, str], Element]:
    """Return every element by its kind and path.

    Raises
    ------
    WireError
        BAD_BLOCK when a name is not allowed, or groups nest more than eight levels deep.
    """
    return {(element.kind, path): element for path, element in _elements(group, CHANNEL, 1)}


def _elements(group: Group, path: str, depth: int) -> Iterator[tuple[str, Element]]:
    if depth > MAX_GROUP_DEPTH:
        raise WireError(WireCode.BAD_BLOCK, f"groups nest at most {MAX_GROUP_DEPTH} levels")
    yield path, Element("groups", path, group)
    for name, inner in group.groups.items():
        yield from _elements(inner, f"{path}/{check_name(name)}", depth + 1)
    for kind in ("values", "policies"):
        for name, part in getattr(group, kind).items():
            yield f"{path}/{check_name(name)}", Element(kind, path, part)


def overlaid(current: Mapping[tuple[str, str], Element], delta: Mapping[tuple[str, str], Element]) -> Group:
    """Put changed elements over the current ones; a changed group says anew what it holds.

    Raises
    ------
    WireError
        BAD_BLOCK when a group mentions what is in neither.
    """
    found = {**current, **delta}
    made = _build(found, CHANNEL)
    if ("values", f"{CHANNEL}/Orderer/Capabilities") in found:
        _fill_mod_policies(made)
    return made


def _build(found: Mapping[tuple[str, str], Element], path: str) -> Group:
    group = _take(found, "groups", path)
    made = Group(version=group.version, mod_policy=group.mod_policy)
    for name in group.groups:
        made.groups[name].CopyFrom(_build(found, f"{path}/{name}"))
    for name in group.values:
        made.values[name].CopyFrom(_take(found, "values", f"{path}/{name}"))
    for name in group.policies:
        made.policies[name].CopyFrom(_take(found, "policies", f"{path}/{name}"))
    return made


def _take(found: Mapping[tuple[str, str], Element], kind: str, path: str) -> Part:
    if (kind, path) not in found:
        raise WireError(WireCode.BAD_BLOCK, f"{path[:200]} is mentioned, but not there")
    return found[kind, path].content


def _fill_mod_policies(group: Group) -> None:
    """Let administrators change what nobody could, as Fabric does with channels that v1.0 made."""
    for part in (group, *group.values.values(), *group.policies.values()):
        part.mod_policy = part.mod_policy or _USUAL_MOD_POLICY
    for inner in group.groups.values():
        _fill_mod_policies(inner)


def compute_sets(original: Group, updated: Group) -> tuple[Group, Group] | None:
    """Return what an update reads and what it writes, as ``configtxlator`` computes it; None: no change.

    The versions in `updated` do not matter.
    """
    read, written, changed = _difference(original, updated)
    return (read, written) if changed else None


def _difference(original: Group, updated: Group) -> tuple[Group, Group, bool]:
    read, written = Group(version=original.version), Group(version=original.version)
    members = original.mod_policy != updated.mod_policy
    same: list[tuple[str, str, Part]] = []
    for kind in _PARTS:
        before, after = getattr(original, kind), getattr(updated, kind)
        members = members or set(before) != set(after)
        for name, part in after.items():
            target = getattr(written, kind)[name]
            if name not in before:
                target.CopyFrom(_new(kind, part))
                continue
            old = before[name]
            if kind == _GROUPS:
                inner_read, inner_written, changed = _difference(old, part)
                if changed:
                    getattr(read, kind)[name].CopyFrom(inner_read)
                    target.CopyFrom(inner_written)
            else:
                changed = _content(old) != _content(part)
                if changed:
                    target.CopyFrom(part)
                    target.version = old.version + 1
            if not changed:
                del getattr(written, kind)[name]
                same.append((kind, name, old))
    if not members:
        return read, written, any(len(getattr(written, kind)) for kind in _PARTS)
    written.version = original.version + 1
    written.mod_policy = updated.mod_policy
    for kind, name, old in same:
        for side in (read, written):
            getattr(side, kind)[name].version = old.version
    return read, written, True


def _content(part: Part) -> Part:
    copy = type(part)()
    copy.CopyFrom(part)
    copy.version = 0
    return copy


def _new(kind: str, part: Part) -> Part:
    """Return a new element: everything in it has version 0."""
    copy = _content(part)
    if kind == _GROUPS:
        for inner_kind in _PARTS:
            for name, inner in getattr(part, inner_kind).items():
                getattr(copy, inner_kind)[name].CopyFrom(_new(inner_kind, inner))
    return copy
