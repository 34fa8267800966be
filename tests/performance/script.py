"""The yardstick: the least that can start a graph in order. One watch, no state, no repair.

`python -m performance.script KUBECONFIG OBJECTS NAMESPACE...` starts the graph in each namespace, keeps deleted
Deployments alive. OBJECTS is `three` (the smallest ConfigMap, Service and Deployment), `five` (and a ServiceAccount
and a NetworkPolicy before them, as many as the operator makes) or `same` (exactly what the operator makes). It
says "ready", starts at a line on standard input, and at its end prints its requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from performance.api import Api
from performance.graph import edges, guards, objects, rendered

Made = list[tuple[str, dict[str, Any]]]


def planned(made: str, namespaces: list[str]) -> dict[tuple[str, str], Made]:
    """What is made for each (namespace, component), in its order; the Deployment is the last."""
    if made == "same":
        return {(space, name): found for space in namespaces for name, found in rendered(space).items()}
    return {
        (space, name): [*(guards(name, space) if made == "five" else []), *objects(name, space)]
        for space in namespaces
        for name in edges()
    }


async def main(kubeconfig: str, made: str, namespaces: list[str], begun: asyncio.Event) -> None:
    graph, plan = edges(), planned(made, namespaces)
    async with Api.connect(kubeconfig) as api:
        created: set[tuple[str, str]] = set()
        available: set[tuple[str, str]] = set()

        async def create(namespace: str, component: str) -> None:
            for path, obj in plan[namespace, component]:
                await api.post(path, obj)

        def startable() -> list[tuple[str, str]]:
            return [
                (namespace, component)
                for namespace in namespaces
                for component, needs in graph.items()
                if (namespace, component) not in created
                and all((namespace, need) in available for need in needs)
            ]

        async def start() -> None:
            now = startable()
            created.update(now)
            await asyncio.gather(*(create(*key) for key in now))

        listing = await api.get("/apis/apps/v1/deployments")
        version = listing["metadata"]["resourceVersion"]
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        tasks = {asyncio.create_task(start())}
        begun.set()
        try:
            async for event in api.watch(f"/apis/apps/v1/deployments?watch=true&resourceVersion={version}"):
                metadata = event["object"]["metadata"]
                name = metadata.get("labels", {}).get("alluse.io/component", metadata["name"])
                key = (metadata["namespace"], name)
                if event["type"] == "DELETED" and key in plan:
                    path, obj = plan[key][-1]
                    tasks.add(asyncio.create_task(api.post(path, obj)))
                elif event["object"].get("status", {}).get("availableReplicas") and key not in available:
                    available.add(key)
                    tasks.add(asyncio.create_task(start()))
                for task in [task for task in tasks if task.done()]:
                    tasks.discard(task)
                    task.result()
        finally:
            # What is under way when the session closes is nobody's loss; but somebody must hear of its end.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def until_told(kubeconfig: str, made: str, namespaces: list[str]) -> None:
    begun = asyncio.Event()
    work = asyncio.create_task(main(kubeconfig, made, namespaces, begun))
    await begun.wait()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    print(json.dumps({"requests": Api.requests}), flush=True)


if __name__ == "__main__":
    asyncio.run(until_told(sys.argv[1], sys.argv[2], sys.argv[3:]))
