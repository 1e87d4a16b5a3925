"""Counterfactual fetal ultrasound, in mm2: what if this head were larger, under the same settings of the scanner?

    python examples/fetal_head.py ../shared/data/hc18 --size 64 --out out/fetal_head

The folder holds `hc18_128.npz` ("images", "labels": 1 = the head) and `metadata.csv` (subject, pixel_mm, head_area_mm2, split).
"""

import argparse
from pathlib import Path

import torch
from torch.distributions import LogNormal

import causalimg as ci

SHOWN = (0.001, 1.0)  # shares of the image that a head can take
WIDTHS = {32: (48, 64, 96, 128), 64: (48, 64, 96, 128), 128: (32, 48, 64, 96, 128)}  # 32 for a first look


def field_mm2(pixel_mm: torch.Tensor) -> torch.Tensor:
    """What an image shows, in mm2: pixel_mm is that of the file's 128 x 128 pixels, whatever they are resized to."""
    return (128 * pixel_mm).square()


def head_graph(size: int) -> type[ci.Graph]:
    """A head and the zoom cause how much of an image, `size` x `size`, the head takes; the zoom causes the speckle too."""

    class FetalHead(ci.Graph):
        # Sonographers zoom to fit. No edge says so: under do(head_area) an acquisition setting has to stay as it was. The
        # price: model.sample() draws the two apart, heads that don't fit into their image among them.
        head_area = ci.Continuous(unit="mm2", bounds=(1, None))
        pixel_mm = ci.Continuous(unit="mm", bounds=(0.01, None))
        head_px = ci.Continuous(parents=[head_area, pixel_mm], unit="fraction", bounds=SHOWN, measured=ci.Area("head"))
        x = ci.Image(parents=[head_px, pixel_mm], shape=(1, size, size))

    return FetalHead


class Zoomed(ci.MaximumLikelihood):
    """head_px = head_area / field_mm2(pixel_mm) exp(s u), u ~ N(0, 1): geometry, but for the error s of an outline on pixels."""

    handles = (ci.Continuous,)

    def build(self) -> None:
        self.s = torch.nn.Buffer(torch.tensor(0.01))

    def prepare(self, value: torch.Tensor, parents: dict[str, torch.Tensor]) -> None:
        super().prepare(value, parents)
        self.s.copy_((value / self.exact(parents)).log().square().mean().sqrt())

    def exact(self, parents: dict[str, torch.Tensor]) -> torch.Tensor:
        return parents["head_area"] / field_mm2(parents["pixel_mm"])

    def noise(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return torch.randn(n, generator=generator).to(self.s)

    def predict(self, u: torch.Tensor, parents: dict[str, torch.Tensor]) -> torch.Tensor:
        return (self.exact(parents) * (self.s * u).exp()).clamp(*SHOWN)

    def explain(self, value: torch.Tensor, parents: dict[str, torch.Tensor], prior: torch.Tensor) -> ci.Abduction:
        exact = self.exact(parents).log()
        return ci.Abduction((value.log() - exact) / self.s, -LogNormal(exact, self.s).log_prob(value))


def exchanged(test: ci.Table) -> torch.Tensor:
    """For each row the head of another one, seen at about the same zoom: at any zoom, many would not fit into the image."""
    by_zoom, areas = test["pixel_mm"].argsort(), test["head_area"].clone()
    areas[by_zoom] = torch.cat([areas[rows.roll(len(rows) // 2)] for rows in by_zoom.split(10)])
    return areas


def error(judge: ci.Reader, test: ci.Table, images: torch.Tensor, target: torch.Tensor) -> str:
    """The median error of the head's area, as `judge` reads it: in mm2, and in % of its `target` (n,)."""
    read = judge.read(images, test.graph, ["head_px"])["head_px"] * field_mm2(test["pixel_mm"])
    return f"{100 * (read / target - 1).abs().median():.1f} % ({(read - target).abs().median():.0f} mm2)"


def read(data: Path, size: int = 64) -> ci.Table:
    """The images, `size` x `size`, with the outline of the head."""
    scans, kinds = data / "hc18_128.npz", {"columns": {"head_area": "head_area_mm2"}, "structures": ("head",)}
    return ci.read_table(head_graph(size), data / "metadata.csv", scans, masks=scans, **kinds)


def main(data: Path, out: Path, size: int, steps: int, every: int, seed: int) -> None:
    """Read, fit, judge every `every`-th row of the test set; figures, tables and the model go into `out`."""
    table = read(data, size)
    train, val, test = (table.where(split=split) for split in ("train", "val", "test"))
    test = test.rows(slice(None, None, every))
    reader, judge = (
        ci.Segmentor.unet(("head",), encoder=encoder, seed=seed + i).fit(
            train["x"], train.masks, (val["x"], val.masks), recipe=ci.Recipe(steps=steps // 5, lr=4e-3), seed=seed + i
        )
        for i, encoder in enumerate(("tu-resnet18", "mobilenet_v2"))
    )
    print(f"reader\n{reader.report()}\njudge\n{judge.report()}")

    model = ci.compile(table.graph, reader, seed=seed, head_px=Zoomed(), x=ci.FlowMatching(widths=WIDTHS[size]))
    recipe = ci.FlowMatching.recipe.model_copy(update={"steps": steps})
    model.to(ci.accelerator()).fit(train, val, seed=seed, pose=ci.Pose(rotate=5, mirror=True), x=recipe)
    report = ci.evaluate(model, test, [judge], groups=test.extra["subject"], seed=seed)
    print(f"{report.table()}\nThe page: {report.write(out)}")

    target, ways = exchanged(test), (model, ci.Guided(model, reader))
    fitted, guided = (error(judge, test, one.do(test, head_area=target)["x"].cpu(), target) for one in ways)
    print(f"do(head_area=another's): {fitted}; guided at the question: {guided};", end=" ")
    print(f"the judge's own: {error(judge, test, test['x'], test['head_area'])}")
    for factor in (0.8, 1.2):
        ways[1].do(test.rows(slice(7)), head_area=ci.scale(factor)).plot(out / f"head_area_times_{factor:g}.png")
    model.save(out / "model")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with hc18_128.npz and metadata.csv")
    parser.add_argument("--out", type=Path, default=Path("out/fetal_head"))
    parser.add_argument("--size", type=int, default=64, choices=WIDTHS, help="of the images, in pixels")
    parser.add_argument("--steps", type=int, default=3000, help="of the image's fit; the rest follows it")
    parser.add_argument("--every", type=int, default=1, help="of so many test images one is judged")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
