"""Who this process is and where the others are, read once from the environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alluse import contract
from alluse.contract import COMPONENTS, ComponentFacts


class StartError(Exception):
    """The process cannot run at all: its environment is wrong. Says which variable and what it wants."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Name, place and peers of one component process."""

    facts: ComponentFacts
    system: str = ""
    environment: str = contract.DEFAULT_ENVIRONMENT
    version: str = "unknown"
    host: str = ""
    port: int = contract.PORT
    config_dir: Path = Path(contract.DEFAULT_CONFIG_DIR)
    state_dir: Path = Path(contract.DEFAULT_STATE_DIR)
    pod: str = ""
    namespace: str = ""
    service_prefix: str = ""
    #: Whether faults may be injected whatever the environment.
    faults: bool = False
    #: Base URLs that replace `http://<prefix><component>:<port>`.
    peers: Mapping[str, str] = field(default_factory=dict)
    #: The variables `ALL_USE__…`, which set configuration values.
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def takes_faults(self) -> bool:
        """Whether this process may be broken on purpose."""
        return self.faults or self.environment == "test"

    def url(self, component: str) -> str:
        """Base URL of a peer, without a trailing slash. Raises KeyError for a name outside the catalog."""
        if component in self.peers:
            return self.peers[component].rstrip("/")
        return f"http://{self.service_prefix}{COMPONENTS[component].name}:{contract.PORT}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Identity":
        """Read the variables of the component contract.

        Raises StartError naming the variable that is missing or wrong.
        """
        name = environ.get(contract.ENV_COMPONENT, "")
        if name not in COMPONENTS:
            raise StartError(
                f"{contract.ENV_COMPONENT} is {name!r}; it must be one of {', '.join(COMPONENTS)}"
            )
        return cls(
            facts=COMPONENTS[name],
            system=environ.get(contract.ENV_SYSTEM, ""),
            environment=environ.get(contract.ENV_ENVIRONMENT, "") or contract.DEFAULT_ENVIRONMENT,
            version=environ.get(contract.ENV_VERSION, "") or "unknown",
            host=environ.get(contract.ENV_HOST, ""),
            port=_port(environ.get(contract.ENV_PORT, "") or str(contract.PORT)),
            config_dir=Path(environ.get(contract.ENV_CONFIG_DIR) or contract.DEFAULT_CONFIG_DIR),
            state_dir=Path(environ.get(contract.ENV_STATE_DIR) or contract.DEFAULT_STATE_DIR),
            pod=environ.get(contract.ENV_POD_NAME, ""),
            namespace=environ.get(contract.ENV_POD_NAMESPACE, ""),
            service_prefix=environ.get(contract.ENV_SERVICE_PREFIX, ""),
            faults=environ.get(contract.ENV_FAULTS, "") == contract.FAULTS_ENABLED,
            peers=_peers(environ.get(contract.ENV_PEERS, "")),
            variables={
                key: value
                for key, value in environ.items()
                if key.startswith(contract.CONFIG_VARIABLE_PREFIX)
            },
        )


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StartError(f"{contract.ENV_PORT} is {text!r}; it must be a port number")
    return int(text)


def _peers(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        peers = json.loads(text)
    except ValueError as error:
        raise StartError(f"{contract.ENV_PEERS} is not JSON: {error}") from None
    if not isinstance(peers, dict) or not all(isinstance(url, str) for url in peers.values()):
        raise StartError(f"{contract.ENV_PEERS} must be a JSON object of component to base URL")
    if unknown := sorted(set(peers) - set(COMPONENTS)):
        raise StartError(f"{contract.ENV_PEERS} names unknown components: {', '.join(unknown)}")
    return peers
