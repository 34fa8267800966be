"""The rule file is one that Prometheus takes, and each of its alerts fires when it should and not else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from tools.generate import files, monitoring

from alluse_operator.metrics import Metrics

CASES = Path(__file__).with_name("rules.test.yaml")


def promtool(program: Path, *arguments: str) -> str:
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules(programs: dict[str, Path]) -> None:
    count = sum(len(group["rules"]) for group in monitoring.rule_groups()["groups"])
    said = promtool(programs["promtool"], "check", "rules", "--lint=all", "--lint-fatal", str(files.RULES))
    assert f"SUCCESS: {count} rules found" in said


def test_each_alert_fires_when_it_should_and_not_else(programs: dict[str, Path]) -> None:
    promtool(programs["promtool"], "test", "rules", str(CASES))


def test_no_alert_is_without_a_case() -> None:
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    firing = {case["alertname"] for case in cases if case.get("exp_alerts")}
    quiet = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    rules = {rule["alert"] for group in monitoring.rule_groups()["groups"] for rule in group["rules"]}
    assert rules == firing == quiet


def test_the_rules_read_series_that_the_operator_has() -> None:
    families = {family.name for family in Metrics().registry.collect()}
    words = (
        yaml.safe_dump(monitoring.rule_groups()).replace("(", " ").replace("{", " ").replace(")", " ").split()
    )
    read = {word.split("[")[0].removesuffix("_total") for word in words if word.startswith("allusesystem_")}
    assert read
    assert read <= families


def test_a_graph_of_one_s_own_gets_its_rules() -> None:
    spec = {
        "profile": "Custom",
        "components": [
            {"name": "store", "image": "x:1"},
            {"name": "api", "image": "x:1", "dependsOn": [{"name": "store"}]},
            {
                "name": "web",
                "image": "x:1",
                "dependsOn": [{"name": "api"}, {"name": "ads", "requirement": "Preferred"}],
            },
            {"name": "ads", "image": "x:1", "dependsOn": [{"name": "store", "onUnhealthy": "Ignore"}]},
        ],
    }
    edges = monitoring.causal_edges(monitoring.system_of(spec))
    by_source = {
        rule["source_matchers"][1]: rule["target_matchers"][1]
        for rule in monitoring.inhibit_rules(edges)
        if any(matcher.startswith("component=") for matcher in rule["source_matchers"])
    }
    assert by_source == {'component="store"': 'component=~"api|web"', 'component="api"': 'component=~"web"'}
