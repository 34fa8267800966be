"""What the documentation says can be done, can: its links, commands, values, paths, names and examples exist."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from alluse.client import command as client
from alluse_operator.api import validation
from alluse_operator.catalog import INTERLOCKS, SPECS
from alluse_operator.cli import command
from alluse_operator.metrics import Metrics
from performance.__main__ import PARTS

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if "openapi" not in page.parts)]
)
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
#: Written by us, and so spelled out; the others are generated from the code that they tell of.
BY_HAND = {
    name: text for name, text in TEXTS.items() if "Do not edit" not in text and "do not edit" not in text
}

each_page = pytest.mark.parametrize("name", TEXTS)
each_written_page = pytest.mark.parametrize("name", BY_HAND)


def anchors(text: str) -> set[str]:
    """What a heading is called in a link."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def verbs_of_make() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (choices,) = [
        action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    return dict(choices)


def flags_of(parser: argparse.ArgumentParser) -> set[str]:
    return {flag for action in parser._actions for flag in action.option_strings}


def values_of(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from values_of(value, f"{path}{key}.")


VALUES = set(values_of(yaml.safe_load((ROOT / "helm/allusesystem-operator/values.yaml").read_text())))
PLUGIN = commands_of(command._parser())
CLIENT = commands_of(client._parser("alluse"))
METRICS = {family.name for family in Metrics().registry.collect()}


@each_page
def test_links_lead_somewhere(name: str) -> None:
    prose = re.sub(r"`[^`\n]+`", "", TEXTS[name])
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / name).parent / path if path else ROOT / name
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), target


@each_page
def test_verbs_of_make_exist(name: str) -> None:
    assert set(re.findall(r"(?:`|^|\$ )make ([a-z-]+)", TEXTS[name], re.MULTILINE)) <= verbs_of_make()
    for parts in re.findall(r"make bench ARGS='?([a-z ]+)", TEXTS[name]):
        assert set(parts.split()) <= PARTS.keys()


@each_page
def test_commands_and_their_flags_exist(name: str) -> None:
    # A line that begins with `alluse` is mostly the system of that name in an answer.
    for begins, commands in ((r"(?:`|^|\$ )kubectl allusesystem", PLUGIN), (r"(?:`|\$ )alluse", CLIENT)):
        for line in re.findall(rf"{begins} ([^`#\n;]+)", TEXTS[name], re.MULTILINE):
            verb, *words = line.split()
            assert verb in commands, line
            # `chat` and `run` are handed on to the client.
            parser = CLIENT[verb] if verb in CLIENT else commands[verb]
            flags = {word.partition("=")[0].strip("[]") for word in words if word.lstrip("[").startswith("-")}
            assert flags <= flags_of(parser), line


@each_written_page
def test_values_of_the_chart_exist(name: str) -> None:
    named = set(re.findall(r"`((?:[a-z][A-Za-z]*\.)*[a-z][A-Za-z]*)=", TEXTS[name]))
    named |= set(re.findall(r"--set(?:-string)? ([A-Za-z.]+)=", TEXTS[name]))
    assert {
        value for value in named if value.partition(".")[0] in {v.partition(".")[0] for v in VALUES}
    } <= VALUES


@each_written_page
def test_paths_exist(name: str) -> None:
    """Of files as from the root, from a package's root, or (in the map) from the package that it is about."""
    roots = (ROOT, ROOT / "operator/alluse_operator", ROOT / "components", ROOT / "components/alluse")
    for path in re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", TEXTS[name]):
        first = path.partition("/")[0]
        if any((root / first).is_dir() for root in roots) and first != "build":
            assert any((root / path).exists() for root in roots), path


@each_page
def test_metrics_exist(name: str) -> None:
    for metric in set(re.findall(r"\ballusesystem_[a-z_]+", TEXTS[name])):
        bare = re.sub(r"_(total|bucket|sum|count)$", "", metric)
        assert {metric, bare} & METRICS, metric


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in TEXTS.items():
        for block in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if "kind: AllUseSystem" in block and "…" not in block:
                yield name, yaml.safe_load(block)
        for block in re.findall(r"<<EOF\n(.*?)^EOF", text, re.MULTILINE | re.DOTALL):
            yield name, yaml.safe_load(block)


@pytest.mark.parametrize(("name", "resource"), [*examples()])
def test_examples_are_accepted(name: str, resource: dict[str, Any]) -> None:
    spec = validation.parse(resource["spec"])
    assert validation.validate(resource["metadata"]["name"], spec, SPECS, INTERLOCKS) == ()


def test_every_page_is_in_the_list() -> None:
    """The decisions have an index of their own, which is generated."""
    listed = set(re.findall(r"\]\(([^)#\s]+)\)", TEXTS["docs/README.md"]))
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert {page for page in pages if not page.startswith("decisions/")} - {"README.md"} <= listed
