"""The yardstick: the least that can start a graph in order. One watch, no state, no repair.

`python -m performance.script KUBECONFIG OBJECTS NAMESPACE...` starts the graph in each namespace, keeps deleted
Deployments alive. OBJECTS is 3 (ConfigMap, Service, Deployment) or 5 (and a ServiceAccount and a NetworkPolicy
before them, as many as the operator makes). It says "ready", starts at a line on standard input, and at its end prints its requests.
"""

from __future__ import annotations

import asyncio
import json
import sys

from performance.api import Api
from performance.graph import edges, guards, objects


async def main(kubeconfig: str, guarded: bool, namespaces: list[str], begun: asyncio.Event) -> None:
    graph = edges()
    async with Api.connect(kubeconfig) as api:
        created: set[tuple[str, str]] = set()
        available: set[tuple[str, str]] = set()

        async def create(namespace: str, component: str) -> None:
            before = guards(component, namespace) if guarded else []
            for path, obj in (*before, *objects(component, namespace)):
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
                key = (event["object"]["metadata"]["namespace"], event["object"]["metadata"]["name"])
                if event["type"] == "DELETED":
                    path, obj = objects(key[1], key[0])[2]
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


async def until_told(kubeconfig: str, guarded: bool, namespaces: list[str]) -> None:
    begun = asyncio.Event()
    work = asyncio.create_task(main(kubeconfig, guarded, namespaces, begun))
    await begun.wait()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    print(json.dumps({"requests": Api.requests}), flush=True)


if __name__ == "__main__":
    asyncio.run(until_told(sys.argv[1], sys.argv[2] == "5", sys.argv[3:]))
