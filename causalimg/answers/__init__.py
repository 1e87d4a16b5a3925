"""Answers as files: images in the format that the next program reads, and a CSV of what was asked and measured."""

from causalimg.answers.formats import Format as Format
from causalimg.answers.place import Like as Like
from causalimg.answers.save import save_answers as save_answers
