"""The shipped model of intents, read once."""

import hashlib
from functools import cache
from pathlib import Path

from alluse.domain.intents_model import IntentModel

_FILE = Path(__file__).parent.parent / "data" / "intents.npz"


@cache
def intent_model() -> IntentModel:
    """Raises UnreadableModelError when the file is damaged (its members carry checksums)."""
    return IntentModel.parse(_FILE.read_bytes())


@cache
def intent_model_digest() -> str:
    """SHA-256 of the file."""
    return hashlib.sha256(_FILE.read_bytes()).hexdigest()
