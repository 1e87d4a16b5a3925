"""Phantoms: images with a known structural causal model."""

from causalimg.data.phantoms.chest import Chest as Chest
from causalimg.data.phantoms.heart import Heart as Heart
from causalimg.data.phantoms.phantom import Phantom as Phantom
from causalimg.data.phantoms.phantom import Sample as Sample
from causalimg.data.phantoms.vessel import Vessel as Vessel
