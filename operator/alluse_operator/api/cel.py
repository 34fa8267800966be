"""The start graph as CEL expressions: what the API server checks before it stores a system.

CEL has no variables, no recursion and no loops that carry a value. What helps:

* `let`: a list of one element, mapped, and its only element taken again.
* Kahn's algorithm unrolled: begin with the components that depend on nothing, and
  nest once per level "those whose dependencies are all among the former". A system
  has at most `MAX_COMPONENTS` components, so that many levels less one reach every
  component that can ever start. The rest are in a cycle or behind one.

The graph is the *effective* one: catalog entries (profile WS1), then
`spec.components`, then the selected environment; a `dependsOn` of an upper layer takes
the place of the lower one's. Iterations run over fields of the resource wherever
possible, not over lists made on the way: only for those does the API server know
bounds, and it refuses a rule whose cost it cannot bound.

Names bound around an expression by `in_graph`:

    o      components of the selected environment (overrides)
    ov     names in o that have their own dependsOn
    free   names of the catalog whose edges nobody has replaced
    g0...  those of `free`, grouped by their edges (one group has none)
    all    names of all components
    roots  names that depend on nothing
"""

from collections.abc import Iterable, Mapping

from alluse_operator.api.spec import MAX_COMPONENTS, ComponentSpec, Requirement

Catalog = Mapping[str, ComponentSpec]

#: How often "nobody that is stuck depends on it" is applied to find those in the cycle among
#: those behind it. Each level costs as much as thirty of the search, so the message of a
#: cycle may also name what is further behind it.
_PEELINGS = 3

SELECTED = (
    "self.environments.exists(e, e.name == self.environment)"
    " ? self.environments.filter(e, e.name == self.environment)[0].components : []"
)


def let(name: str, value: str, body: str) -> str:
    """`body` with `name` standing for `value`."""
    return f"[{value}].map({name}, {body})[0]"


def joined(strings: str, separator: str = ", ") -> str:
    """The strings in one. Only a bound list has an element size that the API server takes into account."""
    return let("t", strings, f"t.join('{separator}')")


def literal(names: Iterable[str]) -> str:
    """A list of strings."""
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


def in_catalog(catalog: Catalog) -> str:
    """The names of the catalog that this system has."""
    return f"(self.profile == 'WS1' ? {literal(catalog)} : [])"


def known(catalog: Catalog) -> str:
    """The names of all components of this system; those of the catalog may come twice."""
    return f"self.components.map(c, c.name) + {in_catalog(catalog)}"


def in_graph(catalog: Catalog, body: str) -> str:
    """`body` with the names of the module's docstring bound."""
    groups = _groups(catalog)
    rooted = [f"g{index}" for index, edges in enumerate(groups) if not edges]
    body = let(
        "roots",
        " + ".join(
            [
                "self.components.map(c, !(c.name in ov) && !(c.name in free)"
                " && (!has(c.dependsOn) || size(c.dependsOn) == 0), c.name)",
                "o.map(c, has(c.dependsOn) && size(c.dependsOn) == 0, c.name)",
                *rooted,
            ]
        ),
        body,
    )
    body = let("all", _all_names(), body)
    for index, members in enumerate(groups.values()):
        body = let(f"g{index}", f"free.filter(n, n in {literal(members)})", body)
    body = let(
        "free",
        f"{in_catalog(catalog)}.filter(n, !(n in ov)"
        " && !self.components.exists(c, c.name == n && has(c.dependsOn)))",
        body,
    )
    body = let("ov", "o.map(c, has(c.dependsOn), c.name)", body)
    return let("o", SELECTED, body)


def is_acyclic(catalog: Catalog) -> str:
    """True when every component can start. Larger systems are left to the rule about their size."""
    return in_graph(catalog, f"size(all) > {MAX_COMPONENTS} || size({_startable(catalog)}) == size(all)")


def cycle_members(catalog: Catalog) -> str:
    """The names in (or closely behind) a cycle, joined by commas."""
    stuck = let("ok", _startable(catalog), "all.filter(n, !(n in ok))")
    for level in range(_PEELINGS):
        stuck = let(f"u{level}", stuck, f"u{level}.filter(n, {_depended_on(catalog, f'u{level}')})")
    return in_graph(catalog, joined(stuck))


def needs_disabled(catalog: Catalog) -> tuple[str, str]:
    """Whether a component that runs has a Required edge to one that does not; and which, as a text."""
    lacks = "d.requirement == 'Required' && d.name in off"
    broken = f"has(c.dependsOn) && !(c.name in off) && c.dependsOn.exists(d, {lacks})"
    text = "c.name + ' needs ' + " + joined(f"c.dependsOn.map(d, {lacks}, d.name)")
    exist = [f"self.components.exists(c, !(c.name in ov) && {broken})", f"o.exists(c, {broken})"]
    texts = [
        f"self.components.map(c, !(c.name in ov) && {broken}, {text})",
        f"o.map(c, {broken}, {text})",
    ]
    for name, component in catalog.items():
        required = [d.name for d in component.depends_on or () if d.requirement is Requirement.REQUIRED]
        if required:
            missing = f"{literal(required)}.filter(n, n in off)"
            condition = f"'{name}' in free && !('{name}' in off) && size({missing}) > 0"
            exist.append(f"({condition})")
            texts.append(f"({condition} ? ['{name} needs ' + {joined(missing)}] : [])")

    def bind(body: str) -> str:
        return in_graph(catalog, let("off", OFF, body))

    return bind(" || ".join(exist)), bind(joined(" + ".join(texts), "; "))


OFF = (
    "self.components.map(c, has(c.enabled) && !c.enabled"
    " && !o.exists(x, x.name == c.name && has(x.enabled)), c.name)"
    " + o.map(x, has(x.enabled) && !x.enabled, x.name)"
)
"""Names of the components that do not run in the selected environment; expects `o`."""


def _all_names() -> str:
    """Names of all components, each once. An override of something unknown is left to its own rule."""
    return (
        "self.components.map(c, c.name) + free.filter(n, !self.components.exists(c, c.name == n))"
        " + o.map(c, has(c.dependsOn) && !self.components.exists(b, b.name == c.name), c.name)"
    )


def _groups(catalog: Catalog) -> dict[tuple[str, ...], list[str]]:
    """Names of the catalog by what they depend on."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, component in catalog.items():
        groups.setdefault(tuple(edge.name for edge in component.depends_on or ()), []).append(name)
    return groups


def _startable(catalog: Catalog) -> str:
    """The names that can start, whatever the order."""
    names = "roots"
    for level in range(MAX_COMPONENTS - 1):
        names = let(f"s{level}", names, _next_level(catalog, f"s{level}"))
    return names


def _next_level(catalog: Catalog, started: str) -> str:
    """The names whose dependencies are all in `started`, those without dependencies included."""
    edges_hold = f"c.dependsOn.all(d, d.name in {started} || d.name == c.name || !(d.name in all))"
    holds = f"has(c.dependsOn) && size(c.dependsOn) > 0 && {edges_hold}"
    parts = [
        "roots",
        f"self.components.map(c, !(c.name in ov) && {holds}, c.name)",
        f"o.map(c, {holds}, c.name)",
    ]
    for index, edges in enumerate(_groups(catalog)):
        if edges:
            condition = " && ".join(f"'{edge}' in {started}" for edge in edges)
            parts.append(f"({condition} ? g{index} : [])")
    return " + ".join(parts)


def _depended_on(catalog: Catalog, stuck: str) -> str:
    """Whether one of `stuck` depends on `n`."""
    edge = f"c.name in {stuck} && has(c.dependsOn) && c.dependsOn.exists(d, d.name == n)"
    terms = [f"self.components.exists(c, !(c.name in ov) && {edge})", f"o.exists(c, {edge})"]
    for index, edges in enumerate(_groups(catalog)):
        if edges:
            terms.append(f"(n in {literal(edges)} && g{index}.exists(m, m in {stuck}))")
    return " || ".join(terms)
