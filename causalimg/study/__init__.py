from causalimg.study.compare import EVERY as EVERY
from causalimg.study.compare import METHODS as METHODS
from causalimg.study.compare import compare_guidance as compare_guidance
from causalimg.study.plan import SMALL as SMALL
from causalimg.study.plan import Plan as Plan
from causalimg.study.plan import Rows as Rows
from causalimg.study.plan import Study as Study
