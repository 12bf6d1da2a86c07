"""The two networks of the bundled sample.

The detector follows the published YOLOv8 layout (CSP blocks with two-way
split, SPPF, decoupled head, distribution focal loss) at a tenth of its size;
the classifier follows MobileNetV2. Both are chosen because their exported
graphs hold the patterns on which plain 8-bit quantization is known to fail.
"""
import torch
import torch.nn as nn

REG_MAX = 16


class Conv(nn.Module):
    def __init__(self, cin, cout, k=1, s=1):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    def __init__(self, c, shortcut):
        super().__init__()
        self.a, self.b, self.shortcut = Conv(c, c, 3), Conv(c, c, 3), shortcut

    def forward(self, x):
        y = self.b(self.a(x))
        return x + y if self.shortcut else y


class SplitBlock(nn.Module):
    """One convolution, split in two; one half runs through n bottlenecks, all parts are joined."""

    def __init__(self, cin, cout, n=1, shortcut=True):
        super().__init__()
        self.half = cout // 2
        self.inp = Conv(cin, cout)
        self.blocks = nn.ModuleList(Bottleneck(self.half, shortcut) for _ in range(n))
        self.out = Conv((2 + n) * self.half, cout)

    def forward(self, x):
        parts = list(self.inp(x).split(self.half, 1))
        for b in self.blocks:
            parts.append(b(parts[-1]))
        return self.out(torch.cat(parts, 1))


class SPPF(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.inp, self.out = Conv(c, c // 2), Conv(c * 2, c)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        x = self.inp(x)
        a = self.pool(x)
        b = self.pool(a)
        return self.out(torch.cat([x, a, b, self.pool(b)], 1))


class Detector(nn.Module):
    strides = (8, 16, 32)

    def __init__(self, nc, size=192):
        super().__init__()
        self.nc, self.size = nc, size
        c3, c4, c5 = ch = (48, 72, 80)
        self.stem = nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), SplitBlock(32, 32))
        self.down3 = nn.Sequential(Conv(32, c3, 3, 2), SplitBlock(c3, c3))
        self.down4 = nn.Sequential(Conv(c3, c4, 3, 2), SplitBlock(c4, c4))
        self.down5 = nn.Sequential(Conv(c4, c5, 3, 2), SPPF(c5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.merge4 = SplitBlock(c5 + c4, c4, shortcut=False)
        self.merge3 = SplitBlock(c4 + c3, c3, shortcut=False)
        self.pan3 = Conv(c3, c3, 3, 2)
        self.out4 = SplitBlock(c3 + c4, c4, shortcut=False)
        self.pan4 = Conv(c4, c4, 3, 2)
        self.out5 = SplitBlock(c4 + c5, c5, shortcut=False)
        self.box = nn.ModuleList(nn.Sequential(Conv(c, 32, 3), Conv(32, 32, 3),
                                               nn.Conv2d(32, 4 * REG_MAX, 1)) for c in ch)
        self.cls = nn.ModuleList(nn.Sequential(Conv(c, 32, 3), Conv(32, 32, 3),
                                               nn.Conv2d(32, nc, 1)) for c in ch)
        # The expectation over distance bins as a fixed convolution.
        self.dfl = nn.Conv2d(REG_MAX, 1, 1, bias=False).requires_grad_(False)
        self.dfl.weight.data[:] = torch.arange(REG_MAX, dtype=torch.float32).view(1, REG_MAX, 1, 1)
        for b, c, s in zip(self.box, self.cls, self.strides):
            b[-1].bias.data[:] = 1.0
            # A prior of a few objects per picture, so that training starts calm.
            c[-1].bias.data[:] = torch.log(torch.tensor(5.0 / nc / (size / s) ** 2))
        pts, st = [], []
        for s in self.strides:
            n = size // s
            yy, xx = torch.meshgrid(torch.arange(n) + .5, torch.arange(n) + .5, indexing="ij")
            pts.append(torch.stack([xx, yy]).reshape(2, -1))
            st.append(torch.full((1, n * n), float(s)))
        self.register_buffer("points", torch.cat(pts, 1).unsqueeze(0), persistent=False)   # 1,2,N
        self.register_buffer("point_stride", torch.cat(st, 1).unsqueeze(0), persistent=False)  # 1,1,N

    def raw(self, x):
        """Box logits [B, 64, N] and class logits [B, nc, N]."""
        c3 = self.down3(self.stem(x))
        c4 = self.down4(c3)
        c5 = self.down5(c4)
        m4 = self.merge4(torch.cat([self.up(c5), c4], 1))
        p3 = self.merge3(torch.cat([self.up(m4), c3], 1))
        p4 = self.out4(torch.cat([self.pan3(p3), m4], 1))
        p5 = self.out5(torch.cat([self.pan4(p4), c5], 1))
        # One tensor per scale with boxes and classes together, as real exports have it.
        b = x.shape[0]
        outs = [torch.cat([self.box[i](p), self.cls[i](p)], 1).reshape(b, 4 * REG_MAX + self.nc, -1)
                for i, p in enumerate((p3, p4, p5))]
        return torch.cat(outs, 2).split((4 * REG_MAX, self.nc), 1)

    def distances(self, box):
        b, n = box.shape[0], self.points.shape[2]
        p = box.reshape(b, 4, REG_MAX, n).transpose(2, 1).softmax(1)
        return self.dfl(p).reshape(b, 4, n)

    def forward(self, x):
        box, cls = self.raw(x)
        lt, rb = self.distances(box).split(2, 1)
        x1y1, x2y2 = self.points - lt, self.points + rb
        boxes = torch.cat([(x1y1 + x2y2) / 2, x2y2 - x1y1], 1) * self.point_stride
        return torch.cat([boxes, cls.sigmoid()], 1)


class InvertedResidual(nn.Module):
    def __init__(self, cin, cout, stride, expand):
        super().__init__()
        mid = cin * expand
        layers = []
        if expand > 1:
            layers += [nn.Conv2d(cin, mid, 1, bias=False), nn.BatchNorm2d(mid), nn.ReLU6()]
        layers += [nn.Conv2d(mid, mid, 3, stride, 1, groups=mid, bias=False), nn.BatchNorm2d(mid), nn.ReLU6(),
                   nn.Conv2d(mid, cout, 1, bias=False), nn.BatchNorm2d(cout)]
        self.body = nn.Sequential(*layers)
        self.shortcut = stride == 1 and cin == cout

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Classifier(nn.Module):
    #        expand, out, stride
    LAYOUT = ((1, 16, 1), (4, 24, 2), (4, 24, 1), (4, 40, 2), (4, 40, 1), (4, 40, 1),
              (4, 64, 2), (4, 64, 1))

    def __init__(self, classes):
        super().__init__()
        layers = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
        c = 16
        for expand, cout, stride in self.LAYOUT:
            layers.append(InvertedResidual(c, cout, stride, expand))
            c = cout
        layers += [nn.Conv2d(c, 192, 1, bias=False), nn.BatchNorm2d(192), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(192, classes)

    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))
