"""The command line: ``causalimg demo`` and ``causalimg do``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from causalimg.data.pictures import open_picture
from causalimg.data.pixels import image_of
from causalimg.demo import demo
from causalimg.graph import Image
from causalimg.model import CausalModel


def main() -> None:
    """Run the command line. A user's mistake is said in one line, with exit code 1."""
    import typer  # loads when first needed

    app = typer.Typer(help="Say what causes what. Get the image that would have been.", no_args_is_help=True)

    @app.command("demo")
    def run_demo(out: Path = Path("demo"), seed: int = 0, steps: int = 600) -> None:
        """Fit, fine-tune and question a model of phantom hearts; figures, tables and the model go into the folder OUT."""
        demo(out, seed=seed, steps=steps)
        typer.echo((out / "judgement.md").read_text())
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

    app()


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
