"""`do` of one image as an ONNX file, which answers without this library.

Inputs are what must be known of the item, by name, and what is set, ``do(<name>)``; outputs are what follows, ``cf(<name>)``. All
have a batch of one. The file abducts, acts and predicts, by the model's weights::

    cf(v) = f(pa', abduct(v, pa, p))        p: one draw of the prior of v's noise, by `seed`, and the same for every image

It knows no region (an answer may change the image everywhere), no readers (what is measured must be given), no bounds (what is
set is not checked), and no guides.

The mechanisms are traced with real values, in which everything that is set or follows differs from what was seen, since that may
decide how a mechanism computes; then exported, written, and compared with the model on other values.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from causalimg.errors import as_seed, check_kinds
from causalimg.fit import check_fitted
from causalimg.mechanisms.mechanism import Seen
from causalimg.propagation import propagate
from causalimg.scm import SCM
from causalimg.values import World, check_variables

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

TOLERANCE = 1e-4
"""By so much, and by that share of a value, what the file answers may differ from what the model does."""

TRIES = 64
"""So many samples are looked at for values that all differ."""

Example = tuple[World, World]
"""Values of one item that were seen, and those that are set."""


def to_onnx(scm: SCM, path: str | Path, variables: Sequence[str], *, seed: int = 0) -> None:
    """Write the file at `path`, with inputs to set `variables`. The graph is in its metadata as ``causalimg.graph``, in JSON.

    Raises ImportError without the packages of the extra ``onnx``; ValueError for an unknown variable, an image to be set,
    variables of which no image is an effect, a model that is not fitted, and a mechanism whose computation ONNX can't hold;
    TypeError for an argument of another kind; RuntimeError where the file's answers are not the model's.
    """
    _check_installed()
    follow = _checked(scm, variables)
    program = _Do(scm, variables, follow, as_seed(seed)).eval()
    written = _written(program, _example(program, 0))
    _describe(written, scm)
    content = written.model_proto.SerializeToString()
    _check_answers(content, program, _example(program, 1))
    Path(path).write_bytes(content)


def _checked(scm: SCM, variables: Sequence[str]) -> list[str]:
    """What follows from `variables`, causes first."""
    check_kinds("variables", variables, str)
    check_variables(scm.graph, variables)
    if images := [name for name in variables if name in scm.graph.images]:
        raise ValueError(f"to_onnx: {images[0]} is an image: set what causes it")
    effects = scm.graph.descendants(*variables) - set(variables)
    if not effects & set(scm.graph.images):
        raise ValueError(f"to_onnx: no image follows from {', '.join(variables) or 'nothing'}: name causes of one")
    check_fitted(scm.mechanisms, scm.graph)  # the values with which it is traced are samples
    return [name for name in scm.graph if name in effects]


class _Do(nn.Module):
    """`do` by copies of the mechanisms, on the CPU; with the draws of their noise."""

    def __init__(self, scm: SCM, variables: Sequence[str], follow: Sequence[str], seed: int) -> None:
        super().__init__()
        self.scm = SCM(scm.graph, {name: deepcopy(one) for name, one in scm.mechanisms.items()}).cpu()
        self.variables, self.follow = list(variables), list(follow)
        parents = {parent for name in follow for parent in scm.graph.parents(name)}
        self.needed = [name for name in scm.graph if name in parents.union(follow)]
        generator = Generator().manual_seed(seed)
        self.draws = {name: self.scm.mechanisms[name].noise(1, generator) for name in follow}

    @torch.no_grad()
    def forward(self, seen: World, action: World) -> World:
        def predict(name: str, parents: World) -> Tensor:
            mechanism, before = self.scm.mechanisms[name], {parent: seen[parent] for parent in parents}
            noise = mechanism.abduct(seen[name], before, self.draws[name])
            return mechanism.counterfactual(noise, parents, Seen(seen[name], before))

        names = [name for name in self.scm.graph if name in {*self.needed, *self.variables}]
        world = propagate(self.scm.graph, seen, action, predict, names=names)
        return {name: world[name] for name in self.follow}


def _example(program: _Do, seed: int) -> Example:
    """Samples of the model, of which those of what is set or follows differ."""
    drawn = program.scm.draw(2 * TRIES, {}, seed)
    for seen, other in zip(*(_items(drawn, slice(start, None, 2)) for start in (0, 1)), strict=True):
        action = {name: other[name] for name in program.variables}
        known = {name: seen[name] for name in program.needed}
        moved = action | program(known, action)
        if all(bool((value != seen[name]).any()) for name, value in moved.items()):
            return known, action
    raise ValueError(f"to_onnx: in {TRIES} samples, {', '.join(program.follow)} did not all change with what was set")


def _items(world: World, rows: slice) -> list[World]:
    few = {name: value[rows] for name, value in world.items()}
    return [{name: value[i : i + 1] for name, value in few.items()} for i in range(TRIES)]


def _softplus(x: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """Of what runs everywhere in float64."""
    return (beta * x).clamp(min=0) / beta + (1 + (-(beta * x).abs()).exp()).log() / beta


PLAINER: dict[Any, Callable[..., Any]] = {torch.ops.aten.softplus.default: _softplus}


@torch.no_grad()
def _written(program: _Do, example: Example) -> "ONNXProgram":
    inputs = [*program.needed, *(f"do({name})" for name in program.variables)]
    try:
        # Which parents differ decides how a flow computes; the private flag has that decided by the example.
        traced = make_fx(program, PLAINER, _error_on_data_dependent_ops=False)(*example)
        exported = torch.export.export(traced, example)
        written = torch.onnx.export(
            exported,
            dynamo=True,
            verbose=False,
            optimize=False,  # who runs the file does that
            input_names=inputs,
            output_names=[f"cf({name})" for name in program.follow],
        )
    except Exception as error:
        kinds = ", ".join(f"{type(program.scm.mechanisms[name]).__name__}, of {name}" for name in program.follow)
        raise ValueError(
            f"to_onnx: ONNX can't hold what {kinds} computes: {(str(error) or repr(error)).splitlines()[0]}"
        ) from error
    assert written is not None  # it is, where no file is asked for
    return written


def _describe(written: "ONNXProgram", scm: SCM) -> None:
    """Put the graph into the file, and to every input and output what its numbers mean."""
    model = written.model
    model.metadata_props["causalimg.graph"] = scm.graph.to_json()
    for value in [*model.graph.inputs, *model.graph.outputs]:
        variable = scm.graph[str(value.name).split("(")[-1].rstrip(")")]
        value.doc_string = f"{type(variable).__name__}, {variable.caption}".rstrip(", ")


def _check_answers(content: bytes, program: _Do, example: Example) -> None:
    from onnxruntime import InferenceSession

    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    seen, action = example
    given = seen | {f"do({name})": value for name, value in action.items()}
    answers = session.run(None, {name: value.numpy() for name, value in given.items()})
    for (name, value), answer in zip(program(seen, action).items(), answers, strict=True):
        if not torch.allclose(torch.from_numpy(answer), value, TOLERANCE, TOLERANCE):
            most = (torch.from_numpy(answer) - value).abs().max()
            raise RuntimeError(f"to_onnx: {name} is off by up to {most:g}: nothing was written")


def _check_installed() -> None:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise ImportError('to_onnx: pip install "causalimg[onnx]" for what writes and checks the file') from None
