"""All sixteen at once: each says who it is, and each ends well when it is told to."""

import signal

from alluse.contract import COMPONENTS
from component_processes import Cluster


def test_all_sixteen_run_and_stop(whole: Cluster) -> None:
    for name, process in whole.running.items():
        assert process.get("/info")[1]["order"] == COMPONENTS[name].order
        status, report = process.get("/health")
        assert (status, report["component"]) == (200, name)
        assert process.get("/openapi.json")[1]["info"]["title"] == name
    for process in whole.running.values():
        process.process.send_signal(signal.SIGTERM)
    codes = {name: process.process.wait(30) for name, process in whole.running.items()}
    assert codes == dict.fromkeys(COMPONENTS, 0)
