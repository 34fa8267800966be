"""The sinks of an installation, read from one JSON file: `{name: {type, url, ...}}`.

Who writes an AllUseSystem names sinks; addresses and credentials stand here alone, with whoever installs
the operator. Credentials are not even here: the file names the files that hold them, mounted from Secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alluse_operator.core.notices import BUILT_IN_SINKS
from alluse_operator.errors import SettingsError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SINKS_MAX = 32


class SinkType(StrEnum):
    WEBHOOK = "webhook"
    ALERTMANAGER = "alertmanager"
    APPRISE = "apprise"


#: Keys that a sink of a type may have, and those that it must have.
_KEYS: Mapping[SinkType, tuple[frozenset[str], frozenset[str]]] = {
    SinkType.WEBHOOK: (frozenset({"url", "urlFile", "hmacKeyFile", "tokenFile"}), frozenset({"hmacKeyFile"})),
    SinkType.ALERTMANAGER: (frozenset({"url", "urlFile", "tokenFile"}), frozenset()),
    SinkType.APPRISE: (frozenset({"urlFile"}), frozenset({"urlFile"})),
}


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """One sink. Either `url` is set or `url_file`; files are read anew each time, so Secrets can change."""

    name: str
    type: SinkType
    url: str = ""
    url_file: Path | None = None
    hmac_key_file: Path | None = None
    """webhook: signs what is sent."""
    token_file: Path | None = None
    """Sent as `Authorization: Bearer`."""


def load(path: Path) -> tuple[SinkSettings, ...]:
    """Read the file; raises SettingsError, which names the sink and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"--alert-sinks: {path} cannot be read ({type(error).__name__}); mount it, or give no file"
        ) from None
    return parse(text, str(path))


def parse(text: str, where: str) -> tuple[SinkSettings, ...]:
    """Sinks from the JSON text; `where` names it in errors."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--alert-sinks: {where} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"--alert-sinks: {where} must be an object of sinks by name")
    if len(document) > SINKS_MAX:
        raise SettingsError(f"--alert-sinks: {where} has {len(document)} sinks; {SINKS_MAX} are the most")
    return tuple(_sink(name, value, f"--alert-sinks: sink {name!r}") for name, value in document.items())


def address_problem(url: str) -> str:
    """What keeps a text from being an address to send to, or empty. The text itself is not repeated."""
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or parts.port > 0
    except ValueError:
        return "is no URL"
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_good:
        return "is no http or https URL"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password; use a token, or give the URL as a Secret without them"
    if any(character.isspace() or ord(character) < 0x20 for character in url):
        return "holds white space"
    return ""


def _sink(name: str, value: Any, where: str) -> SinkSettings:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{where}: a name has lower case letters, digits and dashes, 63 at most")
    if name in BUILT_IN_SINKS:
        raise SettingsError(f"{where}: this one is built in and cannot be set up; take another name")
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise SettingsError(f"{where} must be an object of texts")
    kind = value.get("type")
    if kind not in tuple(SinkType):
        raise SettingsError(f"{where}: type {kind!r} is none of {', '.join(SinkType)}")
    allowed, needed = _KEYS[SinkType(kind)]
    given = {key for key, entry in value.items() if key != "type" and entry}
    if unknown := sorted(given - allowed):
        raise SettingsError(
            f"{where}: {kind} takes no {', '.join(unknown)}; it takes {', '.join(sorted(allowed))}"
        )
    if missing := sorted(needed - given):
        raise SettingsError(f"{where}: {kind} needs {', '.join(missing)}")
    if len(given & {"url", "urlFile"}) != 1:
        raise SettingsError(f"{where}: give either url or urlFile")
    if "url" in given and (problem := address_problem(value["url"])):
        raise SettingsError(f"{where}: its url {problem}")
    if kind == SinkType.APPRISE and find_spec("apprise") is None:
        raise SettingsError(
            f"{where}: apprise is not in this image; make one with `pip install allusesystem[apprise]`"
        )
    files = {
        key: Path(value[key]) if key in given else None for key in ("urlFile", "hmacKeyFile", "tokenFile")
    }
    return SinkSettings(
        name=name,
        type=SinkType(kind),
        url=value["url"] if "url" in given else "",
        url_file=files["urlFile"],
        hmac_key_file=files["hmacKeyFile"],
        token_file=files["tokenFile"],
    )
