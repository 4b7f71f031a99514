"""Text-motion co-embedding networks of Guo et al. 2022, batch first and independent of batch neighbours.

Source: "Generating Diverse and Natural 3D Human Motions from Text" (CVPR 2022), the networks that every paper
of the field evaluates with (text-to-motion, ``networks/modules.py``). Two things differ on purpose:
rows come back in input order, and an embedding never depends on the other rows of its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.rnn import pack_padded_sequence

from leadbench.core.config import EvaluatorConfig
from leadbench.core.errors import DataError
from leadbench.core.tensors import mask_of
from leadbench.nn.dropout import RowDropout

CONTACTS = 4
"""Foot contacts, the last features of a frame: the movement convolutions do not see them."""

FRAMES_PER_STEP = 4
"""Frames that two convolutions of stride 2 turn into one step of the motion GRU."""

PADDING_FRAMES = 4
"""Zero frames after a motion's last one; the convolutions of its last step read up to 3 of them."""

SLOPE = 0.2
MOVEMENT_DROPOUT = 0.2


def _initialise(module: nn.Module) -> None:
    """Xavier-normal weights and zero biases for linear and convolution layers."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d)):
            nn.init.xavier_normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class SequenceEmbedder(nn.Module):
    """Linear, bidirectional GRU with a learned start state, head: sequences [B, S, I] to embeddings [B, E].

    ``start`` [2, H] holds the start states of the forward and the backward direction. Steps at and after a
    row's length have no influence on it.
    """

    def __init__(self, inputs: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.input = nn.Linear(inputs, hidden)
        self.start = nn.Parameter(torch.randn(2, hidden))
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(SLOPE), nn.Linear(hidden, embedding)
        )
        _initialise(self)

    def forward(self, sequence: Tensor, lengths: Tensor) -> Tensor:
        """Embed ``sequence`` [B, S, I], of which row i has ``lengths[i]`` >= 1 steps; rows stay in input order."""
        steps, lengths = sequence.shape[1], lengths.cpu()
        if lengths.numel() == 0 or int(lengths.min()) < 1 or int(lengths.max()) > steps:
            raise DataError(f"sequence lengths {lengths.tolist()} must lie between 1 and {steps}")
        # Packing only saves the padded steps: each row gets what the GRU gives on its own unpadded steps.
        packed = pack_padded_sequence(self.input(sequence), lengths, batch_first=True, enforce_sorted=False)
        start = self.start.to(packed.data.dtype).unsqueeze(1).expand(-1, sequence.shape[0], -1).contiguous()
        _, last = self.gru(packed, start)
        return self.head(torch.cat([last[0], last[1]], dim=-1))  # type: ignore[no-any-return]


class TextEmbedder(nn.Module):
    """Word vectors and part-of-speech one-hots to a text embedding."""

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.part_of_speech = nn.Linear(config.pos_width, config.word_width)
        _initialise(self.part_of_speech)
        self.sequence = SequenceEmbedder(config.word_width, config.text_hidden, config.embedding)

    def forward(self, word_vectors: Tensor, pos_onehot: Tensor, lengths: Tensor) -> Tensor:
        """Embed captions.

        Args:
            word_vectors: [B, L, W] word vectors, sos and eos included.
            pos_onehot: [B, L, P] part-of-speech one-hots.
            lengths: [B] tokens of each caption, sos and eos included; in any order.

        Returns:
            [B, E], row i belongs to caption i.

        Raises:
            DataError: a length is below 1 or above L.
        """
        return self.sequence(word_vectors + self.part_of_speech(pos_onehot), lengths)  # type: ignore[no-any-return]


class MovementEncoder(nn.Module):
    """Two strided convolutions: features [B, F, D] to movement steps [B, F // 4, M]."""

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        inputs, hidden, width = config.features - CONTACTS, config.movement_hidden, config.movement_width
        self.first = nn.Conv1d(inputs, hidden, kernel_size=4, stride=2, padding=1)
        self.second = nn.Conv1d(hidden, width, kernel_size=4, stride=2, padding=1)
        self.activation = nn.Sequential(RowDropout(MOVEMENT_DROPOUT), nn.LeakyReLU(SLOPE))
        self.output = nn.Linear(width, width)
        _initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Encode ``features`` [B, F, D], evaluator-normalised and padded by the caller, to [B, F // 4, M]."""
        signal = features[..., :-CONTACTS].transpose(1, 2)
        signal = self.activation(self.first(signal))
        signal = self.activation(self.second(signal))
        return self.output(signal.transpose(1, 2))  # type: ignore[no-any-return]


class MotionEmbedder(nn.Module):
    """Evaluator-normalised features to a motion embedding.

    The official evaluator's convolutions read what follows a motion's last frame: zeros where a longer
    motion shares the batch, the convolution's own padding for the longest one. :meth:`forward` gives every
    motion zero frames, so that a row equals the same motion padded to any maximum length;
    :meth:`embed_as_padded` takes the padding as it comes, to reproduce official recordings.
    """

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.movement = MovementEncoder(config)
        self.sequence = SequenceEmbedder(config.movement_width, config.motion_hidden, config.embedding)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Embed motions.

        Args:
            features: [B, F, D] features in the evaluator's own normalisation; frames at and after a row's
                length are ignored, whatever they hold.
            lengths: [B] frames of each motion, at least 4 and at most F; in any order.

        Returns:
            [B, E], row i belongs to motion i.

        Raises:
            DataError: a motion is shorter than 4 frames or longer than F.
        """
        padded, steps = self.padded(features, lengths.cpu())
        return self.sequence(self.movement(padded), steps)  # type: ignore[no-any-return]

    def padded(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, F', D] whose frames after a motion's last one are 0, at least 4 of them, and the steps [B] that
        the GRU takes. Raises DataError as :meth:`forward` does."""
        self.check(features, lengths)
        # in training of as many frames as are given, which several processes that share a batch agree on
        longest = features.shape[1] if self.training else int(lengths.max())
        mask = mask_of(lengths.tolist(), features.device, longest).unsqueeze(-1)
        # torch.where, not a product: padding may hold NaN, and NaN * 0 is NaN.
        real = torch.where(mask, features[:, :longest], features.new_zeros(()))
        tail = PADDING_FRAMES + (-longest) % FRAMES_PER_STEP
        return pad(real, (0, 0, 0, tail)), lengths // FRAMES_PER_STEP

    def embed_as_padded(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Embed ``features`` [B, F, D] with the padding that they hold: the official behaviour, to [B, E].

        The result depends on the values after a motion's last frame and on F; use :meth:`forward` for
        anything but the reproduction of official numbers.
        """
        self.check(features, lengths)
        return self.sequence(self.movement(features), lengths // FRAMES_PER_STEP)  # type: ignore[no-any-return]

    @staticmethod
    def check(features: Tensor, lengths: Tensor) -> None:
        """Raise DataError where a motion is shorter than 4 frames or longer than ``features`` [B, F, D]."""
        frames = features.shape[1]
        if lengths.numel() == 0 or int(lengths.min()) < FRAMES_PER_STEP or int(lengths.max()) > frames:
            raise DataError(f"motion lengths {lengths.tolist()} must lie between {FRAMES_PER_STEP} and {frames} frames")


class EvaluatorNetworks(nn.Module):
    """Both halves of the evaluator: ``text`` and ``motion`` embed into one space [B, E].

    >>> config = EvaluatorConfig(word_width=6, pos_width=3, text_hidden=8, features=12, movement_hidden=8,
    ...                          movement_width=8, motion_hidden=8, embedding=5)
    >>> networks = EvaluatorNetworks(config).eval()
    >>> networks.text(torch.zeros(2, 4, 6), torch.zeros(2, 4, 3), torch.tensor([2, 4])).shape
    torch.Size([2, 5])
    >>> networks.motion(torch.zeros(2, 40, 12), torch.tensor([40, 24])).shape
    torch.Size([2, 5])
    """

    def __init__(self, config: EvaluatorConfig) -> None:
        super().__init__()
        self.config = config
        self.text = TextEmbedder(config)
        self.motion = MotionEmbedder(config)
