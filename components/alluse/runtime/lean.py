"""Keeps out of sixteen processes what none of them uses. Importing this module is what does it.

- pydantic's plugins are switched off; their loader alone would import the standard library's package metadata
  with e-mail, zip and compression: 37 modules and 1.7 MB. A stand-in loads it if somebody asks it something.
- asyncio is imported without TLS, which no component speaks on its event loop: 0.7 MB. `import ssl` works
  afterwards, for whoever sends to a receiver with https.
- Digests come from Python's own code, not from OpenSSL: 0.4 MB. They are of short texts.
- Linear algebra on matrices of ten columns gains nothing from threads, one per core and process.
"""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Final

_METADATA: Final = "importlib.metadata"


class _StandIn(ModuleType):
    """Takes the place of a module until somebody wants more of it than its `known` names."""

    def __init__(self, name: str, known: dict[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _keep_out_metadata() -> None:
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    if _METADATA in sys.modules:
        return
    sys.modules[_METADATA] = _StandIn(_METADATA, {"entry_points": _entry_points})


def _entry_points(**wanted: str) -> Any:
    """The one name that pydantic's loader takes along when it is imported, and then does not call."""
    sys.modules.pop(_METADATA, None)
    return importlib.import_module(_METADATA).entry_points(**wanted)


def _forbid(name: str) -> None:
    """From now on importing it fails, and who imports it if it is there does without."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    modules[name] = None


def _keep_out_openssl() -> None:
    if "hashlib" not in sys.modules and importlib.util.find_spec("_sha256") is not None:
        _forbid("_hashlib")
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        _forbid("ssl")
        importlib.import_module("asyncio")
        del sys.modules["ssl"]


_keep_out_metadata()
_keep_out_openssl()
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
