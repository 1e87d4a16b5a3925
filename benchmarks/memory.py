"""Peak memory of fit steps, in MB over what was there before the first: a process of its own, for `speed.py`. Linux only.

python benchmarks/memory.py "ours" 64 32
"""

import sys
from pathlib import Path

import torch
from cases import Case

STEPS = 3


def status(field: str, process: str = "self") -> float:
    """``VmRSS``, the memory a process has now, or ``VmHWM``, the most it has had, in MB, as Linux tells (0: it is gone)."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith(field)), 0.0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    way, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    Case(way, size, 2).action("fit")()  # what libraries set up once
    action = Case(way, size, batch).action("fit")
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is what there is now
    before = status("VmRSS")
    for _ in range(STEPS):
        action()
    print(status("VmHWM") - before)
