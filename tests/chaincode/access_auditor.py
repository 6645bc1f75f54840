"""An auditor of members, devices, readings and sharing: re-derives every decision from the raw state.

It reads keys and JSON only and shares no code with the contracts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
Tables = dict[str, dict[tuple[str, ...], Row]]

DEVICE_STEPS = {
    ("pending", "active"),
    ("suspended", "active"),
    ("active", "suspended"),
    ("pending", "revoked"),
    ("active", "revoked"),
    ("suspended", "revoked"),
}
DEVICE_MOTIONS = {"active": "activate_device", "suspended": "suspend_device", "revoked": "revoke_device"}


class AccessAuditor:
    """Compares each state with what it must be, and with the state before."""

    def __init__(self) -> None:
        self.before: Tables = defaultdict(dict)
        self.now: Tables = defaultdict(dict)
        self.time_ms = 0

    def check(self, state: dict[str, bytes], *, time_ms: int) -> None:
        """Assert everything about the state that a transaction at this time left."""
        self.before, self.now, self.time_ms = self.now, defaultdict(dict), time_ms
        for key, value in state.items():
            _, prefix, *parts, last = key.split("\x00")
            assert last == ""
            self.now[prefix][tuple(parts)] = json.loads(value, parse_float=_refuse_float)
        passed = self._motions()
        self._organisations(passed)
        self._devices(passed)
        self._datasets()
        self._anchors()
        self._grants()
        self._requests()
        self._deliveries()

    def _new(self, table: str) -> list[Row]:
        return [row for key, row in self.now[table].items() if key not in self.before[table]]

    def _changed(self, table: str) -> list[tuple[Row, Row]]:
        """Rows that were there before and are different now."""
        assert self.before[table].keys() <= self.now[table].keys(), f"{table} lost a record"
        rows = ((row, self.now[table][key]) for key, row in self.before[table].items())
        return [(old, new) for old, new in rows if old != new]

    def _motions(self) -> list[Row]:
        votes: dict[str, list[bool]] = defaultdict(list)
        for (motion, mspid), vote in self.now["registry.vote"].items():
            assert (vote["motion"], vote["mspid"]) == (motion, mspid)
            assert vote["voter"].split("/")[0] == mspid
            assert (mspid,) in self.now["registry.organisation"]
            votes[motion].append(vote["approve"])
        assert self._changed("registry.vote") == []
        if not self.now["registry.settings"]:
            return []
        [settings] = self.now["registry.settings"].values()
        threshold = Fraction(settings["council_numerator"], settings["council_denominator"])
        voters = len(self.before["registry.organisation"]) or len(self.now["registry.organisation"])
        decided = []
        for motion in self._new("registry.motion"):
            assert motion["status"] == "open"
        for old, new in self._changed("registry.motion"):
            assert old["status"] == "open"
            approvals = votes[new["id"]].count(True)
            rejections = votes[new["id"]].count(False)
            if new["status"] == "passed":
                assert Fraction(approvals, voters) > threshold
                decided.append(new)
            else:
                assert new["status"] == "rejected"
                assert Fraction(voters - rejections, voters) <= threshold
        for motion in self.now["registry.motion"].values():
            if motion["status"] == "open":
                members = len(self.now["registry.organisation"])
                assert Fraction(votes[motion["id"]].count(True), members) <= threshold
        return decided

    def _organisations(self, passed: list[Row]) -> None:
        assert self._changed("registry.organisation") == []
        if self.before["registry.organisation"]:
            admitted = {row["mspid"] for row in self._new("registry.organisation")}
            assert admitted == {m["subject"] for m in passed if m["kind"] == "admit_organisation"}

    def _devices(self, passed: list[Row]) -> None:
        for device in self._new("registry.device"):
            assert device["status"] == "pending"
            assert device["registered_by"].split("/")[0] == device["mspid"] == device["id"].split("/")[0]
        done = {(motion["kind"], motion["subject"]) for motion in passed}
        for old, new in self._changed("registry.device"):
            assert (old["status"], new["status"]) in DEVICE_STEPS
            by_council = (DEVICE_MOTIONS[new["status"]], new["id"]) in done
            assert by_council or new["status"] == "suspended", "an organisation suspends, and no more"
            assert new["changed_ms"] >= old["changed_ms"]

    def _datasets(self) -> None:
        for dataset in self._new("catalog.dataset"):
            assert (dataset["revision"], dataset["status"]) == (1, "published")
            assert (dataset["custodian"],) in self.now["registry.node"]
            assert dataset["custodian"].split("/")[0] == dataset["owner"] == dataset["id"].split("/")[0]
        for old, new in self._changed("catalog.dataset"):
            assert old["status"] == "published"
            assert new["revision"] == old["revision"] + 1
            assert new["sizes"][: len(old["sizes"])] == old["sizes"]
            assert all(a["since_ms"] <= b["since_ms"] for a, b in pairwise(new["sizes"]))
        listed = {(row["category"], row["id"]) for row in self.now["catalog.dataset"].values()}
        assert listed == set(self.now["catalog.listing"])

    def _anchors(self) -> None:
        assert self._changed("telemetry.anchor") == []
        for anchor in self._new("telemetry.anchor"):
            dataset = self.now["catalog.dataset"][(anchor["dataset_id"],)]
            device = self.now["registry.device"][(anchor["device"],)]
            assert (dataset["status"], device["status"]) == ("published", "active")
            assert dataset["owner"] == device["mspid"] == anchor["manager"].split("/")[0]
        feeds: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for (dataset_id, device_id, _), anchor in sorted(self.now["telemetry.anchor"].items()):
            feeds[dataset_id, device_id].append(anchor)
        assert feeds.keys() == self.now["telemetry.feed"].keys()
        for key, anchors in feeds.items():
            assert all(a["last_sequence"] < b["first_sequence"] for a, b in pairwise(anchors))
            feed = self.now["telemetry.feed"][key]
            assert feed["last_sequence"] == anchors[-1]["last_sequence"]
            assert feed["readings"] == sum(anchor["count"] for anchor in anchors)
            assert feed["batches"] == len(anchors)

    def _grants(self) -> None:
        for (dataset_id, _, _), grant in self.now["sharing.grant"].items():
            assert grant["granted_by"].split("/")[0] == dataset_id.split("/")[0]

    def _granted(self, model: Row, requester: str) -> bool:
        """Whether every owner of what the model was trained on consents now."""
        return all(
            self._consents(dataset_id, requester, model["category"]) for dataset_id in model["datasets"]
        )

    def _consents(self, dataset_id: str, requester: str, purpose: str) -> bool:
        dataset = self.now["catalog.dataset"].get((dataset_id,))
        if dataset is None or dataset["status"] != "published":
            return False
        grant = self.now["sharing.grant"].get((dataset_id, requester, purpose))
        if dataset["owner"] == requester:
            return True
        return grant is not None and grant["status"] == "active" and self.time_ms < grant["expires_ms"]

    def _requests(self) -> None:
        assert self._changed("sharing.request") == []
        for request in self._new("sharing.request"):
            same = [
                model
                for (fingerprint, _), model in self.now["sharing.cache"].items()
                if (fingerprint, model["category"]) == (request["fingerprint"], request["category"])
            ]
            young = [m for m in same if self.time_ms - m["completed_ms"] < request["max_age_ms"]]
            had = [m for m in young if self._granted(m, request["requester"])]
            expected = "hit" if had else "not_granted" if young else "too_old" if same else "unknown"
            assert request["outcome"] == expected
            if had:
                youngest = max(model["completed_ms"] for model in had)
                best = min(m["task_id"] for m in had if m["completed_ms"] == youngest)
                assert request["task_id"] == best
            else:
                assert request["model"] is request["location"] is request["task_id"] is None
        counts: dict[str, list[bool]] = defaultdict(list)
        for request in self.now["sharing.request"].values():
            counts[request["fingerprint"]].append(request["outcome"] == "hit")
        tallies = self.now["sharing.tally"]
        assert counts.keys() == {key for (key,) in tallies}
        for fingerprint, hits in counts.items():
            tally = tallies[(fingerprint,)]
            assert (tally["hits"], tally["misses"]) == (hits.count(True), hits.count(False))

    def _deliveries(self) -> None:
        assert self._changed("sharing.delivery") == []
        for delivery in self._new("sharing.delivery"):
            request = self.now["sharing.request"][(delivery["request_id"],)]
            model = self.now["sharing.cache"][(request["fingerprint"], delivery["task_id"])]
            owners = {dataset_id.split("/")[0] for dataset_id in model["datasets"]}
            assert delivery["holder"].split("/")[0] in {*owners, model["requester"]}
            assert set(delivery["providers"]) == owners
            assert (delivery["requester"], delivery["model"]) == (request["requester"], model["model"])
            assert request["task_id"] in {None, model["task_id"]}
            assert model["requester"] == request["requester"] or self._granted(model, request["requester"])


def _refuse_float(text: str) -> None:
    raise AssertionError(f"a float in the state: {text}")
