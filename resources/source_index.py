"""Which definitions of a package a module uses, found from their syntax without importing anything."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Place = tuple[str, str]
"""A module, and the name of one of its definitions; the name is empty for what runs when the module is imported."""


@dataclass
class _Module:
    """A module's syntax.

    Attributes:
        definitions: name to the statements that define it.
        loose: statements that define nothing: they run when the module is imported.
        imports: local name to what it is: a module, and a name in it or None.
    """

    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    loose: list[ast.stmt] = field(default_factory=list)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


class SourceIndex:
    """The syntax of a package's modules, each read once.

    Args:
        root: the package's folder.
        package: its name.
        prepare: takes out of a module's syntax what does not count.
    """

    def __init__(self, root: Path, package: str, prepare: ast.NodeTransformer):
        self._root, self._package, self._prepare = root, package, prepare
        self._modules: dict[str, _Module] = {}
        self._dumped: dict[int, str] = {}  # by statement, each of which lives as long as its module
        self._uses: dict[int, list[Place]] = {}

    def used_by(self, module: str) -> dict[Place, list[str]]:
        """All definitions of `module`, and all that those use, each with the syntax of its statements.

        Names are resolved without regard to scopes: a local name that is also a definition counts as its use.

        Raises:
            ModuleNotFoundError: there is no such module.
        """
        found: dict[Place, list[str]] = {}
        waiting = list(self._all_of(module))
        while waiting:
            place = waiting.pop()
            if place in found:
                continue
            home, name = place
            read = self._module(home)
            statements = read.definitions[name] if name else read.loose
            found[place] = [self._dump(statement) for statement in statements]
            waiting.append((home, ""))
            for statement in statements:
                if id(statement) not in self._uses:
                    self._uses[id(statement)] = list(set(self._names(home, statement)))
                waiting.extend(self._uses[id(statement)])
        return found

    def _dump(self, statement: ast.stmt) -> str:
        if id(statement) not in self._dumped:
            self._dumped[id(statement)] = ast.dump(statement)
        return self._dumped[id(statement)]

    def _all_of(self, module: str) -> Iterator[Place]:
        yield (module, "")
        yield from ((module, name) for name in self._module(module).definitions)

    def _names(self, home: str, statement: ast.stmt) -> Iterator[Place]:
        """The definitions that a statement uses."""
        attributes = {}
        for node in ast.walk(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                attributes[id(node.value)] = node.attr
        for node in ast.walk(statement):
            if isinstance(node, ast.Name):
                yield from self._resolve(home, node.id, attributes.get(id(node)))

    def _resolve(self, home: str, name: str, attribute: str | None) -> Iterator[Place]:
        """What a name means in a module, and an attribute of it where it is a module."""
        read = self._module(home)
        if name in read.definitions:
            yield (home, name)
        if name not in read.imports:
            return
        module, inner = read.imports[name]
        if inner is not None:
            yield from self._resolve(module, inner, None)
            yield (module, "")
        elif attribute is not None and self._knows(module, attribute):
            yield from self._resolve(module, attribute, None)
            yield (module, "")
        else:
            yield from self._all_of(module)

    def _knows(self, module: str, name: str) -> bool:
        read = self._module(module)
        return name in read.definitions or name in read.imports

    def _module(self, name: str) -> _Module:
        if name not in self._modules:
            path = self._file(name)
            if path is None:
                raise ModuleNotFoundError(f"no module named {name}")
            self._modules[name] = self._read(self._prepare.visit(ast.parse(path.read_text(encoding="utf-8"))))
        return self._modules[name]

    def _read(self, tree: ast.Module) -> _Module:
        read = _Module()
        for statement in tree.body:
            names = list(_defined(statement))
            for name in names:
                read.definitions.setdefault(name, []).append(statement)
            if not names and not isinstance(statement, ast.Import | ast.ImportFrom):
                read.loose.append(statement)
        for node in ast.walk(tree):  # imports inside functions too
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._import(node, read)
        return read

    def _import(self, node: ast.Import | ast.ImportFrom, read: _Module) -> None:
        """Note what an import binds: of this package where it is, of others the import itself."""
        module = node.module if isinstance(node, ast.ImportFrom) else None
        for alias in node.names:
            inner = f"{module}.{alias.name}" if module else alias.name
            name = alias.asname or (alias.name if module else alias.name.split(".")[0])
            if self._file(inner) is not None:
                read.imports[name] = (inner, None)
            elif module and self._file(module) is not None:
                read.imports[name] = (module, alias.name)
            else:
                said = ast.ImportFrom(module, [alias], 0) if module else ast.Import([alias])
                read.definitions.setdefault(name, []).append(said)

    def _file(self, module: str) -> Path | None:
        first, *others = module.split(".")
        if first != self._package:
            return None
        place = self._root.joinpath(*others)
        return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _defined(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            names = (node for node in ast.walk(target) if isinstance(node, ast.Name))
            yield from (node.id for node in names if isinstance(node.ctx, ast.Store))
