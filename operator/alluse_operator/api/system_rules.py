"""The rules over the whole system that the API server checks at `kubectl apply`, in CEL.

They see all layers: the catalog (profile WS1; its names and edges are written into
the expressions when the definition is generated), `spec.components`, and the
environments. Their messages name the components.
"""

from alluse_operator.api import cel, messages
from alluse_operator.api.names import OBJECT_NAME_MAX_LENGTH
from alluse_operator.api.rules import Rule
from alluse_operator.api.spec import BUILT_IN_ENVIRONMENTS, DNS_LABEL, MAX_COMPONENTS


def system_rules(catalog: cel.Catalog) -> tuple[Rule, ...]:
    """The rules that need to see the whole system, for a catalog of built-in components."""
    return (
        *_identity(catalog),
        *_references(catalog),
        *_graph(catalog),
        *_edges_and_types(),
        *_catalog_only(catalog),
        _image(catalog),
        *_everywhere(
            "!has(c.stopGraceSeconds) || c.stopGraceSeconds <= self.teardown.deadlineSeconds",
            messages.STOP_GRACE,
        ),
    )


def _identity(catalog: cel.Catalog) -> tuple[Rule, ...]:
    longest = max(map(len, catalog))
    room = OBJECT_NAME_MAX_LENGTH - 1
    count = "size(k) + size(self.components.filter(c, !(c.name in k)))"
    return (
        Rule(
            "",
            f"self.metadata.name.matches('{DNS_LABEL}')",
            f"the name {messages.SYSTEM_NAME}",
            field="metadata.name",
        ),
        Rule(
            "",
            f"(self.spec.profile != 'WS1' || size(self.metadata.name) + {longest} <= {room})"
            f" && self.spec.components.all(c, size(self.metadata.name) + size(c.name) <= {room})",
            f"the name {messages.SYSTEM_NAME_LENGTH} (with profile WS1 at most {room - longest} characters)",
            field="metadata.name",
        ),
        Rule(
            "spec",
            f"self.environment in {cel.literal(BUILT_IN_ENVIRONMENTS)}"
            " || self.environments.exists(e, e.name == self.environment)",
            f"{messages.ENVIRONMENT}: {messages.ENVIRONMENT_REMEDY}",
            f"'{messages.ENVIRONMENT}: ' + self.environment + '; {messages.ENVIRONMENT_REMEDY}'",
            "environment",
        ),
        Rule(
            "spec",
            "self.profile != 'Custom' || size(self.components) > 0",
            messages.CUSTOM_EMPTY,
            field="components",
        ),
        Rule(
            "spec",
            cel.let("k", cel.in_catalog(catalog), f"{count} <= {MAX_COMPONENTS}"),
            messages.TOO_MANY,
            field="components",
        ),
    )


def _references(catalog: cel.Catalog) -> tuple[Rule, ...]:
    edges = cel.joined("c.dependsOn.map(d, !(d.name in k), d.name)")
    calls = cel.joined("c.calls.filter(n, n != '*' && !(n in k))")
    return (
        *_unknown(
            catalog,
            "has(c.dependsOn) && c.dependsOn.exists(d, !(d.name in k))",
            f"c.name + ' -> ' + {edges}",
            messages.UNKNOWN_DEPENDENCY,
        ),
        *_unknown(
            catalog,
            "has(c.calls) && c.calls.exists(n, n != '*' && !(n in k))",
            f"c.name + ' -> ' + {calls}",
            messages.UNKNOWN_CALL,
        ),
        _unknown(catalog, "!(c.name in k)", "c.name", messages.UNKNOWN_OVERRIDE)[1],
        _interlocks(catalog),
    )


def _interlocks(catalog: cel.Catalog) -> Rule:
    """The rule that interlocks name components of the system."""
    known = cel.known(catalog)
    broken = "!(i.guards in k) || i.requires.exists(n, !(n in k))"
    targets = cel.joined("([i.guards] + i.requires).filter(n, !(n in k))")
    which = cel.joined(f"self.interlocks.map(i, {broken}, i.name + ' -> ' + {targets})", "; ")
    return Rule(
        "spec",
        cel.let("k", known, f"!self.interlocks.exists(i, {broken})"),
        f"{messages.UNKNOWN_INTERLOCK}: {messages.UNKNOWN_REMEDY}",
        f"'{messages.UNKNOWN_INTERLOCK}: ' + {cel.let('k', known, which)} + '; {messages.UNKNOWN_REMEDY}'",
        "interlocks",
    )


def _unknown(catalog: cel.Catalog, broken: str, text: str, message: str) -> tuple[Rule, Rule]:
    """The rule that no component `c` is broken, once for the components and once for the environments.

    `k` stands for the names that the system has.
    """
    known = cel.known(catalog)
    in_base = cel.joined(f"self.components.map(c, {broken}, {text})", "; ")
    in_one = cel.joined(f"e.components.map(c, {broken}, 'in ' + e.name + ' ' + {text})", "; ")
    in_all = cel.joined(
        f"self.environments.map(e, e.components.exists(c, {broken}), {in_one})",
        "; ",
    )
    sentence = f"{message}: {messages.UNKNOWN_REMEDY}"
    return (
        Rule(
            "spec",
            cel.let("k", known, f"!self.components.exists(c, {broken})"),
            sentence,
            f"'{message}: ' + {cel.let('k', known, in_base)} + '; {messages.UNKNOWN_REMEDY}'",
            "components",
        ),
        Rule(
            "spec",
            cel.let("k", known, f"!self.environments.exists(e, e.components.exists(c, {broken}))"),
            sentence,
            f"'{message}: ' + {cel.let('k', known, in_all)} + '; {messages.UNKNOWN_REMEDY}'",
            "environments",
        ),
    )


def _graph(catalog: cel.Catalog) -> tuple[Rule, ...]:
    disabled, which = cel.needs_disabled(catalog)
    return (
        Rule(
            "spec",
            cel.is_acyclic(catalog),
            f"{messages.CYCLE}: {messages.CYCLE_REMEDY}",
            f"'{messages.CYCLE}: ' + {cel.cycle_members(catalog)} + '; {messages.CYCLE_REMEDY}'",
            "components",
        ),
        Rule(
            "spec",
            f"!({disabled})",
            f"{messages.DISABLED}: {messages.DISABLED_REMEDY}",
            f"'{messages.DISABLED}: ' + {which} + '; {messages.DISABLED_REMEDY}'",
            "components",
        ),
    )


def _edges_and_types() -> tuple[Rule, ...]:
    jobs = "self.components.map(c, c.type == 'Job', c.name)"
    fields = " || ".join(f"has(c.{name})" for name in messages.JOB_FIELDS)
    return (
        *_everywhere(
            "!has(c.dependsOn) || c.dependsOn.all(d, d.condition != 'Completed' || d.name in j)",
            messages.COMPLETED_SERVICE,
            ("j", jobs),
        ),
        *_everywhere(
            "!has(c.dependsOn) || c.dependsOn.all(d, d.condition != 'Healthy' || !(d.name in j))",
            messages.HEALTHY_JOB,
            ("j", jobs),
        ),
        _everywhere(f"!(c.name in j) || !({fields})", messages.JOB_OVERRIDE, ("j", jobs))[1],
    )


def _catalog_only(catalog: cel.Catalog) -> tuple[Rule, ...]:
    stateful = cel.literal(name for name, component in catalog.items() if component.storage)
    return (
        _everywhere(
            "!(c.name in k) || c.type == 'Service'",
            messages.CATALOG_JOB,
            ("k", cel.in_catalog(catalog)),
        )[0],
        *_everywhere(
            "!(c.name in k) || !has(c.replicas) || c.replicas == 1",
            messages.ONE_REPLICA,
            ("k", f"(self.profile == 'WS1' ? {stateful} : [])"),
        ),
    )


def _image(catalog: cel.Catalog) -> Rule:
    without = (
        "self.components.map(c, !(c.name in k) && !has(c.image) && !has(c.command)"
        " && !(has(c.enabled) && !c.enabled) && !(has(c.management) && c.management == 'ObserveOnly')"
        " && !o.exists(x, x.name == c.name && (has(x.image) || has(x.command))), c.name)"
    )
    default = (
        "has(self.image) && has(self.image.repository) || self.environments.exists(e,"
        " e.name == self.environment && has(e.image) && has(e.image.repository))"
    )

    def bind(body: str) -> str:
        return cel.let("k", cel.in_catalog(catalog), cel.let("o", cel.SELECTED, body))

    return Rule(
        "spec",
        f"{default} || size({bind(without)}) == 0",
        f"{messages.IMAGE_MISSING}: {messages.IMAGE_REMEDY}",
        f"'{messages.IMAGE_MISSING}: ' + {bind(cel.joined(without))} + '; {messages.IMAGE_REMEDY}'",
        "components",
    )


def _everywhere(holds: str, message: str, bound: tuple[str, str] | None = None) -> tuple[Rule, Rule]:
    """The rule that `holds` for each component `c`, once for the components, once for the environments."""
    base = f"self.components.all(c, {holds})"
    environments = f"self.environments.all(e, e.components.all(c, {holds}))"
    if bound is not None:
        base, environments = cel.let(*bound, base), cel.let(*bound, environments)
    return (
        Rule("spec", base, message, field="components"),
        Rule("spec", environments, message, field="environments"),
    )
