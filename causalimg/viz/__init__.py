"""Figures of tensors and of graphs; nothing here knows a model."""

from causalimg.viz.curves import Curve as Curve
from causalimg.viz.curves import draw_dose_response as draw_dose_response
from causalimg.viz.curves import draw_history as draw_history
from causalimg.viz.graph_drawing import draw_graph as draw_graph
from causalimg.viz.pictures import Pictures as Pictures
from causalimg.viz.pictures import draw_grid as draw_grid
