"""Keeps out of sixteen processes what none of them uses. Importing this module is what does it.

pydantic looks for plugins when its first model is built, and for that imports the standard library's
package metadata with e-mail, zip and compression: 45 modules and 1.3 MB. Plugins are switched off, and the
module is only loaded if somebody really asks it something. Linear algebra on matrices of ten columns
gains nothing from threads, which would be one per core and process.
"""

import importlib.util
import os
import sys


def _switch_off_plugins() -> None:
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    name = "importlib.metadata"
    if name in sys.modules or (spec := importlib.util.find_spec(name)) is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


_switch_off_plugins()
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
