"""Each operation answers as its OpenAPI document says, whatever it is sent, and never with 5xx.

Schemathesis sends what the documents allow, at their bounds and within, and what they forbid. All sixteen
components run, so nothing that one of them needs is missing: not even 503 would be right.

Of the cases that it derives from the documents, two thirds vary the fields of a few large bodies, time and again: of
these only a part is sent (`Share`), but with HYPOTHESIS_PROFILE=ci, which sends all.
"""

import collections
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase

from alluse.contract import COMPONENTS
from alluse.runtime.openapi import document
from alluse.runtime.system import SystemEndpoints
from component_processes import Cluster

DOCUMENTS = Path(__file__).parents[2] / "docs" / "reference" / "openapi"
#: Nobody waits in a test for the news that do not come.
PARAMETERS = {"query.timeout_s": 0}
#: What a document cannot express (a sum, an order, an unknown name) is refused with these.
ACCEPTANCE = {"positive_data_acceptance": {"expected-statuses": [200, 201, 202, 204, 404, 409, 422]}}
#: A body of text: whatever is sent is text.
TEXTS = {"include-path-regex": "^/(v1/logs|events)$", "generation": {"mode": "positive"}}


#: What is expected of each. What holds for all operations is said of no single one: schemathesis would put the two
#: together for each case anew.
CONFIG = SchemathesisConfig.from_dict(
    {"seed": 1, "operations": [TEXTS], "parameters": PARAMETERS, "checks": ACCEPTANCE}
)
#: Who is asked for what all sixteen serve alike.
SHARED = "health-monitor"
#: Drawn at random, on top of the derived ones; one of these takes as long to make as fifteen of those.
CASES = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
#: Of the cases that a document leads to: so many of each operation are all sent, and of the rest one in so many.
ALL_OF, THEN_ONE_IN = 24, 8
EVERYTHING = os.environ.get("HYPOTHESIS_PROFILE") == "ci"
sent: list[str] = []


class Share:
    """Which of the cases that one document leads to are sent: all of a small operation, a part of a large one."""

    def __init__(self) -> None:
        self._seen: collections.Counter[str] = collections.Counter()

    def takes(self, case: schemathesis.Case) -> bool:
        """What is drawn at random is few already, and always sent."""
        if EVERYTHING or case.meta is None or case.meta.phase.name is not TestPhase.COVERAGE:
            return True
        self._seen[case.operation.label] += 1
        beyond = self._seen[case.operation.label] - ALL_OF
        return beyond <= 0 or beyond % THEN_ONE_IN == 0


@schemathesis.serializer("application/x-ndjson", "application/cloudevents+json")
def as_text(_: schemathesis.SerializationContext, value: object) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


@pytest.fixture(scope="session")
def session() -> Iterator[requests.Session]:
    with requests.Session() as kept:
        # There is no proxy on loopback, and looking for one takes as long as a small answer.
        kept.trust_env = False
        yield kept


def check(case: schemathesis.Case, cluster: Cluster, name: str, session: requests.Session) -> None:
    response = case.call(base_url=f"http://127.0.0.1:{cluster.ports[name]}", session=session)
    sent.append(name)
    case.validate_response(response)


def operations_of(name: str, document: dict[str, Any]) -> Callable[..., None]:
    """A test of each operation of a document, sent to a component."""

    schema, share = schemathesis.openapi.from_dict(document, config=CONFIG), Share()

    @schema.hook
    def filter_case(_: schemathesis.HookContext, case: schemathesis.Case) -> bool:
        return share.takes(case)

    @schema.parametrize()
    @CASES
    def test(case: schemathesis.Case, cluster: Cluster, session: requests.Session) -> None:
        check(case, cluster, name, session)

    return test


for _name in COMPONENTS:
    _kept = json.loads((DOCUMENTS / f"{_name}.json").read_text())
    globals()[f"test_{_name.replace('-', '_')}"] = operations_of(_name, _kept)
test_what_all_share = operations_of(
    SHARED, document(SHARED, "", "", SystemEndpoints(cast("Any", None)).endpoints())
)


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_kept_document_is_the_served_one(cluster: Cluster, name: str) -> None:
    kept = json.loads((DOCUMENTS / f"{name}.json").read_text())["paths"]
    served = cluster.running[name].get("/openapi.json")[1]["paths"]
    assert kept == {path: served[path] for path in served if path.startswith("/v1/")}


def test_nobody_died_and_thousands_of_cases_were_sent(cluster: Cluster) -> None:
    assert all(process.process.poll() is None for process in cluster.running.values())
    assert len(sent) >= 3_000, len(sent)
    assert set(sent) == set(COMPONENTS)
