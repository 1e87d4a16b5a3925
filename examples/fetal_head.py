"""Counterfactual fetal ultrasound, in mm2: what if this head were larger, under the same settings of the scanner?

    python examples/fetal_head.py ../shared/data/hc18 --size 64 --out out/fetal_head

The folder holds `hc18_128.npz` ("images", "labels": 1 = the head) and `metadata.csv` (subject, pixel_mm, head_area_mm2, split).
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.distributions import LogNormal

import causalimg as ci

SHOWN = (0.001, 1.0)  # shares of the image that a head can take
FLOWS = {32: ci.FlowMatching()} | {size: ci.FlowMatching(patch=size // 32, shift=size / 64) for size in (64, 128, 192)}


def head_graph(size: int) -> type[ci.Graph]:
    """A head and the zoom cause how much of an image, `size` x `size`, the head takes; the zoom causes the speckle too."""

    class FetalHead(ci.Graph):
        # Sonographers zoom to fit. No edge says so: under do(head_area) an acquisition setting has to stay as it was. The
        # price: model.sample() draws the two apart, heads that don't fit into their image among them.
        head_area = ci.Continuous(unit="mm2", bounds=(1, None))
        pixel_mm = ci.Continuous(unit="mm", bounds=(0.01, None))  # of the file's 128 x 128 pixels, whatever `size` is
        head_px = ci.Continuous(parents=[head_area, pixel_mm], unit="fraction", bounds=SHOWN, measured=ci.Area("head"))
        x = ci.Image(parents=[head_px, pixel_mm], shape=(1, size, size))

    return FetalHead


class Zoomed(ci.MaximumLikelihood):
    """head_px = head_area / (128 pixel_mm)^2 exp(s u), u ~ N(0, 1): geometry, but for the error s of an outline on pixels."""

    handles = (ci.Continuous,)

    def build(self) -> None:
        self.s = torch.nn.Buffer(torch.tensor(0.01))

    def prepare(self, value: Tensor, parents: dict[str, Tensor]) -> None:
        super().prepare(value, parents)
        self.s.copy_((value / self.exact(parents)).log().square().mean().sqrt())

    def exact(self, parents: dict[str, Tensor]) -> Tensor:
        return parents["head_area"] / (128 * parents["pixel_mm"]).square()

    def noise(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(n, generator=generator).to(self.s)

    def predict(self, u: Tensor, parents: dict[str, Tensor]) -> Tensor:
        return (self.exact(parents) * (self.s * u).exp()).clamp(*SHOWN)

    def explain(self, value: Tensor, parents: dict[str, Tensor], prior: Tensor) -> ci.Abduction:
        exact = self.exact(parents).log()
        return ci.Abduction((value.log() - exact) / self.s, -LogNormal(exact, self.s).log_prob(value))


def exchanged(rows: ci.Table | dict[str, Tensor], name: str) -> Tensor:
    """For each row the value of another one of about the same zoom: at any zoom, many heads would not fit the image."""
    by_zoom, values = rows["pixel_mm"].argsort(), rows[name].clone()
    values[by_zoom] = torch.cat([values[near.roll(len(near) // 2)] for near in by_zoom.split(10)])
    return values


def error(judge: ci.Reader, test: ci.Table, images: Tensor, target: Tensor) -> str:
    """The error of the head's area, as `judge` reads it on `images`, a row of a table: % of its `target` (n,), and mm2."""
    read = judge.read(images, test.graph, ["head_px"])["head_px"] * (128 * test["pixel_mm"]).square()
    share, mm2 = 100 * (read / target - 1).abs(), (read - target).abs()
    return f"{share.median():.1f} % | {share.mean():.1f} % | {mm2.median():.0f} mm2 | {mm2.mean():.0f} mm2 |"


def read(data: Path, size: int = 64) -> ci.Table:
    """The images, `size` x `size`, with the outline of the head."""
    scans, kinds = data / "hc18_128.npz", {"columns": {"head_area": "head_area_mm2"}, "structures": ("head",)}
    return ci.read_table(head_graph(size), data / "metadata.csv", scans, masks=scans, **kinds)


def main(data: Path, out: Path, size: int, steps: int, every: int, seed: int) -> None:
    """Read, fit, fine-tune, judge every `every`-th row of the test set; figures, tables and the model go into `out`."""
    table, of_readers = read(data, size), ci.Recipe(steps=steps // 2, lr=4e-3)
    train, val, test = (table.where(split=split) for split in ("train", "val", "test"))
    test = test.rows(slice(None, None, every))
    reader, judge = (ci.Segmentor.unet(("head",), encoder=name, seed=seed) for name in ("tu-resnet18", "mobilenet_v2"))
    for one in (reader, judge):
        one.fit(train["x"], train.masks, (val["x"], val.masks), recipe=of_readers, seed=seed + (one is judge))
    model = ci.compile(table.graph, reader, seed=seed, head_px=Zoomed(), x=FLOWS[size])
    how = {"pose": ci.Pose(rotate=5, mirror=True), "checkpoint": out / "checkpoint"}
    model.to(ci.accelerator()).fit(train, val, seed=seed, x=ci.Recipe(steps=steps, batch=32), **how)

    def drawn(values: dict[str, Tensor], names: object) -> ci.Drawn:
        return ci.Drawn({"head_px": exchanged(values, "head_px")}, {"head_px": values["head_px"] > 0})

    target, guided = exchanged(test, "head_area"), ci.Guided(model, reader)
    print("| do(head_area=another's) | median | mean | median | mean |\n| --- | --- | --- | --- | --- |")
    print(f"| the judge's own | {error(judge, test, test['x'], test['head_area'])}")
    for stage in ("fitted", "fine-tuned"):
        if stage == "fine-tuned":
            recipe = ci.Recipe(steps=max(1, steps // 15), batch=16, lr=1e-3, warmup=20)
            terms = [reader, ci.Plausibility(weight=3.0)]
            model.finetune(train, val, guidance=terms, sampler=drawn, recipe=recipe, seed=seed)
        for way, asked in ((stage, model), (f"{stage}, the segmentor pulls", guided)):
            print(f"| {way} | {error(judge, test, asked.do(test, head_area=target)['x'].cpu(), target)}")
    model.save(out / "model")
    guided.do(test.rows(slice(7)), head_area=ci.scale(1.2)).plot(out / "head_area_times_1.2.png")
    report = ci.evaluate(guided, test, [judge], groups=test.extra["subject"], seed=seed, allow_weak=True)
    print(f"The page: {report.write(out)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with hc18_128.npz and metadata.csv")
    parser.add_argument("--out", type=Path, default=Path("out/fetal_head"))
    parser.add_argument("--size", type=int, default=64, choices=FLOWS, help="in pixels; 32 for a first look")
    parser.add_argument("--steps", type=int, default=3000, help="of the image's fit; all else follows it")
    parser.add_argument("--every", type=int, default=1, help="of so many test images one is judged")
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
