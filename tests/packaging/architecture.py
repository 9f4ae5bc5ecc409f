"""The pictures of `docs/architecture.md`, made of the source: the house, and the ways that data takes.

scripts/architecture            writes them into the page
scripts/architecture --check    ends with 1 if the page is not what the source says
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from .modules import ENTRANCES, PACKAGE, ROOT, layer_of, modules, own_imports, strongly_connected

__all__ = ["PAGE", "PICTURES", "house", "made"]

PAGE = ROOT / "docs" / "architecture.md"

_BLOCK = re.compile(r"(<!-- made by scripts/architecture: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_ACROSS = 4
"""Names in a line of a box."""


def house() -> str:
    """The packages by layers, and what imports what; where something is also imported indirectly, only that."""
    rooms: dict[str, list[str]] = defaultdict(list)  # by its id: what is in it
    layers: dict[int, set[str]] = defaultdict(set)
    packages = {module.short_name for module in modules() if module.path.name == "__init__.py"}

    def room_of(name: str) -> str:
        layer = layer_of(name)
        top = name.partition("/")[0]
        return f"{top if top in packages else 'modules'}_{layer}"

    imports: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        if module.short_name in ENTRANCES:
            continue
        room = room_of(module.short_name)
        rooms[room].append(module.short_name)
        layers[layer_of(module.short_name) or 0].add(room)
        targets = {room_of("client" if target in ENTRANCES else target) for _, target in own_imports(module)}
        imports[room] |= targets - {room}
    lines = ["```mermaid", "flowchart TD"]
    for layer in sorted(layers, reverse=True):
        lines.append(f'    subgraph layer{layer}["{layer}"]')
        lines += [f'        {room}["{_label(room, rooms)}"]' for room in sorted(layers[layer])]
        lines.append("    end")
    lines += [f"    {room} --> {other}" for room in sorted(rooms) for other in sorted(_direct(imports)[room])]
    return "\n".join([*lines, "```"])


def _label(room: str, rooms: Mapping[str, Sequence[str]]) -> str:
    """The name of a package. Where its modules are in several layers, those of all but the largest part."""
    package = room.rpartition("_")[0]
    parts = [one for one in rooms if one.rpartition("_")[0] == package]
    if package != "modules" and room == max(parts, key=lambda one: len(rooms[one])):
        return package if len(parts) == 1 else f"the rest of {package}"
    names = sorted(name.partition("/")[2] or name for name in rooms[room] if name != package)
    rows = ",<br/>".join(", ".join(names[at : at + _ACROSS]) for at in range(0, len(names), _ACROSS))
    return rows if package == "modules" else f"{package}:<br/>{rows}"


def _direct(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without the arrows that go without saying: where there is a longer way."""
    circles = {node: frozenset(part) for part in strongly_connected(graph) for node in part}

    def beyond(node: str) -> set[str]:
        seen: set[str] = set()
        waiting = [node]
        while waiting:
            new = graph[waiting.pop()] - seen
            seen |= new
            waiting += new
        return seen

    found: dict[str, set[str]] = {}
    for node, targets in graph.items():
        others = {one for one in targets if circles[one] != circles[node]}
        ways = {one: {way for way in others if circles[way] != circles[one]} for one in others}
        indirect = {one for one in others if any(one in beyond(way) for way in ways[one])}
        found[node] = targets - indirect
    return found


def _paths() -> str:
    """In a process of its own: it is a call that is looked at."""
    command = [sys.executable, "-m", "tests.packaging.data_paths"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


PICTURES: Mapping[str, Callable[[], str]] = {"house": house, "paths": _paths}


def made(page: str, pictures: Collection[str] = PICTURES.keys()) -> str:
    """The page with its pictures, or some of them, as the source has them now."""

    def block(match: re.Match[str]) -> str:
        return f"{match[1]}{PICTURES[match[2]]()}\n{match[3]}" if match[2] in pictures else match[0]

    return _BLOCK.sub(block, page)


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    text = made(page)
    if arguments == ["--check"]:
        if text != page:
            print(f"{PAGE.name} is not what {PACKAGE} is: run scripts/architecture", file=sys.stderr)
            return 1
        return 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
