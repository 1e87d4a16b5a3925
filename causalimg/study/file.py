"""A study as one file says it: ``study.yaml`` names the graph, the table, and whatever isn't trained as it ships.

    csv: hearts.csv
    images: scans
    masks: outlines
    structures: [lv]
    graph:
      variables:
        sex: {kind: Categorical, levels: [female, male]}
        lv_area: {kind: Continuous, parents: [sex], unit: fraction, bounds: [0, 1], measured: {kind: Area, structure: lv}}
        x: {kind: Image, parents: [sex, lv_area], shape: [1, 64, 64]}

Paths are those beside the file.
"""

import json
from collections.abc import Iterable, Mapping
from os.path import relpath
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from causalimg.cards import About
from causalimg.data import Percentile, Slices, Table, Window, read_table
from causalimg.data.frame import Fit
from causalimg.data.normalise import setting_of
from causalimg.errors import check_known, located
from causalimg.graph import Graph
from causalimg.graph.spec import Spec
from causalimg.graph.text import parse_yaml, read_text
from causalimg.mechanisms import FlowMatching, Mechanism
from causalimg.study.loggers import known_loggers
from causalimg.study.plan import Plan, Study
from causalimg.training.recipe import Recipe

PATHS = ("csv", "images", "masks", "out")
READ = ("images", "columns", "masks", "structures", "normalise", "slices", "fit", "spacing", "pixel_size", "fields")
"""The settings that `read_table` takes as they are."""

RECIPES = ("fit", "tuning", "readers")
"""The settings of a plan that are recipes."""


class StudyFile(Spec):
    """What a file says of a study: see `read_table` for the table, `Plan` for `plan`, `compare_guidance` for `methods`.

    `graph` is plain data, or the name of a YAML file. `steps` are those of the image's fit; all else follows it, but for what
    `plan` says. Raises ValueError for what it can't be, with the nearest name.
    """

    csv: Path
    images: Path | None = Field(None, description="A folder, or an NPZ file with an array 'images'.")
    masks: Path | None = Field(None, description="A folder, or an NPZ file with an array 'labels'.")
    structures: tuple[str, ...] = Field((), description="What the labels 1, 2, ... outline.")
    columns: dict[str, str | None] = Field({}, description="What a variable's column is called; null: measured.")
    normalise: Annotated[Percentile | Window, BeforeValidator(setting_of)] | None = None
    slices: Slices | None = Field(None, description="Which slices of a volume are rows.")
    fit: Fit | None = Field(None, description="What is done to images of other proportions than those declared.")
    spacing: str | None = Field(
        None, description="The column with the side of a pixel in mm, where files don't say it."
    )
    pixel_size: str | None = Field(None, description="The variable that gets the side of a pixel in mm.")
    fields: tuple[str, ...] = Field((), description="Fields of DICOM headers that become columns.")
    patient: str | None = Field("patient", description="Whose image a row is; null: each row counts by itself.")
    graph: dict[str, Any] | str
    steps: PositiveInt = 3000
    plan: dict[str, Any] = Field({}, description="What is trained in another way than it ships.")
    methods: tuple[str, ...] = Field(("none", "segmentor"), description="The kinds of guidance that are compared.")
    seeds: tuple[int, ...] = (0,)
    out: Path = Path("out")
    log: Annotated[tuple[str, ...], AfterValidator(known_loggers)] = Field(
        (), description="Loggers of all trainings, into runs/ in that folder: csv, tensorboard."
    )
    about: About = About()

    @classmethod
    def from_yaml(cls, path: Path, changes: Iterable[str] = ()) -> Self:
        """What the file at `path` says, with `changes` such as ``plan.fit.lr=0.001``. Raises ValueError, which names the file."""
        text = read_text(path)
        with located(str(path)):
            data = parse_yaml(text)
            if not isinstance(data, dict):
                raise ValueError(f"expected names and values, csv: ..., graph: ..., got {str(data)[:40]!r}")
            for change in changes:
                _change(data, change)
            made = cls(**{str(name): value for name, value in data.items()})
            graph = made.declared(path.parent)
            made.planned().compiled(graph)
        beside = {name: path.parent / file for name in PATHS if (file := getattr(made, name)) is not None}
        return made.model_copy(update={**beside, "graph": graph.to_data()})

    def declared(self, folder: Path = Path()) -> Graph:
        """The graph; a file is looked for in `folder`."""
        return Graph.from_yaml(folder / self.graph) if isinstance(self.graph, str) else Graph.from_data(self.graph)

    def planned(self) -> Plan:
        """How everything is trained."""
        check_known("setting of plan", self.plan, Plan.model_fields)
        image = Mechanism.from_data(self.plan["image"]) if "image" in self.plan else FlowMatching()
        of = Plan.of_flow if isinstance(image.unwrapped, FlowMatching) else Plan.of_length
        usual = of(self.steps, image=image)
        said = {name: Recipe(**self.plan[name]).over(getattr(usual, name)) for name in RECIPES if name in self.plan}
        return Plan(**{**dict(usual), **self.plan, **said, "image": image})

    def table(self) -> Table:
        """The table. Raises what `read_table` raises."""
        how = {name: getattr(self, name) for name in READ}
        return read_table(self.declared(), self.csv, **how)

    def study(self) -> Study:
        """The rows, split. Raises what `read_table` and `Study.of_table` raise."""
        return Study.of_table(self.table(), patient=self.patient)

    @classmethod
    def schema_text(cls) -> str:
        """The JSON schema of such a file, for editors."""
        return json.dumps(cls.model_json_schema(), indent=2)

    def to_yaml(self, folder: Path) -> str:
        """The text of a file in `folder` that says the same."""
        from_there = {name: relpath(file, folder) for name in PATHS if (file := getattr(self, name)) is not None}
        said = {**self.model_dump(mode="json", exclude_defaults=True), **from_there}
        return yaml.safe_dump(said, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)


def _change(data: dict[str, Any], change: str) -> None:
    """Put ``plan.fit.lr=0.001`` into nested `data`. Raises ValueError for what is not name=value."""
    path, equals, value = change.partition("=")
    *above, name = path.split(".")
    if not (equals and name):
        raise ValueError(f"--set: expected name=value, such as plan.fit.lr=0.001, got {change!r}")
    for part in above:
        data = data.setdefault(part, {})
        if not isinstance(data, Mapping):
            raise ValueError(f"--set {change}: {part} has no settings")
    data[name] = parse_yaml(value)
