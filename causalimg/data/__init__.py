"""Tables of images and facts, read from files."""

from causalimg.data.files import read_table as read_table
from causalimg.data.images import Percentile as Percentile
from causalimg.data.problems import TableError as TableError
from causalimg.data.table import Table as Table
