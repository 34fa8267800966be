"""Resources that are refused, each with the error that a person gets, and resources that are accepted.

`tests/corpus/refused/*.yaml` are lists of cases: `case` (a sentence), `name` of the resource (default
`demo`), `spec`, and `error`: the lines that the API server answers, as `field: message`, exactly.
`tests/corpus/accepted/*.yaml` are the same without errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from apiserver import Object, system

CORPUS = Path(__file__).resolve().parent / "corpus"


@dataclass(frozen=True, slots=True)
class Case:
    """One resource of the corpus."""

    file: str
    sentence: str
    resource: Object
    errors: tuple[str, ...]

    @property
    def identifier(self) -> str:
        return f"{self.file}: {self.sentence}"

    @property
    def spec(self) -> Any:
        return self.resource.get("spec")

    @property
    def name(self) -> str:
        return str(self.resource["metadata"]["name"])


@cache
def refused() -> tuple[Case, ...]:
    """Resources that the API server does not take."""
    cases = _read("refused")
    assert all(case.errors for case in cases), "a refused case says which errors a person gets"
    return cases


@cache
def accepted() -> tuple[Case, ...]:
    """Resources that make sense, at the edges of what does."""
    return (*_read("accepted"), _largest())


def _read(folder: str) -> tuple[Case, ...]:
    cases = []
    for file in sorted((CORPUS / folder).glob("*.yaml")):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
            resource = system(entry.get("spec"), entry.get("name", "demo"))
            if "spec" not in entry:
                del resource["spec"]
            cases.append(Case(file.stem, entry["case"], resource, tuple(entry.get("error", ()))))
    return tuple(cases)


def _largest() -> Case:
    """As many components, edges, calls and overrides as there can be, with the longest names, listed the
    wrong way round: the most work that a resource can make for the rules."""
    names = [f"c{index:02d}-{'x' * 36}" for index in range(32)]
    components = [
        {
            "name": name,
            "dependsOn": [{"name": before} for before in names[:index]],
            "calls": [other for other in names if other != name],
        }
        for index, name in enumerate(names)
    ]
    overrides = list(reversed(components))
    spec = {
        "profile": "Custom",
        "image": {"repository": "registry.example/a"},
        "environment": "e7",
        "components": [*reversed(components)],
        "environments": [{"name": f"e{number}", "components": overrides} for number in range(8)],
    }
    return Case("code", "the largest system that can be written", system(spec, "demo"), ())
