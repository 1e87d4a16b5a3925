"""Readers: networks that read variables off an image, to fill in, to guide, or to judge."""

from causalimg.readers.augment import Augment as Augment
from causalimg.readers.augment import Pose as Pose
from causalimg.readers.classifier import Classifier as Classifier
from causalimg.readers.networks import CNN as CNN
from causalimg.readers.networks import Network as Network
from causalimg.readers.networks import UNet as UNet
from causalimg.readers.reader import Reader as Reader
from causalimg.readers.reader_set import ReaderSet as ReaderSet
from causalimg.readers.regressor import Regressor as Regressor
from causalimg.readers.segmentor import Segmentor as Segmentor
