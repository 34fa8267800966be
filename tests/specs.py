"""Small systems as a person would write them."""

from __future__ import annotations

from typing import Any

Spec = dict[str, Any]


def component(name: str, *needs: str, **more: Any) -> Spec:
    """A component that needs others to be healthy."""
    said: Spec = {"name": name, "image": "alluse/components:0.1.0", **more}
    if needs:
        said["dependsOn"] = [{"name": need} for need in needs]
    return said


def custom(*components: Spec, **more: Any) -> Spec:
    """A system of these components and no others."""
    return {"profile": "Custom", "components": list(components), **more}


def chain(*names: str) -> Spec:
    """Each needs the one before it."""
    return custom(
        *(component(name, *names[:at][-1:]) for at, name in enumerate(names)),
    )
