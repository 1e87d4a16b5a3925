"""To other libraries: a model as a program of Pyro's, its answers as an ONNX file."""

from causalimg.bridges.onnx_file import to_onnx as to_onnx
from causalimg.bridges.pyro_program import PyroProgram as PyroProgram
