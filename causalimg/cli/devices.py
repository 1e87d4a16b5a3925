"""A command that several processes run together, each with a share of the work: started by torchrun, ended together."""

import subprocess
import sys

from causalimg.training.processes import launched


class TogetherError(RuntimeError):
    """One of several processes did not end by itself."""


def together(devices: int) -> bool:
    """Run the same command in so many processes, unless this is one of them; returns whether it is done.

    Raises TogetherError where one of them ended in another way than by itself.
    """
    if devices == 1 or launched() > 1:
        return False
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}"]
    ended = subprocess.run([*words, "-m", "causalimg", *sys.argv[1:]], check=False)
    if ended.returncode:
        raise TogetherError(
            f"one of {devices} processes failed or was killed, and all ended: the same command goes on from there"
        )
    return True
