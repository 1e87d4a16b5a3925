"""The command line: ``causalimg demo``, ``causalimg do`` and ``causalimg compare``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from causalimg.data import phantoms, read_table
from causalimg.data.images import image_of, open_picture
from causalimg.demo import demo
from causalimg.errors import check_known
from causalimg.graph import Graph, Image
from causalimg.model import CausalModel
from causalimg.study import EVERY, METHODS, SMALL, Plan, Study, compare_guidance

PHANTOMS: dict[str, type[phantoms.Phantom]] = {
    kind.__name__.lower(): kind for kind in (phantoms.Heart, phantoms.Chest, phantoms.Vessel)
}


def main() -> None:
    """Run the command line. A user's mistake is said in one line, with exit code 1."""
    import typer  # loads when first needed

    app = typer.Typer(help="Say what causes what. Get the image that would have been.", no_args_is_help=True)

    @app.command("demo")
    def run_demo(out: Path = Path("demo"), seed: int = 0, steps: int = 600) -> None:
        """Fit, fine-tune and question a model of phantom hearts; figures, tables and the model go into the folder OUT."""
        demo(out, seed=seed, steps=steps)
        typer.echo((out / "comparison.md").read_text())
        typer.echo(
            f"Figures, tables and the model are in {out}; begin with {out / 'smaller.png'}. Then ask, with .venv/bin before:"
        )
        typer.echo((out / "ask.txt").read_text())

    @app.command("do")
    def do(
        model: Annotated[Path, typer.Argument(help="A folder that model.save made.")],
        image: Annotated[Path, typer.Argument(help="PNG, JPEG or NPZ.")],
        what: Annotated[list[str], typer.Argument(help="What is set, as name=value.")],
        given: Annotated[list[str] | None, typer.Option(help="What is known of the patient, as name=value.")] = None,
        out: Path = Path("counterfactual.png"),
    ) -> None:
        """What would IMAGE have been? For example: causalimg do demo/model heart.png lv_area=900 --given sex=male"""
        try:
            typer.echo(ask(model, image, pairs(what), pairs(given or ()), out))
        except (ValueError, OSError) as error:
            typer.echo(f"causalimg do: {error}", err=True)
            raise typer.Exit(1) from None

    @app.command("compare")
    def compare(
        source: Annotated[str, typer.Argument(help=f"A phantom ({', '.join(PHANTOMS)}), or a graph as a YAML file.")],
        csv: Annotated[Path | None, typer.Option(help="The table of your data.")] = None,
        images: Annotated[Path | None, typer.Option(help="Folder, or NPZ with 'images'.")] = None,
        masks: Annotated[Path | None, typer.Option(help="Folder, or NPZ with 'labels'.")] = None,
        structures: Annotated[str, typer.Option(help="Names of the labels 1, 2, ..., with commas.")] = "",
        methods: Annotated[str, typer.Option(help=f"Of {', '.join(EVERY)}.")] = ",".join(METHODS),
        seeds: Annotated[str, typer.Option(help="With commas.")] = "0",
        steps: Annotated[int, typer.Option(help="Of the image's fit; the rest follows it.")] = 500,
        size: Annotated[int, typer.Option(help="Of a phantom's image, in pixels.")] = 64,
        flow: Annotated[
            bool, typer.Option("--flow", help="The image by a flow, not by a deformed autoencoder.")
        ] = False,
        out: Path = Path("out/compare"),
    ) -> None:
        """Compare kinds of guidance on the same models with the same judge: a table, pictures and a page in the folder OUT."""
        try:
            study = phantom_study(source, size) if csv is None else table_study(source, csv, images, masks, structures)
            plan = plan_of(steps, flow, phantom=csv is None)
            found = compare_guidance(
                study, out, methods=methods.split(","), seeds=[int(seed) for seed in seeds.split(",")], plan=plan
            )
            typer.echo(found.table())
            typer.echo(f"Pictures and the page are in {out}; open {out / 'comparison.html'}.")
        except (ValueError, OSError) as error:
            typer.echo(f"causalimg compare: {error}", err=True)
            raise typer.Exit(1) from None

    app()


def phantom_study(name: str, size: int) -> Study:
    """A study on a phantom. Raises ValueError, with the nearest name, where there is no such phantom."""
    check_known("phantom (or give the graph of your data and its --csv)", [name], PHANTOMS)
    return Study.of_phantom(PHANTOMS[name](size=size))


def plan_of(steps: int, flow: bool, phantom: bool) -> Plan:
    """A phantom's image needs a small autoencoder only."""
    if flow:
        return Plan.of_flow(steps)
    return Plan.of_length(steps, image=SMALL) if phantom else Plan.of_length(steps)


def table_study(graph: str, csv: Path, images: Path | None, masks: Path | None, structures: str) -> Study:
    """A study on the table in `csv` of the graph in the YAML file `graph`."""
    named = tuple(filter(None, structures.split(",")))
    return Study.of_table(read_table(Graph.from_yaml(Path(graph)), csv, images, masks=masks, structures=named))


def ask(folder: Path, image: Path, do: dict[str, Any], given: dict[str, Any], out: Path) -> str:
    """Draw the answer of the model in `folder` to `out`; returns it in words."""
    model = CausalModel.load(folder)
    name, variable = next((name, v) for name, v in model.graph.variables.items() if isinstance(v, Image))
    x = image_of(open_picture(image), variable, None)
    cf = model.do({**given, name: x}, **do)
    cf.plot(out)
    lines = []
    for key in (key for key, was in cf.factual.items() if not was.ndim):
        said = [model.graph[key].say(world[key].item()) for world in (cf.factual, cf)]
        read = f", measured {model.graph[key].say(cf.measured[key].item())}" if key in cf.measured else ""
        lines.append(f"{key}: {' -> '.join(said)}{read}")
    return "\n".join([*lines, f"see {out}"])


def pairs(texts: Iterable[str]) -> dict[str, Any]:
    """``["lv_area=900", "sex=male"]`` as a mapping. Raises ValueError for what is not name=value."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"expected name=value, got {text!r}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found
