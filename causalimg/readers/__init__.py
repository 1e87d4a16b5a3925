"""Networks that read variables off an image."""

from causalimg.readers.panel import Panel as Panel
from causalimg.readers.reader import Reader as Reader
