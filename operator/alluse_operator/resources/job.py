"""The workload of a component that runs to completion: a Job."""

from __future__ import annotations

from typing import Final

from alluse_operator.core.desired import Component, System
from alluse_operator.resources.metadata import Built, object_metadata

#: Pods that may fail before the Job does; the controller waits 10, 20, 40 s in between.
RETRIES: Final = 3


def build_job(system: System, component: Component, template: Built) -> Built:
    """Its selector is made by the cluster. Failed pods stay, so that their logs can be read; the Job stays
    too, because it is the record that its work is done for this revision."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": object_metadata(system, component),
        "spec": {"backoffLimit": RETRIES, "template": template},
    }
