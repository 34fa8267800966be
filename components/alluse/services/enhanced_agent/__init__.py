"""enhanced-agent: the conversation: understands, decides, computes with the others, answers."""

from alluse.services.enhanced_agent.agent import SERVICE

__all__ = ["SERVICE"]
