from itertools import combinations

from hypothesis import given, settings
from strategies import graphs

from causalimg.graph import Area, Continuous, Graph, Image
from causalimg.viz import draw_graph
from causalimg.viz.graph_layout import GAP, HEIGHT, Arrow, layout


def planned(graph):
    arrows = [Arrow(parent, name) for name in graph for parent in graph.parents(name)]
    arrows += [Arrow(graph.image_of(name), name, dashed=True) for name in graph.measured]
    widths = {name: 0.5 + 0.2 * len(name) for name in graph}
    return widths, layout(widths, arrows)


drawn = settings(max_examples=60, deadline=None)
drawable = graphs(images=True, max_variables=8, measured=True)


@drawn
@given(drawable)
def test_no_box_overlaps_another(graph):
    widths, plan = planned(graph)
    for a, b in combinations(graph, 2):
        (ax, ay), (bx, by) = plan.boxes[a], plan.boxes[b]
        assert abs(ay - by) > HEIGHT or abs(ax - bx) >= (widths[a] + widths[b]) / 2 + GAP - 1e-9


@drawn
@given(drawable)
def test_no_arrow_runs_through_a_box(graph):
    widths, plan = planned(graph)
    for way in plan.ways.values():
        for x, y in way[1:-1]:
            assert all(abs(x - bx) > widths[name] / 2 for name, (bx, by) in plan.boxes.items() if abs(y - by) < HEIGHT)


@drawn
@given(drawable)
def test_causes_lie_above_their_effects_and_every_arrow_ends_on_its_boxes(graph):
    widths, plan = planned(graph)
    for arrow, way in plan.ways.items():
        assert (plan.boxes[arrow.tail][1] < plan.boxes[arrow.head][1]) is arrow.dashed
        for name, (x, y) in ((arrow.tail, way[0]), (arrow.head, way[-1])):
            assert abs(x - plan.boxes[name][0]) < widths[name] / 2
            assert abs(abs(y - plan.boxes[name][1]) - HEIGHT / 2) < 1e-9


@drawn
@given(drawable)
def test_no_two_arrows_end_in_one_point(graph):
    _, plan = planned(graph)
    ends = [end for way in plan.ways.values() for end in (way[0], way[-1])]
    assert len(set(ends)) == len(ends)


def test_arrows_that_need_not_cross_do_not():
    edges = [("a", "z"), ("b", "y"), ("c", "x")]
    plan = layout(dict.fromkeys("abcxyz", 1.0), [Arrow(*edge) for edge in edges])
    assert all(abs(plan.boxes[tail][0] - plan.boxes[head][0]) < 1e-6 for tail, head in edges)


def test_a_variable_read_off_an_image_that_causes_it_lies_below_the_image():
    graph = Graph.of(x=Image(shape=(1, 8, 8)), lv=Continuous(parents=["x"], unit="px", measured=Area("lv")))
    _, plan = planned(graph)
    assert plan.boxes["x"][1] > plan.boxes["lv"][1]


def test_the_drawing_says_names_units_and_title_and_lies_within_the_paper(tmp_path):
    graph = Graph.of(
        "A title that is wider than the graph which it stands above",
        age=Continuous(unit="year"),
        lv=Continuous(parents=["age"], unit="px", measured=Area("lv")),
        x=Image(parents=["lv", "age"], shape=(1, 8, 8)),
    )
    figure = draw_graph(graph, tmp_path / "graph.png")
    assert (tmp_path / "graph.png").stat().st_size > 1000
    texts = figure.axes[0].texts
    assert {text.get_text() for text in texts} == {graph.title, "age", "year", "lv", "px", "x", "1 × 8 × 8"}
    paper = figure.bbox
    for artist in [*texts, *figure.axes[0].patches, *figure.legends]:
        box = artist.get_window_extent()
        assert paper.x0 <= box.x0 <= box.x1 <= paper.x1
        assert paper.y0 <= box.y0 <= box.y1 <= paper.y1


def test_a_graph_without_measurements_needs_no_legend():
    assert not draw_graph(Graph.of(age=Continuous())).legends
    assert not draw_graph(Graph.of()).legends


def test_a_graph_is_drawn_as_a_class_or_as_a_value():
    class Heart(Graph):
        age = Continuous()

    assert [text.get_text() for text in draw_graph(Heart).axes[0].texts] == ["age", "", "Heart"]
