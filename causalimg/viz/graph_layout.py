"""Where the boxes and arrows of a drawn graph go: rows of boxes, causes above effects, and no arrow through a box.

The classical method for layered graphs: *Methods for Visual Understanding of Hierarchical System Structures* (Sugiyama,
Tagawa, Toda, 1981). Four steps::

    rows      each box lies above all that it causes, and above the image that it is read off
    lanes     an arrow that passes a row gets a place of its own in it, like a box without width
    order     every row is sorted by the mean place of its neighbours, up and down, while fewer arrows cross
    places    boxes move towards the mean of their neighbours as far as order and width allow

Lengths are inches, x to the right and y upwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

HEIGHT, ROW, GAP = 0.52, 1.15, 0.3
"""Height of a box, distance of rows, and the least distance of neighbours in a row."""

Point = tuple[float, float]


class Arrow(NamedTuple):
    """From `tail` to `head`; dashed if it is no cause but a measurement of the image `tail`."""

    tail: str
    head: str
    dashed: bool = False


class Lane(NamedTuple):
    """The place of `arrow` in a row that it passes."""

    arrow: Arrow
    row: int


class Chain(NamedTuple):
    """What an arrow connects and passes, from above to below."""

    upper: str
    lanes: list[Lane]
    lower: str

    @property
    def nodes(self) -> list["Node"]:
        """All of it."""
        return [self.upper, *self.lanes, self.lower]


Node = str | Lane
Rows = list[list[Node]]


class Layout(NamedTuple):
    """The centre of each box, and the points of each arrow's way, from tail to head."""

    boxes: dict[str, Point]
    ways: dict[Arrow, list[Point]]


def layout(widths: Mapping[str, float], arrows: Sequence[Arrow]) -> Layout:
    """Places for boxes of `widths`, by name, and ways for `arrows` between them. What is solid must have no cycle."""
    level = _levels(widths, arrows)
    chains = {arrow: _chain(arrow, level) for arrow in arrows}
    rows: Rows = [[name for name in widths if level[name] == i] for i in range(max(level.values(), default=-1) + 1)]
    for lane in (lane for chain in chains.values() for lane in chain.lanes):
        rows[lane.row].append(lane)
    links: nx.Graph[Node] = nx.Graph(pair for chain in chains.values() for pair in pairwise(chain.nodes))
    links.add_nodes_from(widths)
    rows = _ordered(rows, links)
    x = _placed(rows, links, widths)
    boxes = {name: (x[name], ROW * level[name]) for name in widths}
    return Layout(boxes, _ways(chains, boxes, x, widths))


def _levels(names: Iterable[str], arrows: Iterable[Arrow]) -> dict[str, int]:
    """The row of each box, counted from the bottom."""
    above: nx.DiGraph[str] = nx.DiGraph()
    above.add_nodes_from(names)
    above.add_edges_from((arrow.tail, arrow.head) for arrow in arrows if not arrow.dashed)
    for image, variable in ((arrow.tail, arrow.head) for arrow in arrows if arrow.dashed):
        above.add_edge(*((image, variable) if nx.has_path(above, image, variable) else (variable, image)))
    return {name: i for i, row in enumerate(nx.topological_generations(above.reverse())) for name in row}


def _chain(arrow: Arrow, level: Mapping[str, int]) -> Chain:
    lower, upper = sorted((arrow.tail, arrow.head), key=level.__getitem__)
    return Chain(upper, [Lane(arrow, row) for row in range(level[upper] - 1, level[lower], -1)], lower)


def _ordered(rows: Rows, links: "nx.Graph[Node]") -> Rows:
    best, fewest = rows, _crossings(rows, links)
    for sweep in range(24):
        indices = range(1, len(rows)) if sweep % 2 else range(len(rows) - 2, -1, -1)
        for i in indices:
            fixed = {node: place for place, node in enumerate(rows[i - 1 if sweep % 2 else i + 1])}
            rows = [*rows[:i], _sorted(rows[i], fixed, links), *rows[i + 1 :]]
        if (crossings := _crossings(rows, links)) < fewest:
            best, fewest = rows, crossings
    return best


def _sorted(row: list[Node], fixed: Mapping[Node, int], links: "nx.Graph[Node]") -> list[Node]:
    def place(node: Node) -> float:
        near = [fixed[other] for other in links[node] if other in fixed]
        return sum(near) / len(near) if near else row.index(node)

    return sorted(row, key=place)


def _crossings(rows: Rows, links: "nx.Graph[Node]") -> int:
    count = 0
    for lower, upper in pairwise(rows):
        place = {node: i for i, node in enumerate(lower)}
        ends = [(i, place[other]) for i, node in enumerate(upper) for other in links[node] if other in place]
        count += sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(ends, 2))
    return count


def _placed(rows: Rows, links: "nx.Graph[Node]", widths: Mapping[str, float]) -> dict[Node, float]:
    x: dict[Node, float] = {node: 0.0 for row in rows for node in row}
    for row in (rows + rows[::-1]) * 20:
        wanted = [sum(x[other] for other in links[node]) / len(links[node]) if links[node] else x[node] for node in row]
        width = np.array([widths[node] if isinstance(node, str) else 0.0 for node in row])
        x |= zip(row, _apart(np.array(wanted), width).tolist(), strict=True)
    return x


def _apart(wanted: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places near the `wanted` ones, in the same order, with `GAP` between boxes of `width`."""
    offset = np.concatenate([[0.0], np.cumsum((width[1:] + width[:-1]) / 2 + GAP)])
    free = wanted - offset  # neighbours are apart where this does not decrease
    return offset + (np.maximum.accumulate(free) + np.minimum.accumulate(free[::-1])[::-1]) / 2


def _ways(
    chains: Mapping[Arrow, Chain], boxes: Mapping[str, Point], x: Mapping[Node, float], widths: Mapping[str, float]
) -> dict[Arrow, list[Point]]:
    """Down each chain, from a port at the foot of the upper box to one at the head of the lower one."""
    feet = _ports({arrow: (chain.upper, x[chain.nodes[1]]) for arrow, chain in chains.items()}, boxes, widths)
    heads = _ports({arrow: (chain.lower, x[chain.nodes[-2]]) for arrow, chain in chains.items()}, boxes, widths)
    ways = {}
    for arrow, (upper, lanes, lower) in chains.items():
        foot = (feet[arrow], boxes[upper][1] - HEIGHT / 2)
        head = (heads[arrow], boxes[lower][1] + HEIGHT / 2)
        way = [foot, *((x[lane], ROW * lane.row + side) for lane in lanes for side in (HEIGHT / 2, -HEIGHT / 2)), head]
        ways[arrow] = way if arrow.tail == upper else way[::-1]
    return ways


def _ports(
    ends: Mapping[Arrow, tuple[str, float]], boxes: Mapping[str, Point], widths: Mapping[str, float]
) -> dict[Arrow, float]:
    """Where along its box each arrow ends, in the order of the places that the arrows come from or go to."""
    ports = {}
    for name, (x, _) in boxes.items():
        here = sorted((away, arrow.dashed, arrow) for arrow, (box, away) in ends.items() if box == name)
        for i, (_, _, arrow) in enumerate(here, 1):
            ports[arrow] = x + widths[name] * (i / (len(here) + 1) - 0.5)
    return ports
