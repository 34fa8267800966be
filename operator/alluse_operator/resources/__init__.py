"""Pure builders: a resolved system in, Kubernetes objects out. One module for each kind."""

from alluse_operator.resources.build import build, build_all

__all__ = ["build", "build_all"]
