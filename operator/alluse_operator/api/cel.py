"""The start graph as CEL expressions: what the API server checks before it stores a system.

CEL has no variables, no recursion and no loops that carry a value. What helps:

* `let`: a list of one element, mapped, and its only element taken again.
* Peeling, unrolled: begin with the components that depend on something, and keep, once
  per level, "those that depend on one of them". A level that takes nobody away ends the
  search: who is left is in a cycle or behind one. A system has at most
  `MAX_COMPONENTS` components, so that many levels less one are enough, and most systems
  are done after as many levels as their start has steps.

What an expression costs the API server is the reading of fields: each one makes a map
of all the fields that its object could have. So the names are read once, and compared
with lists of names.

The graph is the *effective* one: catalog entries (profile WS1), then
`spec.components`, then the selected environment; a `dependsOn` of an upper layer takes
the place of the lower one's. Iterations run over fields of the resource wherever
possible, not over lists made on the way: only for those does the API server know
bounds, and it refuses a rule whose cost it cannot bound.

Names bound around an expression by `in_graph`:

    o      components of the selected environment (overrides)
    ov     names in o that have their own dependsOn
    own    names in spec.components that have their own dependsOn
    free   names of the catalog whose edges nobody has replaced
    g0...  those of `free`, grouped by their edges (those without any left out)
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
    for index, members in enumerate(_groups(catalog).values()):
        body = let(f"g{index}", f"free.filter(n, n in {literal(members)})", body)
    body = let("free", f"{in_catalog(catalog)}.filter(n, !(n in ov) && !(n in own))", body)
    body = let("own", "self.components.map(c, has(c.dependsOn), c.name)", body)
    body = let("ov", "o.map(c, has(c.dependsOn), c.name)", body)
    return let("o", SELECTED, body)


def is_acyclic(catalog: Catalog) -> str:
    """True when every component can start. Larger systems are left to the rule about their size."""
    return in_graph(
        catalog, let("stuck", _stuck(catalog), f"size(stuck) == 0 || {_size(catalog)} > {MAX_COMPONENTS}")
    )


def cycle_members(catalog: Catalog) -> str:
    """The names in (or closely behind) a cycle, joined by commas."""
    stuck = _stuck(catalog)
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

    def bind(body: str, first: str = "") -> str:
        # `in_graph` binds `o` again, to the same.
        return let("o", SELECTED, let("off", OFF, f"{first}{in_graph(catalog, body)}"))

    return bind(" || ".join(exist), "size(off) > 0 && "), bind(joined(" + ".join(texts), "; "))


OFF = (
    "self.components.map(c, has(c.enabled) && !c.enabled"
    " && !o.exists(x, x.name == c.name && has(x.enabled)), c.name)"
    " + o.map(x, has(x.enabled) && !x.enabled, x.name)"
)
"""Names of the components that do not run in the selected environment; expects `o`."""


def _size(catalog: Catalog) -> str:
    """How many components there are."""
    return let("k", in_catalog(catalog), "size(k) + size(self.components.filter(c, !(c.name in k)))")


def _groups(catalog: Catalog) -> dict[tuple[str, ...], list[str]]:
    """Names of the catalog that depend on something, by what they depend on."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, component in catalog.items():
        if component.depends_on:
            groups.setdefault(tuple(edge.name for edge in component.depends_on), []).append(name)
    return groups


def _stuck(catalog: Catalog) -> str:
    """The names that cannot start, whatever the order: those in a cycle, and those behind one."""
    names = " + ".join(
        [
            "self.components.map(c, has(c.dependsOn) && size(c.dependsOn) > 0 && !(c.name in ov), c.name)",
            *(f"g{index}" for index in range(len(_groups(catalog)))),
            "o.map(c, has(c.dependsOn) && size(c.dependsOn) > 0, c.name)",
        ]
    )
    levels = MAX_COMPONENTS - 1
    found = f"s{levels}"
    for level in reversed(range(levels)):
        before, after = f"s{level}", f"s{level + 1}"
        found = let(
            after, _still_stuck(catalog, before), f"size({after}) in [0, size({before})] ? {after} : {found}"
        )
    return let("s0", names, found)


def _still_stuck(catalog: Catalog, stuck: str) -> str:
    """Those of `stuck` that depend on one of them."""
    on_one = f"c.dependsOn.exists(d, d.name in {stuck} && d.name != c.name)"
    waits = f"c.name in {stuck} && has(c.dependsOn) && {on_one}"
    parts = [f"self.components.map(c, {waits} && !(c.name in ov), c.name)"]
    for index, edges in enumerate(_groups(catalog)):
        condition = " || ".join(f"'{edge}' in {stuck}" for edge in edges)
        parts.append(f"({condition} ? g{index}.filter(n, n in {stuck}) : [])")
    parts.append(f"o.map(c, {waits}, c.name)")
    return " + ".join(parts)


def _depended_on(catalog: Catalog, stuck: str) -> str:
    """Whether one of `stuck` depends on `n`."""
    edge = f"c.name in {stuck} && has(c.dependsOn) && c.dependsOn.exists(d, d.name == n)"
    terms = [f"self.components.exists(c, !(c.name in ov) && {edge})", f"o.exists(c, {edge})"]
    for index, edges in enumerate(_groups(catalog)):
        terms.append(f"(n in {literal(edges)} && g{index}.exists(m, m in {stuck}))")
    return " || ".join(terms)
