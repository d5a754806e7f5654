"""What a network answers, in one form."""

import numpy as np


def probabilities(outputs, kind):
    """Of `logits`, `probabilities` or `log_probabilities`, [n, classes] each."""
    outputs = np.asarray(outputs, np.float64)
    if kind == "probabilities":
        return outputs
    if kind == "log_probabilities":
        return np.exp(outputs)
    powers = np.exp(outputs - outputs.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
