from causalimg.exploring.explore import explore as explore
from causalimg.exploring.server import serve as serve
