"""The health report of a component in this process."""

from typing import Any

from inprocess import Component


def checks(it: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and detail of each check by name."""
    return {check["name"]: (check["status"], check["detail"]) for check in it["checks"]}


async def report(it: Component) -> tuple[int, dict[str, Any]]:
    """Status and body of a report that is made now."""
    it.runtime.board.forget_report()
    answer = await it.get("/health")
    return answer.status, answer.json
