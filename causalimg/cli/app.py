"""The commands, and what becomes of a user's mistake."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer

from causalimg.answers import Format
from causalimg.cli.asking import Asking, ask
from causalimg.cli.bulk import generated
from causalimg.cli.devices import TogetherError
from causalimg.cli.many import Rows, ask_many
from causalimg.cli.road import LARGEST, Road, described
from causalimg.cli.sweep import sweep
from causalimg.cli.words import apart, settings
from causalimg.completion import Unknown
from causalimg.data.frame import Fit
from causalimg.demo import demo, train
from causalimg.generation.engines import Engine
from causalimg.study import EVERY, StudyFile, guessed
from causalimg.training.progress import QUIET

P = ParamSpec("P")

INTERRUPTED = 130
"""The exit code after Ctrl-C, as in a shell."""

Source = Annotated[str, typer.Argument(help="A study.yaml; or a phantom: heart, chest, vessel.")]
Changes = Annotated[list[str] | None, typer.Option("--set", help="Another setting of it, such as steps=100.")]
Devices = Annotated[int, typer.Option(min=1, help="So many processes, each on a device of its own, share every step.")]
Out = Annotated[Path | None, typer.Option(help="The folder of what is trained, and of figures, tables and pages.")]

Model = Annotated[Path, typer.Argument(help="A folder that model.save made.")]
Given = Annotated[list[str] | None, typer.Option(help="What is known of the patient, as name=value.")]
Fitted = Annotated[Fit | None, typer.Option(help="What is done to images of other proportions than the model's.")]
Chosen = Annotated[str | None, typer.Option(help="The slice of a volume, such as at=12 or axis=coronal,at=12.")]
Spacing = Annotated[float | None, typer.Option(help="The side of a pixel in mm, where the file doesn't say it.")]
Unsaid = Annotated[Unknown, typer.Option(help="What becomes of facts that are neither given nor readable.")]
Particles = Annotated[int, typer.Option(min=1, help="So many draws of what is left open; the answer is their mean.")]

app = typer.Typer(help="Say what causes what. Get the image that would have been.", no_args_is_help=True)


def main() -> None:
    """Run the command line. A user's mistake is said in words, with exit code 1 (2 for an option that is no such number)."""
    app()


@contextmanager
def plainly(name: str) -> Iterator[None]:
    """A user's mistake in words and not in a traceback, with exit code 1; 130 after Ctrl-C. Warnings without the line of code."""
    shown = warnings.showwarning

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if not QUIET.get():
            typer.echo(f"causalimg {name}: warning: {message}", err=True)

    warnings.showwarning = show
    try:
        yield
    except (ValueError, TypeError, OSError, ImportError, TogetherError) as error:
        said = str(error)
        if isinstance(error, OSError) and error.filename:
            said = f"{error.filename}: {error.strerror}"  # without its number
        typer.echo(f"causalimg {name}: {said}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"causalimg {name}: interrupted; the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        warnings.showwarning = shown


def command(name: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A command of `app`, called `name`, whose user's mistakes are said plainly."""

    def register(function: Callable[P, None]) -> Callable[P, None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            with plainly(name):
                function(*args, **kwargs)

        return app.command(name)(run)

    return register


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    say_version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Results and mistakes only: no progress, no warnings.")
    ] = False,
) -> None:
    before = QUIET.set(quiet)
    context.call_on_close(lambda: QUIET.reset(before))
    if say_version:
        typer.echo(version("causalimg"))
        raise typer.Exit


@command("demo")
def run_demo(
    out: Path = Path("demo"),
    training: Annotated[
        bool, typer.Option("--train", help="Don't ask the shipped model: make one, in minutes.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST, help="Of --train.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Of --train.")] = 600,
) -> None:
    """Question a model of phantom hearts; figures and the model go into the folder OUT."""
    if training:
        train(out, seed=seed, steps=steps)
        typer.echo((out / "comparison.md").read_text())
    else:
        typer.echo(demo(out))
    typer.echo(f"Figures and the model are in {out}; begin with {out / 'smaller.png'}. Then ask:")
    typer.echo((out / "ask.txt").read_text())


@command("init")
def init(
    csv: Annotated[Path, typer.Argument(help="The table of your data.")],
    images: Annotated[
        Path | None, typer.Option(help="Folder, or NPZ with 'images'; by default beside the table.")
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder, or NPZ with 'labels'.")] = None,
    structures: Annotated[str, typer.Option(help="What the labels 1, 2, ... outline, with commas.")] = "",
    out: Path = Path("study.yaml"),
) -> None:
    """Write a first study.yaml for a table, in which guesses are marked: above all, who causes what is for you to say."""
    if out.exists():
        raise ValueError(f"{out} is there already: choose another --out, or remove it")
    out.write_text(guessed(csv, images, masks, [name for name in structures.split(",") if name]))
    typer.echo(f"Wrote {out}. Check what is marked as a guess; then: causalimg check {out}")


@command("schema")
def schema() -> None:
    """Print the JSON schema of study.yaml, for editors that check and complete it."""
    typer.echo(StudyFile.schema_text())


@command("check")
def check(source: Source, changes: Changes = None) -> None:
    """Read all that a study names, train nothing, and say what there is: graph, rows, patients, ranges."""
    typer.echo(described(Road.of(source, changes or ())))


@command("fit")
def fit(source: Source, changes: Changes = None, out: Out = None, devices: Devices = 1) -> None:
    """Train what a study needs up to the fitted models, a folder each. Cut short, the same command goes on."""
    road = Road.of(source, changes or (), out)
    if road.shared(devices):
        return
    for seed in road.seeds:
        typer.echo(f"The fitted model: {road.fit(seed)}")


@command("finetune")
def finetune(
    source: Source,
    guide: Annotated[str, typer.Option(help="regressor, segmentor or classifier.")] = "segmentor",
    changes: Changes = None,
    out: Out = None,
    devices: Devices = 1,
) -> None:
    """Fine-tune the fitted models under a guide, fitting them first if need be. Cut short, the same command goes on."""
    road = Road.of(source, changes or (), out)
    if road.shared(devices):
        return
    for seed in road.seeds:
        typer.echo(f"The fine-tuned model: {road.finetune(guide, seed)}")


@command("evaluate")
def evaluate(
    source: Source,
    method: Annotated[str, typer.Option(help=f"One of {', '.join(EVERY)}.")] = "none",
    changes: Changes = None,
    out: Out = None,
) -> None:
    """Judge the models of a method, trained if they are not yet, on held-out rows: a table, pictures and a page."""
    table, page = Road.of(source, changes or (), out).evaluate(method)
    typer.echo(table)
    typer.echo(f"Pictures are beside the page; open {page}.")


@command("card")
def card(
    source: Source,
    method: Annotated[str, typer.Option(help="none, or the guide that fine-tuned.")] = "none",
    changes: Changes = None,
    out: Out = None,
) -> None:
    """Write the card of a model, README.md in its folder: data, who guided, who judged, how well, support, limits."""
    typer.echo(f"The card: {Road.of(source, changes or (), out).card(method)}")


@command("compare")
def compare(
    source: Source,
    methods: Annotated[str | None, typer.Option(help=f"With commas, of {', '.join(EVERY)}.")] = None,
    seeds: Annotated[str | None, typer.Option(help="With commas.")] = None,
    steps: Annotated[int | None, typer.Option(help="Of the image's fit; the rest follows it.", min=1)] = None,
    size: Annotated[int | None, typer.Option(help="Of a phantom's image, in pixels.")] = None,
    flow: Annotated[
        bool, typer.Option("--flow", help="A phantom's image by a flow, not by a deformed autoencoder.")
    ] = False,
    changes: Changes = None,
    out: Out = None,
) -> None:
    """Compare kinds of guidance on the same models with the same judge: a table, pictures and a page in the folder OUT."""
    road = Road.of(source, changes or (), out, methods=methods, seeds=seeds, steps=steps, size=size, flow=flow)
    table, page = road.compare()
    typer.echo(table)
    typer.echo(f"Pictures and the page are in {road.out}; open {page}.")


@command("explore")
def explore(
    source: Source,
    method: Annotated[str, typer.Option(help=f"One of {', '.join(EVERY)}.")] = "none",
    over: Annotated[
        str | None, typer.Option(help="What can be moved, with commas; by default what causes the image.")
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="So many rows to judge on.")] = 8,
    targets: Annotated[int, typer.Option(min=2, help="So many values of a number.")] = 9,
    live: Annotated[bool, typer.Option("--serve", help="Don't write the page: serve it, asking the model.")] = False,
    host: Annotated[str, typer.Option(help="Of --serve; other than this machine only if you say so.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of --serve.")] = 8000,
    changes: Changes = None,
    out: Out = None,
) -> None:
    """Write a page with sliders, one HTML file to send; or with --serve one that asks the model."""
    road = Road.of(source, changes or (), out)
    if live:
        typer.echo(f"Open http://{host}:{port} and stop by Ctrl-C.")
        road.serve(method, over, items, host, port)
    else:
        typer.echo(f"The page: {road.explore(method, over, items, targets)}")


@command("do")
def do(
    model: Model,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE... NAME=VALUE...",
            help="Images, a folder of them, or a .csv; what is set: 900, male, 70%, scale(0.8), shift(-10), percentile(90).",
        ),
    ],
    given: Given = None,
    table: Annotated[
        Path | None, typer.Option(help="A CSV of images (column file), with what is known of each.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the table's files; by default beside it.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For programs: what was, is asked and measured, as JSON.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="The figure of one image, counterfactual.png; the folder of many, counterfactuals."),
    ] = None,
    fit: Fitted = None,
    slices: Chosen = None,
    spacing: Spacing = None,
    unknown: Unsaid = "refuse",
    particles: Particles = 1,
) -> None:
    """What would an image have been, or each of many? As in: causalimg do demo/model heart.png lv_area=900 --given sex=male"""
    files, said = apart(words)
    if not said:
        raise ValueError("nothing is set: say what, such as lv_area=900")
    asking = Asking.of(
        model, given or (), fit=fit, slices=slices, spacing=spacing, unknown=unknown, particles=particles
    )
    rows, what = Rows.of(files, table, images, asking.model), settings(said, asking.model.graph)
    if rows.files == files and len(files) == 1:
        typer.echo(ask(asking, files[0], what, out or Path("counterfactual.png"), as_json))
    else:
        typer.echo(ask_many(asking, rows, what, out or Path("counterfactuals"), as_json))


@command("generate")
def run_generate(
    model: Model,
    table: Annotated[Path, typer.Argument(help="A CSV of images (column file); or the folder of a table on disk.")],
    asked: Annotated[
        list[str] | None, typer.Option("--do", metavar="NAME=VALUE", help="What is set, as in causalimg do.")
    ] = None,
    even: Annotated[
        str | None, typer.Option("--balance", help="Set its levels so that each is as frequent as any other.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="The folder of the table's files; by default beside it.")] = None,
    given: Given = None,
    out: Annotated[Path, typer.Option(help="The folder of the answers; the same command goes on with it.")] = Path(
        "generated"
    ),
    kind: Annotated[Format, typer.Option(help="Of files.")] = "png",
    seed: Annotated[int, typer.Option(min=0, max=LARGEST)] = 0,
    engine: Annotated[
        Engine, typer.Option(help="This process, or workers of Ray (pip install causalimg[scale]).")
    ] = "here",
    workers: Annotated[int, typer.Option(min=1, help="Of Ray.")] = 1,
    fit: Fitted = None,
    slices: Chosen = None,
    spacing: Spacing = None,
    unknown: Unsaid = "refuse",
    particles: Particles = 1,
) -> None:
    """An answer for every row of a table, whoever is killed meanwhile: images, and answers.csv."""
    asking = Asking.of(model, given or (), slices, fit=fit, spacing=spacing, unknown=unknown, particles=particles)
    do = settings(asked or (), asking.model.graph)
    how: dict[str, Any] = {"even": even, "kind": kind, "seed": seed, "engine": engine, "workers": workers}
    typer.echo(generated(asking, table, images, do, out, **how))


@command("sweep")
def run_sweep(
    model: Model,
    image: Annotated[Path, typer.Argument(help="PNG, JPEG, TIFF, NPZ, NIfTI or DICOM.")],
    over: Annotated[
        list[str], typer.Argument(metavar="NAME [NAME]", help="One variable or two; or NAME=600,900,1200.")
    ],
    given: Given = None,
    start: Annotated[
        float | None, typer.Option("--from", help="The least value; by default of 5 % of the training rows.")
    ] = None,
    stop: Annotated[float | None, typer.Option("--to", help="The greatest; by default of 95 %.")] = None,
    steps: Annotated[int, typer.Option(min=2, help="So many values of a number.")] = 7,
    out: Path = Path("sweep.png"),
    fit: Fitted = None,
    slices: Chosen = None,
    spacing: Spacing = None,
    unknown: Unsaid = "refuse",
) -> None:
    """Ask many values of one variable, or of two: a figure and a CSV. As in: causalimg sweep demo/model heart.png lv_area"""
    asking = Asking.of(model, given or (), fit=fit, slices=slices, spacing=spacing, unknown=unknown)
    typer.echo(sweep(asking, image, over, (start, stop), steps, out))
