"""torchvision's GoogLeNet with seeded random weights that tell pictures apart, full size or small."""

import warnings

import torch
from pictures import normalised, pictures
from torch import nn
from torchvision.models import googlenet as torchvision_googlenet
from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception, InceptionAux

CALIBRATION = range(100, 132)
TABLE = {
    "inception3a": (192, 64, 96, 128, 16, 32, 32),
    "inception3b": (256, 128, 128, 192, 32, 96, 64),
    "inception4a": (480, 192, 96, 208, 16, 48, 64),
    "inception4b": (512, 160, 112, 224, 24, 64, 64),
    "inception4c": (512, 128, 128, 256, 24, 64, 64),
    "inception4d": (512, 112, 144, 288, 32, 64, 64),
    "inception4e": (528, 256, 160, 320, 32, 128, 128),
    "inception5a": (832, 256, 160, 320, 32, 128, 128),
    "inception5b": (832, 384, 192, 384, 48, 128, 128),
}


class SmallAux(InceptionAux):
    """As InceptionAux, with fewer channels."""

    def __init__(self, in_channels, classes):
        nn.Module.__init__(self)
        self.conv = BasicConv2d(in_channels, 4, kernel_size=1)
        self.fc1 = nn.Linear(4 * 16, 24)
        self.fc2 = nn.Linear(24, classes)
        self.dropout = nn.Dropout(p=0.7)


class SmallGoogLeNet(GoogLeNet):
    """torchvision's network, names and forward pass, with a `divisor`th of its channels."""

    def __init__(self, classes, divisor=32, aux_logits=False, transform_input=False):
        nn.Module.__init__(self)
        fewer = lambda channels: max(2, round(channels / divisor))
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = BasicConv2d(3, fewer(64), kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(fewer(64), fewer(64), kernel_size=1)
        self.conv3 = BasicConv2d(fewer(64), fewer(192), kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        channels, widths = fewer(192), {}
        for name, (_, *six) in TABLE.items():
            six = [fewer(c) for c in six]
            setattr(self, name, Inception(channels, *six))
            channels = widths[name] = six[0] + six[2] + six[4] + six[5]
        self.aux1 = SmallAux(widths["inception4a"], classes) if aux_logits else None
        self.aux2 = SmallAux(widths["inception4d"], classes) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=0.2)
        self.fc = nn.Linear(channels, classes)


def network(classes, side, small, seed=1, normalise=normalised, unit_scale=False, **options):
    """In evaluation mode; every picture's logits have a spread of at least 5. `unit_scale` leaves the
    scale of every batch normalisation at 1, as TensorFlow-slim does.

    Without care a random network answers all pictures alike: its activations die, explode or lose
    what differs between pictures. So the batch normalisations take their statistics from a run over
    drawn pictures, and the last layer is centred on the mean feature and scaled.
    """
    torch.manual_seed(seed)
    if small:
        model = SmallGoogLeNet(classes, **options)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options.setdefault("aux_logits", False)
            model = torchvision_googlenet(weights=None, num_classes=classes, init_weights=False, **options)
    for _, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.1, 0.1)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, *((1, 1) if unit_scale else (0.7, 1.3)))
            nn.init.uniform_(module.bias, -0.3, 0.5)
            module.momentum = None
    images = torch.from_numpy(normalise(pictures(CALIBRATION, side)))
    model.train()
    for dropout in (m for m in model.modules() if isinstance(m, nn.Dropout)):
        dropout.eval()
    with torch.no_grad():
        model(images)
        model.eval()
        features = []
        hook = model.fc.register_forward_hook(lambda _, inputs, __: features.append(inputs[0]))
        tests = torch.from_numpy(normalise(pictures(range(8), side)))
        model(images)
        # A tenth of the mean is left: real networks do not answer evenly either.
        model.fc.bias -= 0.9 * (model.fc.weight @ features[0].mean(0))
        logits = model(tests)
        spread = (logits.amax(1) - logits.amin(1)).min()
        # With a thousand classes, a spread of 5 leaves the best one at 1 %.
        factor = (5.5 if classes < 100 else 14) / spread
        model.fc.weight *= factor
        model.fc.bias *= factor
        hook.remove()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    return model.eval()


class Head(nn.Module):
    """The network with something behind its logits."""

    def __init__(self, network, kind):
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, x):
        x = self.network(x)
        if self.kind == "softmax":
            return torch.softmax(x, 1)
        if self.kind == "log_softmax":
            return torch.log_softmax(x, 1)
        if self.kind == "exp":
            x = torch.exp(x)
            return x / x.sum(1, keepdim=True)
        if self.kind == "exp_max":
            x = torch.exp(x - x.amax(1, keepdim=True))
            return x / x.sum(1, keepdim=True)
        raise ValueError(self.kind)


class MapHead(nn.Module):
    """The last layer as a convolution 1x1, and the softmax in 4 dimensions before the flatten."""

    def __init__(self, network):
        super().__init__()
        self.network, self.fc = network, network.fc
        network.fc = nn.Identity()

    def forward(self, x):
        x = self.network(x)[:, :, None, None]
        weights = self.fc.weight[:, :, None, None]
        return torch.flatten(torch.softmax(nn.functional.conv2d(x, weights, self.fc.bias), 1), 1)


class Aux(nn.Module):
    """All three classifiers, each layer in evaluation mode."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        self.network.training = True
        try:
            return tuple(self.network._forward(self.network._transform_input(x)))
        finally:
            self.network.training = False
