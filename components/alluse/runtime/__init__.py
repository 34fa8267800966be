"""What all components share: serving, configuration, health, logs, metrics, events, calls, state.

A component is a `Service` (service.py): endpoints, checks, a self-test, tasks and event consumers as data.
`Runtime` (runtime.py) puts the parts around it; `serve` (server.py) runs it as a process. The runtime
keeps to the standard library, pydantic, structlog and h11: sixteen processes share one machine's memory.
"""
