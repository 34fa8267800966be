"""What all objects of a component share: name, labels, owner, and the seal over their content.

Labels come in two sets. The *selector* labels never change for a component, because selectors of
workloads are immutable. The other labels may change, and a change of theirs is a change of the object.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from alluse_operator.api import names
from alluse_operator.core.desired import Component, System

#: A Kubernetes object that is being built.
Built = dict[str, Any]

#: Characters of a hash that make an accidental match within one system's history practically impossible.
HASH_LENGTH: Final = 10

_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def selector_labels(system: System, component: Component) -> dict[str, str]:
    """The labels that find exactly this component's pods."""
    return {names.SYSTEM_LABEL: system.name, names.COMPONENT_LABEL: component.name}


def labels(system: System, component: Component) -> dict[str, str]:
    """Recommended labels of Kubernetes and our own; the version only where it is a valid label value."""
    version = image_version(component.image)
    return {
        names.NAME_LABEL: component.name,
        names.INSTANCE_LABEL: system.name,
        names.GROUP_LABEL: component.group,
        names.PART_OF_LABEL: names.PART_OF,
        names.MANAGED_BY_LABEL: names.MANAGED_BY,
        **({names.VERSION_LABEL: version} if _LABEL_VALUE.fullmatch(version) else {}),
        **selector_labels(system, component),
    }


def image_version(image: str) -> str:
    """The tag in an image reference, or an empty string: `host:5000/team/tool:1.4@sha256:…` -> `1.4`.

    The version of a component is that of its own image, not that of the system: otherwise a new version of
    the system would replace the pods of components that it does not touch.
    """
    _, colon, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return tag if colon else ""


def owner_reference(system: System) -> Built:
    """The system as controller of its objects. It does not block the owner's deletion in the foreground:
    that would ask for one right more and give nothing."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": system.name,
        "uid": system.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def object_metadata(system: System, component: Component, *, name: str | None = None) -> Built:
    """Metadata of one of the component's objects, called `<system>-<component>` unless `name` is given."""
    return {
        "name": name or names.object_name(system.name, component.name),
        "namespace": system.namespace,
        "labels": labels(system, component),
        "ownerReferences": [owner_reference(system)],
    }


def content_hash(content: Mapping[str, Any] | list[Any]) -> str:
    """A short hash that is the same for equal content in whatever order its keys were put in."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LENGTH]


def annotate(obj: Built, annotations: Mapping[str, str]) -> None:
    """Add annotations to an object that is being built."""
    obj["metadata"].setdefault("annotations", {}).update(annotations)


def seal(obj: Built) -> Built:
    """Add the hash of the finished object as an annotation; the last step of each builder.

    It makes a field that is no longer wanted visible, which a comparison of the wanted fields alone cannot
    see, and tells a new wish of ours from an edit by somebody else.
    """
    annotate(obj, {names.APPLIED_ANNOTATION: content_hash(obj)})
    return obj


def is_sealed(obj: Mapping[str, Any]) -> bool:
    """Whether an object is as it was sealed: nothing is missing, nothing was added or changed."""
    meta = obj["metadata"]
    notes = dict(meta.get("annotations") or {})
    mark = notes.pop(names.APPLIED_ANNOTATION, None)
    bare = {name: value for name, value in meta.items() if name != "annotations"}
    content = {**obj, "metadata": {**bare, "annotations": notes} if notes else bare}
    return bool(mark == content_hash(content))
