"""Which definitions of a package some code reaches, found in the syntax without importing anything.

A *place* is written `module:name`, for a function, a class (whole: methods, bases, decorators) or an assignment at the
top of a module; `module:` is everything else there: what runs when the module is imported. A place reaches

- the import of its module, and of each module that this imports, or that a function in hand imports;
- all that its names may mean: a definition beside it or, through an import anywhere in its module, elsewhere.

In doubt it is more. Scopes are ignored: a local name that is also a definition counts as its use, and so does a
string that holds it (an annotation, `getattr`). A module used otherwise than by `module.name` counts whole.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_WORD = re.compile(r"[^\W\d]\w*")


@dataclass
class Reached:
    """What some code uses.

    Attributes:
        places: place to its syntax, and to what each of its names means.
        packages: the other packages that are named by it.
    """

    places: dict[str, str] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)


_Nodes = list[ast.AST]
"""A statement and all that is in it, the outer before the inner."""


@dataclass
class _Module:
    """A module's syntax: the statements that define a name, those that run on import, and what imports bind."""

    definitions: dict[str, list[_Nodes]] = field(default_factory=dict)
    on_import: list[_Nodes] = field(default_factory=list)
    imports: dict[str, set[str]] = field(default_factory=dict)
    """Local name to the dotted names that it may mean."""


class SourceIndex:
    """The syntax of a package's modules, each read once.

    Args:
        root: the package's folder.
        package: its name.
        prepare: takes out of a module's syntax what does not count.
        outside: places, or modules with a colon behind them, that do not count.
    """

    def __init__(self, root: Path, package: str, prepare: ast.NodeTransformer, outside: frozenset[str] = frozenset()):
        self._root, self._package, self._prepare, self._outside = root, package, prepare, outside
        self._modules: dict[str, _Module] = {}
        self._files: dict[str, Path | None] = {}
        self._known: dict[str, tuple[str, set[str]]] = {}

    def reach(self, *modules: str) -> Reached:
        """What runs on the import of `modules`, their definitions without an underscore, and all that those use.

        Raises:
            ModuleNotFoundError: there is no such module.
        """
        reached = Reached()
        names = {module: [name for name in self._module(module).definitions if name[0] != "_"] for module in modules}
        waiting = [f"{module}:{name}" for module in modules for name in ("", *names[module])]
        while waiting:
            place = waiting.pop()
            if place in reached.places or not self._counts(place):
                continue
            if ":" not in place:
                reached.packages.add(place.partition(".")[0])
                continue
            if place not in self._known:
                self._known[place] = self._describe(place)
            reached.places[place], uses = self._known[place]
            waiting.extend(uses)
        return reached

    def _counts(self, place: str) -> bool:
        return place not in self._outside and f"{place.partition(':')[0]}:" not in self._outside

    def _describe(self, place: str) -> tuple[str, set[str]]:
        """The syntax of a place with the meaning of its names, and all that it uses."""
        home, _, name = place.partition(":")
        read = self._module(home)
        syntax: list[str] = []
        meanings: set[str] = set()
        uses = {f"{home}:"}
        for nodes in read.definitions[name] if name else read.on_import:
            if name or not isinstance(nodes[0], ast.Import | ast.ImportFrom):
                syntax.append(ast.dump(nodes[0]).replace(", type_params=[]", ""))  # as Python 3.11 says it
            uses.update(self._imported(home, nodes))
            for word, path in _names(nodes):
                means = set(self._meanings(home, word, path, frozenset()))
                meanings.update(f"{word}={meant}" for meant in means if self._counts(meant))
                uses.update(means)
        return "\n".join([*syntax, *sorted(meanings)]), uses

    def _meanings(self, home: str, name: str, path: list[str], asked: frozenset[str]) -> Iterator[str]:
        """The places, or dotted names in other packages, that `name.path[0].path[1]…` may mean in a module."""
        read = self._module(home)
        if name in read.definitions:
            yield f"{home}:{name}"
        if f"{home}:{name}" in asked:  # imports may go in a circle
            return
        asked |= {f"{home}:{name}"}
        for dotted in read.imports.get(name, ()):
            if dotted.partition(".")[0] == self._package:
                yield from self._follow([*dotted.split("."), *path], asked)
            else:
                yield dotted

    def _follow(self, parts: list[str], asked: frozenset[str]) -> Iterator[str]:
        """The places that a dotted name of the package may mean."""
        longest = next(n for n in range(len(parts), 0, -1) if self._file(".".join(parts[:n])))
        module, rest = ".".join(parts[:longest]), parts[longest:]
        read = self._module(module)
        if rest and (rest[0] in read.definitions or rest[0] in read.imports):
            yield from self._meanings(module, rest[0], rest[1:], asked)
        else:
            yield from self._whole(module, asked)

    def _whole(self, module: str, asked: frozenset[str]) -> Iterator[str]:
        read = self._module(module)
        yield f"{module}:"
        for name in [*read.definitions, *read.imports]:
            yield from self._meanings(module, name, [], asked)

    def _imported(self, home: str, nodes: _Nodes) -> Iterator[str]:
        """The imports that run with a statement: of modules, and of the packages that hold them."""
        for node in nodes:
            for name, dotted in self._bound(home, node):
                parts = dotted.split(".")
                for n in range(1, len(parts) + 1):
                    if self._file(".".join(parts[:n])):
                        yield ".".join(parts[:n]) + ":"
                if name == "*":
                    yield from self._whole(dotted, frozenset()) if self._file(dotted) else (dotted,)

    def _bound(self, home: str, node: ast.AST) -> Iterator[tuple[str, str]]:
        """The local names that an import binds (`*`: all), each with the dotted name of what it imports."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name, alias.name
        elif isinstance(node, ast.ImportFrom):
            around = home.split(".") if self._is_package(home) else home.split(".")[:-1]
            above = around[: len(around) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield alias.asname or alias.name, source if alias.name == "*" else f"{source}.{alias.name}"

    def _module(self, name: str) -> _Module:
        if name not in self._modules:
            path = self._file(name)
            if path is None:
                raise ModuleNotFoundError(f"no module named {name}")
            self._modules[name] = self._read(name, self._prepare.visit(ast.parse(path.read_text(encoding="utf-8"))))
        return self._modules[name]

    def _read(self, home: str, tree: ast.Module) -> _Module:
        read = _Module()
        statements = [(statement, list(ast.walk(statement))) for statement in tree.body]
        for _, nodes in statements:  # imports inside functions too
            for name, dotted in (bound for node in nodes for bound in self._bound(home, node)):
                first = name.partition(".")[0]
                read.imports.setdefault(first, set()).add(dotted if first == name else first)  # `import a.b` binds a
        for statement, nodes in statements:
            for name in (names := set(_defined(statement))):
                read.definitions.setdefault(name, []).append(nodes)
            if not names or self._registers(read, statement):
                read.on_import.append(nodes)
        return read

    def _registers(self, read: _Module, statement: ast.stmt) -> bool:
        """Whether a decorator of this package may enter a definition somewhere, to be used without its name."""
        decorators = getattr(statement, "decorator_list", [])
        names = {name for decorator in decorators for name, _ in _names(ast.walk(decorator))}
        imported = {dotted.partition(".")[0] for name in names for dotted in read.imports.get(name, ())}
        return self._package in imported or bool(names & read.definitions.keys())

    def _file(self, module: str) -> Path | None:
        if module not in self._files:
            first, *others = module.split(".")
            place = self._root.joinpath(*others)
            paths = (place.with_suffix(".py"), place / "__init__.py") if first == self._package else ()
            self._files[module] = next((path for path in paths if path.is_file()), None)
        return self._files[module]

    def _is_package(self, module: str) -> bool:
        return (path := self._file(module)) is not None and path.name == "__init__.py"


def _defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines; `_` is nobody's name."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield from () if statement.name == "_" else (statement.name,)
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for node in (node for target in targets for node in ast.walk(target)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id != "_":
                yield node.id


def _names(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, list[str]]]:
    """The names in some syntax, each with the attributes that are taken of it; and the words of its strings.

    Args:
        nodes: the syntax, an attribute before what it is taken of.
    """
    paths: dict[int, list[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            paths[id(node.value)] = [node.attr, *paths.get(id(node), [])]
        elif isinstance(node, ast.Name):
            yield node.id, paths.get(id(node), [])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((word, []) for word in _WORD.findall(node.value))
