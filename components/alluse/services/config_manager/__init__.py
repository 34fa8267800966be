"""config-manager: one validated, versioned configuration for all components.

Files and variables are the truth and are read at the start; overrides are additions at run time, which
survive a restart. A change that does not make a valid whole changes nothing.
"""

from typing import Any, Final

from alluse.contract import COMPONENTS
from alluse.runtime.configuration import dig, flatten, nested
from alluse.runtime.context import Context
from alluse.runtime.errors import NotFoundError, SelfTestError
from alluse.runtime.service import Call, Check, Endpoint, Reply, Service, Task
from alluse.schemas.component_config import ComponentConfig
from alluse.schemas.config import (
    Changes,
    ComponentName,
    ConfigKey,
    ConfigValue,
    OverrideAnswer,
    OverrideRequest,
    Overrides,
    Revisions,
    ValidateAnswer,
    ValidateRequest,
    WatchRequest,
    WholeConfig,
)
from alluse.services.config_manager import ledger
from alluse.services.config_manager.layers import (
    OVERRIDES,
    VARIABLES,
    Layer,
    LayerError,
    assemble,
    packaged_layers,
    read_yaml,
    variable_layer,
)
from alluse.services.config_manager.manager import Manager, masked

#: Files are looked at this often.
LOOK_S: Final = 2.0


async def whole(call: Call[Manager]) -> Reply:
    manager = call.state
    answer = WholeConfig(
        revision=manager.revision,
        environment=call.context.identity.environment,
        values=nested(masked(manager.effective.leaves)),
        sources=dict(manager.effective.sources),
        warnings=manager.effective.settings.warnings(),
    )
    return Reply(answer, headers={"etag": f'"{manager.revision}"'})


async def one(call: Call[Manager], request: ConfigKey) -> ConfigValue:
    manager = call.state
    try:
        value = dig(nested(masked(manager.effective.leaves)), request.key)
    except KeyError:
        raise NotFoundError(f"there is no configuration key {request.key}") from None
    return ConfigValue(
        key=request.key,
        revision=manager.revision,
        value=value,
        sources={
            key: source
            for key, source in manager.effective.sources.items()
            if key == request.key or key.startswith(f"{request.key}.")
        },
    )


async def for_component(call: Call[Manager], request: ComponentName) -> ComponentConfig:
    if request.name not in COMPONENTS:
        raise NotFoundError(f"there is no component {request.name}; there are {', '.join(COMPONENTS)}")
    manager = call.state
    return ComponentConfig(
        component=request.name,
        revision=manager.revision,
        environment=call.context.identity.environment,
        values=nested(manager.component_values(request.name)),
    )


async def watch(call: Call[Manager], request: WatchRequest) -> Changes | None:
    limit = call.context.config.number("performance.async.timeout_seconds") - 0.5
    return await call.state.watch(request.since, min(request.timeout_s, limit))


async def put_override(call: Call[Manager], request: OverrideRequest) -> OverrideAnswer:
    return await call.state.put(
        call.params.key, request.value, request.reason, call.headers.get("if-match", "")
    )


async def delete_override(call: Call[Manager], request: ConfigKey) -> OverrideAnswer:
    return await call.state.drop(request.key, call.headers.get("if-match", ""))


async def list_overrides(call: Call[Manager]) -> Overrides:
    return Overrides(overrides=list(call.state.overrides.values()))


async def list_revisions(call: Call[Manager]) -> Revisions:
    found = await call.context.store.read(ledger.revisions)
    return Revisions(revisions=found[::-1])


async def validate(call: Call[Manager], request: ValidateRequest) -> ValidateAnswer:
    environment = call.context.identity.environment
    try:
        layer = Layer("yaml", await call.context.compute(read_yaml, request.yaml, "yaml"))
        effective = assemble([*packaged_layers(environment), layer], environment)
    except LayerError as error:
        return ValidateAnswer(valid=False, errors=error.problems, warnings=[])
    return ValidateAnswer(valid=True, errors=[], warnings=effective.settings.warnings())


async def open_manager(context: Context[Manager]) -> Manager:
    manager = Manager(context)
    await manager.open()
    return manager


async def look_at_files(context: Context[Manager]) -> None:
    await context.state.reload_if_changed()


async def check_files(context: Context[Manager]) -> str:
    return context.state.check_files()


def golden() -> None:
    """Known layers give known values and sources, and nonsense is refused."""
    layers = [
        *packaged_layers("production"),
        Layer("production.yaml", {"monitoring.health.check_interval": 20}),
        variable_layer({"ALL_USE__MONITORING__HEALTH__CHECK_INTERVAL": "15", "ALL_USE_ENV": "production"}),
    ]
    effective = assemble(layers, "production")
    got: dict[str, Any] = dict(flatten(effective.tree))
    for key, value, source in (
        ("monitoring.health.check_interval", 15.0, VARIABLES),
        ("monitoring.metrics.collection_interval", 1.0, "packaged"),
        ("development.test_mode", False, "packaged"),
        ("protocol.accounts.GEN_ACC.max_position", 0.15, "packaged"),
    ):
        if got.get(key) != value or effective.sources.get(key) != source:
            raise SelfTestError(
                f"{key} is {got.get(key)!r} from {effective.sources.get(key)}, want {value!r} from {source}"
            )
    try:
        assemble([*layers, Layer(OVERRIDES, {"monitoring.health.timeout_seconds": 16})], "production")
    except LayerError:
        return
    raise SelfTestError("a health time-out above its interval was accepted")


SERVICE: Final[Service[Manager]] = Service(
    name="config-manager",
    open=open_manager,
    migrations=ledger.MIGRATIONS,
    durable=True,
    selftest=golden,
    checks=(Check("files", check_files, critical=False),),
    tasks=(Task("files", look_at_files, LOOK_S),),
    endpoints=(
        Endpoint("GET", "/v1/config", whole, answer=WholeConfig, summary="Everything in force"),
        Endpoint("GET", "/v1/config/{key}", one, ConfigKey, ConfigValue, "One key or section", errors=(404,)),
        Endpoint(
            "GET",
            "/v1/components/{name}/config",
            for_component,
            ComponentName,
            ComponentConfig,
            "What one component reads",
            errors=(404,),
        ),
        Endpoint(
            "GET",
            "/v1/watch",
            watch,
            WatchRequest,
            Changes,
            "Wait for a change; 204 when there was none in the time",
            also=(204,),
        ),
        Endpoint("GET", "/v1/overrides", list_overrides, answer=Overrides, summary="Overrides in force"),
        Endpoint(
            "PUT",
            "/v1/overrides/{key}",
            put_override,
            OverrideRequest,
            OverrideAnswer,
            "Set a value at run time",
            params=ConfigKey,
            errors=(409,),
        ),
        Endpoint(
            "DELETE",
            "/v1/overrides/{key}",
            delete_override,
            ConfigKey,
            OverrideAnswer,
            "Take an override away",
            errors=(404, 409),
        ),
        Endpoint("GET", "/v1/revisions", list_revisions, answer=Revisions, summary="The last revisions"),
        Endpoint(
            "POST",
            "/v1/validate",
            validate,
            ValidateRequest,
            ValidateAnswer,
            "Check a configuration file without using it",
        ),
    ),
)
