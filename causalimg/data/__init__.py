"""Tables of images and facts, read from files."""

from causalimg.data.files import read_table as read_table
from causalimg.data.limits import Limits as Limits
from causalimg.data.normalise import Percentile as Percentile
from causalimg.data.normalise import Window as Window
from causalimg.data.on_disk import load_table as load_table
from causalimg.data.on_disk import store_table as store_table
from causalimg.data.preprocessing import Preprocessing as Preprocessing
from causalimg.data.problems import TableError as TableError
from causalimg.data.slices import Slices as Slices
from causalimg.data.table import Table as Table
