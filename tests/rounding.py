"""Another processor rounds otherwise, so that what is trained there is another model. A test must not hold by luck on this one.

Here every gradient is larger by some millionths, which an optimiser like Adam hardly sees, and rounding does: `make rounding`.
"""

from torch.optim.optimizer import register_optimizer_step_pre_hook

LARGER = 1 + 3e-6


def enlarge(optimizer, *_):
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                parameter.grad.mul_(LARGER)


register_optimizer_step_pre_hook(enlarge)
