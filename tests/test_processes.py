"""Several processes train what one would; where one is killed all end, and go on from there."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
import torch
from test_command_line import SMALL, run, write_table

import causalimg as ci
from causalimg.cli.devices import TogetherError, together
from causalimg.training import loop
from causalimg.training.processes import SharedDraws, check_shared_out
from causalimg.training.randomness import batches

ROUNDS, STEPS = int(os.environ.get("ROUNDS", "1")), int(os.environ.get("STEPS", "60"))
"""So often a process is killed, and so long two are compared with one; 5 and 200 by `make scale`."""

TRAINING = """
import sys, warnings
from pathlib import Path
import torch
import causalimg as ci
from causalimg.training.processes import is_first

warnings.simplefilter("ignore")
images, steps, out, checkpoint = sys.argv[1].split(","), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
heart = ci.phantoms.Heart(size=32)
data, val = heart.sample(48, seed=1).values, heart.sample(9, seed=2).values
kinds = {"hvae": ci.HVAE(widths=(4, 8), latents=(0, 2)), "flow": ci.FlowMatching(widths=(4, 8), steps=2)}
short = {name: ci.Recipe(steps=4, batch=8) for name in heart.graph}
how = short | {"x": ci.Recipe(steps=steps, batch=8, log_every=1, accelerator="cpu")}
found = {}
for image in images:
    model = ci.compile(heart.graph, x=kinds[image])
    history = model.fit(data, val, checkpoint=checkpoint / image, **how)["x"]
    losses = [row["loss"] for row in history.rows], [row["val"] for row in history.rows if "val" in row]
    found[image] = (losses, model.state_dict())
if is_first():
    torch.save(found, out)
"""


def command(processes, *words):
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    return [sys.executable, *launcher, *words]


@pytest.fixture
def script(tmp_path):
    (tmp_path / "train.py").write_text(TRAINING)
    return tmp_path / "train.py"


def trained(processes, script, images, steps, name):
    out = script.parent / f"{name}.pt"
    subprocess.run(command(processes, script, ",".join(images), str(steps), out, script.parent / name), check=True)
    return torch.load(out)


def test_two_processes_train_what_one_does_and_where_one_is_killed_all_end_and_go_on(script):
    """One test, since to start processes takes the time."""
    by_one, by_two = (trained(n, script, ("hvae", "flow"), STEPS, f"by_{n}") for n in (1, 2))
    for image, (losses, weights) in by_one.items():
        check_alike(losses, weights, *by_two[image])
    draw = random.Random(0)
    for number in range(ROUNDS):
        check_killed_training_goes_on(script, f"killed_{number}", draw.random(), *by_two["hvae"])


def check_alike(alone, weights, shared, others):
    for one, other in zip(alone, shared, strict=True):
        assert other == pytest.approx(one, rel=1e-5, abs=1e-6)  # a log-likelihood passes through 0
    for name, value in weights.items():
        assert torch.allclose(value.float(), others[name].float(), atol=1e-5)


def check_killed_training_goes_on(script, name, seconds, expected, weights):
    kept = script.parent / name
    training = subprocess.Popen(
        command(2, script, "hvae", str(STEPS), script.parent / f"{name}.pt", kept), stderr=subprocess.PIPE, text=True
    )
    while not (kept / "hvae" / "x" / "spec.json").exists():
        assert training.poll() is None
        time.sleep(0.05)
    time.sleep(seconds)
    os.kill(random.choice(workers(training.pid)), signal.SIGKILL)
    said = training.communicate(timeout=120)[1]
    assert training.returncode
    assert "Signal 9 (SIGKILL)" in said
    losses, others = trained(2, script, ["hvae"], STEPS, name)["hvae"]
    assert losses == expected
    assert [one for one in weights if not torch.equal(weights[one], others[one])] == []


def workers(launcher):
    """The processes that a launcher has started."""
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(launcher)], capture_output=True, text=True, check=True)
    return [int(pid) for pid in said.stdout.split()]


def test_shares_make_a_batch_and_draws_are_those_of_one_process():
    whole = next(batches({"i": torch.arange(20)}, 6, torch.device("cpu"), 0, 0, 1))["i"]
    shares = [next(batches({"i": torch.arange(20)}, 6, torch.device("cpu"), 0, rank, 2))["i"] for rank in range(2)]
    assert torch.equal(torch.stack(shares, 1).flatten(), whole)
    with pytest.raises(ValueError, match="batch=7 can't be shared out among 2 processes: say a multiple of 2"):
        check_shared_out(7, 2)


def last(x):
    return x.contiguous(memory_format=torch.channels_last)


DRAWS = {
    "randn_like": lambda n: torch.randn_like(torch.empty(n, 3, 2, 2)),
    "randn_like, channels last": lambda n: torch.randn_like(last(torch.empty(n, 3, 2, 2))),
    "rand_like": lambda n: torch.rand_like(torch.empty(n)),
    "randn": lambda n: torch.randn(n, 5, dtype=torch.float64),
    "randn of a shape": lambda n: torch.randn((n, 5)),
    "rand": lambda n: torch.rand(n, 1, 1),
    "randint": lambda n: torch.randint(0, 4, (n,)),
    "normal_": lambda n: torch.empty(n, 2).normal_(1.0, 2.0),
    "exponential_": lambda n: torch.empty(n, 2).exponential_(),
    "uniform_": lambda n: torch.empty(n).uniform_(-1, 1),
    "of a generator": lambda n: torch.randn(n, 2, generator=torch.Generator().manual_seed(3)),
    "twice": lambda n: torch.rand(n) + torch.randn(n),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=list(DRAWS))
def test_what_is_drawn_for_a_row_is_the_same_in_any_number_of_processes(draw):
    torch.manual_seed(0)
    whole = draw(6)
    for ranks in (2, 3):
        for rank in range(ranks):
            torch.manual_seed(0)
            with SharedDraws(6 // ranks, rank, ranks):
                assert torch.equal(draw(6 // ranks), whole[rank::ranks])
    torch.manual_seed(0)
    with SharedDraws(4, 1, 2):
        assert torch.equal(draw(6), whole)  # no row each


def test_the_command_line_trains_by_two(monkeypatch, capsys, tmp_path):
    write_table(tmp_path)
    table = tmp_path / "hearts.csv"  # of files and patients alone: numbers take long where nothing shortens them
    table.write_text("\n".join(line.rsplit(",", 3)[0] for line in table.read_text().splitlines()))
    monkeypatch.chdir(tmp_path)
    say = partial(run, monkeypatch, capsys)
    say("init", "hearts.csv", "--images", "scans", "--masks", "outlines", "--structures", "lv,myo")
    study = tmp_path / "study.yaml"
    study.write_text(study.read_text().replace("[1, 64, 64]", "[1, 32, 32]"))
    code, said = say("fit", "study.yaml", *SMALL, "--devices", "2")
    assert (code, said.err) == (0, "")
    model = ci.CausalModel.load(next(tmp_path.glob("*/none_0")))
    assert model.mechanisms["x"].fitted


def test_what_ended_otherwise_is_said_in_a_line(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["causalimg", "fit", "no such study"])
    with pytest.raises(
        TogetherError, match="one of 2 processes failed or was killed, and all ended: the same command goes on"
    ):
        together(2)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert not together(2)


FABRIC = """
import torch
import causalimg as ci

heart = ci.phantoms.Heart(size=32)
recipe = ci.Recipe(steps=3, batch=8, accelerator="cpu", devices=2, strategy="ddp")
model = ci.compile(heart.graph, x=ci.HVAE(widths=(4, 8), latents=(0, 2)))
model.fit(heart.sample(16, seed=1).values, **dict.fromkeys(heart.graph, ci.Recipe(steps=2, batch=8)) | {"x": recipe})
"""


def test_processes_that_lightning_fabric_starts_are_no_launchers(tmp_path):
    (tmp_path / "train.py").write_text(FABRIC)
    subprocess.run([sys.executable, tmp_path / "train.py"], check=True, timeout=120)


def test_processes_that_go_on_from_different_steps_are_told():
    class Gathered:
        def all_gather(self, done):
            return torch.stack([done, done + 5])

    with pytest.raises(RuntimeError, match=r"has \[3, 8\] steps, by process: it must be in a folder that all of them"):
        loop._together(Gathered(), 3)
