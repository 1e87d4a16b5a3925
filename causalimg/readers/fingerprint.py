"""A short name for what a network has learnt, so that it is known again: who guided may not judge."""

from hashlib import sha256

import torch

from causalimg.configured import Configured


def fingerprint(network: Configured) -> str:
    """Twelve hex digits of the network's parameters; of its kind and settings, if it has none.

    Names, settings and buffers don't count: wrapped, renamed or calibrated anew, it is the same network still.
    """
    digest = sha256()
    parameters = list(network.parameters())
    for parameter in parameters:
        numbers = parameter.detach().cpu().contiguous()
        digest.update(f"{numbers.dtype}{tuple(numbers.shape)}".encode())
        digest.update(numbers.view(-1).view(torch.uint8).numpy().tobytes())
    if not parameters:
        digest.update(repr(network.to_data()).encode())
    return digest.hexdigest()[:12]
