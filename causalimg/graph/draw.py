"""A picture of a causal graph, causes above their effects."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import networkx as nx


def draw(
    causes: nx.DiGraph,
    measurements: Iterable[tuple[str, str]],
    images: Collection[str],
    title: str,
    path: str | Path | None,
) -> Any:
    """The figure of `causes` (solid arrows) and `measurements` (image, variable; dashed arrows); written to `path` if given."""
    from matplotlib.figure import Figure  # loads when first needed

    layers = {name: level for level, names in enumerate(nx.topological_generations(causes)) for name in names}
    nx.set_node_attributes(causes_copy := nx.DiGraph(causes), layers, "layer")
    position = nx.multipartite_layout(causes_copy, subset_key="layer", align="horizontal")
    position = {name: (x, -y) for name, (x, y) in position.items()}
    figure = Figure(figsize=(1.6 * max(3, len(layers) ** 0.5 + 1), 1.3 * (1 + max(layers.values(), default=1))))
    axes = figure.add_subplot()
    axes.set_title(title)
    axes.set_axis_off()
    axes.margins(0.25)
    shared: dict[str, Any] = {"ax": axes, "node_size": 2600, "arrowsize": 16}
    colors = ["#f2e3c6" if name in images else "#dbe7f3" for name in causes]
    nx.draw_networkx_nodes(causes, position, ax=axes, node_size=2600, node_color=colors, edgecolors="#555555")
    nx.draw_networkx_labels(causes, position, ax=axes, font_size=9)
    nx.draw_networkx_edges(causes, position, **shared)
    read_off = nx.DiGraph(list(measurements))
    nx.draw_networkx_edges(
        read_off, position, **shared, style="dashed", edge_color="#b0532c", connectionstyle="arc3,rad=0.35"
    )
    if path is not None:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    return figure
