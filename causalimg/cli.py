"""The command line: ``causalimg demo``, ``causalimg do`` and ``causalimg compare``."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from causalimg.data import phantoms, read_table
from causalimg.demo import demo
from causalimg.errors import check_known
from causalimg.graph import Graph
from causalimg.model import CausalModel
from causalimg.study import EVERY, METHODS, SMALL, Plan, Study, compare_guidance

PHANTOMS: dict[str, type[phantoms.Phantom]] = {
    kind.__name__.lower(): kind for kind in (phantoms.Heart, phantoms.Chest, phantoms.Vessel)
}

LARGEST = 2**32 - 1
"""The largest seed."""


def main() -> None:
    """Run the command line. A user's mistake is said in words, with exit code 1 (2 for an option that is no such number)."""
    import typer  # loads when first needed

    app = typer.Typer(help="Say what causes what. Get the image that would have been.", no_args_is_help=True)

    @app.command("demo")
    def run_demo(
        out: Path = Path("demo"),
        seed: Annotated[int, typer.Option(min=0, max=LARGEST)] = 0,
        steps: Annotated[int, typer.Option(min=1)] = 600,
    ) -> None:
        """Fit, fine-tune and question a model of phantom hearts; figures, tables and the model go into the folder OUT."""
        with plainly("demo"):
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
        with plainly("do"):
            typer.echo(ask(model, image, pairs(what), pairs(given or ()), out))

    @app.command("compare")
    def compare(
        source: Annotated[str, typer.Argument(help=f"A phantom ({', '.join(PHANTOMS)}), or a graph as a YAML file.")],
        csv: Annotated[Path | None, typer.Option(help="The table of your data.")] = None,
        images: Annotated[Path | None, typer.Option(help="Folder, or NPZ with 'images'.")] = None,
        masks: Annotated[Path | None, typer.Option(help="Folder, or NPZ with 'labels'.")] = None,
        structures: Annotated[str, typer.Option(help="Names of the labels 1, 2, ..., with commas.")] = "",
        patient: Annotated[
            str, typer.Option(help="The column that says whose image it is; '' where each row counts by itself.")
        ] = "patient",
        methods: Annotated[str, typer.Option(help=f"Of {', '.join(EVERY)}.")] = ",".join(METHODS),
        seeds: Annotated[str, typer.Option(help="With commas.")] = "0",
        steps: Annotated[int, typer.Option(help="Of the image's fit; the rest follows it.", min=1)] = 500,
        size: Annotated[int, typer.Option(help="Of a phantom's image, in pixels.")] = 64,
        flow: Annotated[
            bool, typer.Option("--flow", help="The image by a flow, not by a deformed autoencoder.")
        ] = False,
        out: Path = Path("out/compare"),
    ) -> None:
        """Compare kinds of guidance on the same models with the same judge: a table, pictures and a page in the folder OUT."""
        with plainly("compare"):
            chosen = numbers(seeds)
            if csv is None:
                check_of_table(images=images, masks=masks, structures=structures)
                study = phantom_study(source, size)
            else:
                study = table_study(source, csv, images, masks, structures, patient)
            plan = plan_of(steps, flow, phantom=csv is None)
            found = compare_guidance(study, out, methods=methods.split(","), seeds=chosen, plan=plan)
            typer.echo(found.table())
            typer.echo(f"Pictures and the page are in {out}; open {out / 'comparison.html'}.")

    app()


@contextmanager
def plainly(command: str) -> Iterator[None]:
    """A user's mistake in words and not in a traceback, with exit code 1."""
    import typer  # loads when first needed

    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        said = str(error)
        if isinstance(error, OSError) and error.filename:
            said = f"{error.filename}: {error.strerror}"  # without its number
        typer.echo(f"causalimg {command}: {said}", err=True)
        raise typer.Exit(1) from None


def phantom_study(name: str, size: int) -> Study:
    """A study on a phantom. Raises ValueError, with the nearest name, where there is no such phantom."""
    check_known("phantom (or give the graph of your data and its --csv)", [name], PHANTOMS)
    return Study.of_phantom(PHANTOMS[name](size=size))


def plan_of(steps: int, flow: bool, phantom: bool) -> Plan:
    """A phantom's image needs a small autoencoder only."""
    if flow:
        return Plan.of_flow(steps)
    return Plan.of_length(steps, image=SMALL) if phantom else Plan.of_length(steps)


def check_of_table(**given: Path | str | None) -> None:
    """Raise ValueError for options that say something of a table, where there is none."""
    if names := [f"--{name}" for name, value in given.items() if value]:
        raise ValueError(f"{', '.join(names)}: of your own data. Give its table, --csv, and its graph as a YAML file")


def table_study(
    graph: str, csv: Path, images: Path | None, masks: Path | None, structures: str, patient: str = "patient"
) -> Study:
    """A study on the table in `csv` of the graph in the YAML file `graph`; without `patient` each row counts by itself.

    Raises ValueError where the files or the names won't do.
    """
    named = tuple(filter(None, structures.split(",")))
    table = read_table(Graph.from_yaml(Path(graph)), csv, images, masks=masks, structures=named)
    return Study.of_table(table, patient=patient or None)


def ask(folder: Path, image: Path, do: dict[str, Any], given: dict[str, Any], out: Path) -> str:
    """Draw the answer of the model in `folder` to `out`, a PNG unless it says another kind; returns it in words."""
    if image.is_dir():
        raise ValueError(f"{image} is a folder: expected one image, PNG, JPEG or NPZ")
    model = CausalModel.load(folder)
    if len(model.graph.images) != 1:
        raise ValueError(f"{folder}: expected a model of one image, not of {', '.join(model.graph.images) or 'none'}")
    name = model.graph.images[0]
    if name in given:
        raise ValueError(f"--given {name}=...: {name} is the image, {image}")
    cf = model.do({**given, name: model.read_image(image)}, **do)
    out = out if out.suffix else out.with_suffix(".png")
    cf.plot(out)
    lines = []
    for key in (key for key, was in cf.factual.items() if not was.ndim):
        said = [model.graph[key].say(world[key].item()) for world in (cf.factual, cf)]
        read = f", measured {model.graph[key].say(cf.measured[key].item())}" if key in cf.measured else ""
        lines.append(f"{key}: {' -> '.join(said)}{read}")
    if cf.support is not None:
        lines.append(f"support: {cf.support:.1%} of the training rows are as far from the others as what is asked")
    return "\n".join([*lines, f"see {out}"])


def numbers(text: str) -> list[int]:
    """``"0,1"`` as seeds. Raises ValueError for what is no list of whole numbers, with commas."""
    words = [word.strip() for word in text.split(",")]
    if any(not word.isdecimal() or int(word) > LARGEST for word in words):
        raise ValueError(f"--seeds: expected whole numbers with commas, such as 0,1, got {text!r}")
    return [int(word) for word in words]


def pairs(texts: Iterable[str]) -> dict[str, Any]:
    """``["lv_area=900", "sex=male"]`` as a mapping. Raises ValueError for what is not name=value, and for one name twice."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"expected name=value, got {text!r}")
        if name in found:
            raise ValueError(f"two values of {name}: {found[name]} and {value}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found
