"""The Vision Transformer as one would write it in PyTorch alone: fused attention, fused AdamW, torch.compile."""

import contextlib

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, its usual name

from vitbench.config.models import Augmentation, ViT
from vitbench.models.native.registry import Settings, Weights


class TorchViT:
    """The native model on PyTorch; see NativeViT in `vitbench.models.native.registry` for its methods."""

    def __init__(self, p: ViT, normalization: dict, weights: Weights, settings: Settings):
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = VisionTransformer(p, normalization, weights).to(self.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            eps=settings.epsilon,
            fused=True,
        )
        self.mixed = settings.precision == "mixed_bfloat16"
        self._loss = torch.compile(self._eager_loss) if settings.compiled else self._eager_loss
        self._logits = torch.compile(self.model) if settings.compiled else self.model

    def train(self, images: np.ndarray, labels: np.ndarray) -> Tensor:
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._loss(*self._to_device(images, labels))
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def infer(self, images: np.ndarray) -> np.ndarray:
        self.model.eval()
        with torch.inference_mode(), self._autocast():
            return self._logits(*self._to_device(images)).float().cpu().numpy()

    def gradients(self, images: np.ndarray, labels: np.ndarray) -> Weights:
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        self._loss(*self._to_device(images, labels)).backward()
        return self.model.collect_by_path(lambda parameter: parameter.grad.cpu().numpy())

    def place(self, images: np.ndarray, labels: np.ndarray) -> tuple:
        return tuple(self._to_device(images, labels))

    def _eager_loss(self, images: Tensor, labels: Tensor) -> Tensor:
        with self._autocast():
            return F.cross_entropy(self.model(images), labels.long())

    def _autocast(self) -> contextlib.AbstractContextManager:
        return torch.autocast(self.device, torch.bfloat16) if self.mixed else contextlib.nullcontext()

    def _to_device(self, *arrays: np.ndarray) -> list[Tensor]:
        return [torch.as_tensor(array).to(self.device, non_blocking=True) for array in arrays]


class VisionTransformer(nn.Module):
    """From raw images uint8 (batch, H, W, 3) to logits (batch, classes)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, p: ViT, normalization: dict, weights: Weights):
        super().__init__()
        self.p = p
        self.register_buffer("mean", torch.tensor(normalization["mean"], dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(normalization["variance"], dtype=torch.float32).sqrt())
        self.projection = _dense(weights, "patch_encoder/projection")
        self.positions = _parameter(weights["patch_encoder/position_embedding/embeddings"])
        self.blocks = nn.ModuleList(Block(p, weights, f"block{i}") for i in range(p.layers))
        self.norm = _norm(weights, "final_norm", p)
        self.head = nn.ModuleList(_dense(weights, f"head_dense{i}") for i in range(len(p.head_units)))
        self.logits = _dense(weights, "logits")

    def forward(self, images: Tensor) -> Tensor:
        p = self.p
        x = ((images.float() - self.mean) / self.deviation).permute(0, 3, 1, 2)
        x = F.interpolate(x, size=(p.image_size, p.image_size), mode="bilinear", align_corners=False)
        if self.training and p.augmentation:
            with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the pixel coordinates
                x = augment(x, p.augmentation)
        n = p.image_size // p.patch_size
        x = x.unflatten(3, (n, p.patch_size)).unflatten(2, (n, p.patch_size))  # (batch, 3, row, y, column, x)
        tokens = self.projection(x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        x = tokens.flatten(1) if p.pooling == "flatten" else tokens.mean(1)
        x = F.dropout(x, p.head_dropout, self.training)
        for dense in self.head:
            x = F.dropout(F.gelu(dense(x)), p.head_dropout, self.training)
        return self.logits(x)

    def collect_by_path(self, value) -> Weights:
        """value(parameter) of each weight, by path, in the shapes of the Keras model."""
        values = _dense_by_path(self.projection, "patch_encoder/projection", value)
        values["patch_encoder/position_embedding/embeddings"] = value(self.positions)
        for i, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            values |= block.collect_by_path(f"block{i}", value)
        values |= _norm_by_path(self.norm, "final_norm", value)
        for i, dense in enumerate(self.head):
            values |= _dense_by_path(dense, f"head_dense{i}", value)
        return values | _dense_by_path(self.logits, "logits", value)


class Block(nn.Module):
    """One pre-norm block. Queries, keys and values are computed by one product."""

    ROLES = ("query", "key", "value")

    def __init__(self, p: ViT, weights: Weights, name: str):
        super().__init__()
        self.p = p
        attention = f"{name}_attention"
        joined = {
            "kernel": np.concatenate([_flatten(weights[f"{attention}/{role}/kernel"]) for role in self.ROLES], axis=1),
            "bias": np.concatenate([weights[f"{attention}/{role}/bias"].ravel() for role in self.ROLES]),
        }
        kernel = weights[f"{attention}/attention_output/kernel"]
        out = {"kernel": kernel.reshape(-1, kernel.shape[-1]), "bias": weights[f"{attention}/attention_output/bias"]}
        self.norm1, self.norm2 = _norm(weights, f"{name}_norm1", p), _norm(weights, f"{name}_norm2", p)
        self.projections, self.out = _linear(**joined), _linear(**out)
        self.mlp = nn.ModuleList(_dense(weights, f"{name}_mlp_dense{i}") for i in range(len(p.block_units)))

    def forward(self, tokens: Tensor) -> Tensor:
        p = self.p
        x = self.projections(self.norm1(tokens)).unflatten(-1, (3, p.num_heads, p.head_width))
        queries, keys, values = x.permute(2, 0, 3, 1, 4)
        dropout = p.attention_dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        tokens = tokens + self.out(x.transpose(1, 2).flatten(2))
        x = self.norm2(tokens)
        for dense in self.mlp:
            x = F.dropout(F.gelu(dense(x)), p.mlp_dropout, self.training)
        return tokens + x

    def collect_by_path(self, name: str, value) -> Weights:
        p, attention = self.p, f"{name}_attention"
        values = _norm_by_path(self.norm1, f"{name}_norm1", value) | _norm_by_path(self.norm2, f"{name}_norm2", value)
        kernels = np.split(value(self.projections.weight).T, 3, axis=1)
        biases = np.split(value(self.projections.bias), 3)
        for role, kernel, bias in zip(self.ROLES, kernels, biases, strict=True):
            values[f"{attention}/{role}/kernel"] = kernel.reshape(-1, p.num_heads, p.head_width)
            values[f"{attention}/{role}/bias"] = bias.reshape(p.num_heads, p.head_width)
        out = value(self.out.weight).T
        values[f"{attention}/attention_output/kernel"] = out.reshape(p.num_heads, p.head_width, -1)
        values[f"{attention}/attention_output/bias"] = value(self.out.bias)
        for i, dense in enumerate(self.mlp):
            values |= _dense_by_path(dense, f"{name}_mlp_dense{i}", value)
        return values


def augment(images: Tensor, settings: Augmentation) -> Tensor:
    """Flips, rotates, then zooms images (batch, 3, size, size) about their centre as in Keras; edges are mirrored."""
    n, size, device = len(images), images.shape[-1], images.device
    if settings.horizontal_flip:
        images = torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, images.flip(-1), images)
    if settings.rotation:
        angles = (torch.rand(n, device=device) * 2 - 1) * settings.rotation * 2 * torch.pi
        cos, sin, zero = angles.cos(), angles.sin(), torch.zeros(n, device=device)
        images = _sample(images, torch.stack([cos, -sin, zero, sin, cos, zero], dim=1), size)
    if settings.zoom:
        across, down = (1 + (torch.rand(2, n, device=device) * 2 - 1) * settings.zoom).unbind()
        zero = torch.zeros(n, device=device)
        images = _sample(images, torch.stack([across, zero, zero, zero, down, zero], dim=1), size)
    return images


def _sample(images: Tensor, matrices: Tensor, size: int) -> Tensor:
    """Samples images at affine maps of their coordinates, which run from −1 to 1; matrices (batch, 6)."""
    grid = F.affine_grid(matrices.view(-1, 2, 3), [len(images), 3, size, size], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _parameter(value: np.ndarray) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(np.array(value, np.float32)))


def _linear(kernel: np.ndarray, bias: np.ndarray) -> nn.Linear:
    linear = nn.Linear(*kernel.shape, device="meta")
    linear.weight, linear.bias = _parameter(kernel.T), _parameter(bias)
    return linear


def _dense(weights: Weights, name: str) -> nn.Linear:
    return _linear(weights[f"{name}/kernel"], weights[f"{name}/bias"])


def _norm(weights: Weights, name: str, p: ViT) -> nn.LayerNorm:
    norm = nn.LayerNorm(p.projection_dim, eps=p.epsilon)
    norm.weight, norm.bias = _parameter(weights[f"{name}/gamma"]), _parameter(weights[f"{name}/beta"])
    return norm


def _flatten(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(kernel.shape[0], -1)


def _dense_by_path(linear: nn.Module, name: str, value) -> Weights:
    return {f"{name}/kernel": value(linear.weight).T, f"{name}/bias": value(linear.bias)}


def _norm_by_path(norm: nn.LayerNorm, name: str, value) -> Weights:
    return {f"{name}/gamma": value(norm.weight), f"{name}/beta": value(norm.bias)}
