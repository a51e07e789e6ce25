"""A trained model, used: pixels in, probabilities and masks out, at the image's own size. No torch."""

from segkit.prediction.facts import Facts
from segkit.prediction.network import Network
from segkit.prediction.predictor import Predictor
from segkit.prediction.result import Prediction
from segkit.prediction.ways import Ways

__all__ = ["Facts", "Network", "Prediction", "Predictor", "Ways"]
