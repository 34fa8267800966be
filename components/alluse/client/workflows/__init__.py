"""The four workflows as steps: what is asked of which component, and what the answer must show.

onboarding     five turns of a new user with the agent, within 5 s
trading        analysis, risk, size, delta and the agent's word about one symbol, within 3 s
risk           a fall of a tenth: assessment, check, proposal, report, the agent's word, within 2 s
optimisation   metrics, a warmed cache, an optimisation, health, within 1 s
"""

from typing import Final

from alluse.client.workflows.onboarding import ONBOARDING
from alluse.client.workflows.optimisation import OPTIMISATION
from alluse.client.workflows.risk import RISK
from alluse.client.workflows.steps import Run, Workflow, run_steps
from alluse.client.workflows.trading import TRADING

__all__ = ["ONBOARDING", "OPTIMISATION", "RISK", "TRADING", "WORKFLOWS", "Run", "Workflow", "run_steps"]

WORKFLOWS: Final = {workflow.name: workflow for workflow in (ONBOARDING, TRADING, RISK, OPTIMISATION)}
