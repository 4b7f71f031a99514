"""CLIP's tower against transformers on small random models, saved and loaded as users do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.transformer import QuickGELU, TextTransformer
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from leadbench.core.errors import WeightsError
from leadbench.text.clip import ClipTextEncoder, clip, load_tower

CAPTIONS = [
    "a person walks forward, then turns left.",
    "",
    "someone's arm goes up & down 3 times!",
    "a man jogs",
    "A PERSON   kicks with the right leg -- twice",
    "a person walks in a circle " * 20,
]
CLOSE = {"atol": 2e-5, "rtol": 0}


def _random_model(hidden: int, heads: int) -> CLIPModel:
    torch.manual_seed(0)
    text = CLIPTextConfig(
        hidden_size=hidden, intermediate_size=256, num_hidden_layers=3, num_attention_heads=heads, projection_dim=48
    )
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    made = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=48)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


@pytest.fixture(scope="module")
def model() -> CLIPModel:
    return _random_model(hidden=128, heads=2)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    """transformers' own tokenizer, with the vocabulary and merges that open_clip carries."""
    folder = tmp_path_factory.mktemp("tokenizer")
    packed = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    markers = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}  # OpenAI's names of the two
    words = {markers.get(word, word): number for word, number in open_clip.SimpleTokenizer().encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(words), encoding="utf-8")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


@torch.no_grad()
def _expected(model: CLIPModel, tokenizer: CLIPTokenizer) -> torch.Tensor:
    """What MLD feeds its denoiser: ``get_text_features`` of 77 padded tokens."""
    ids = tokenizer(CAPTIONS, padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
    features = model.get_text_features(ids)
    return features if isinstance(features, torch.Tensor) else features.pooler_output


def test_a_folder_of_transformers(model: CLIPModel, tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    condition = ClipTextEncoder(load_tower(str(tmp_path))).encode(CAPTIONS)
    expected = _expected(model, tokenizer)
    assert condition.tokens.shape == (len(CAPTIONS), 1, 48)
    assert expected.norm(dim=1).max() > 1.5  # not normalised
    torch.testing.assert_close(condition.tokens[:, 0], expected, **CLOSE)


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin", "weights.pt"])
def test_files_of_open_clip_use_the_quick_gelu(
    model: CLIPModel, tokenizer: CLIPTokenizer, tmp_path: Path, file: str
) -> None:
    model.save_pretrained(tmp_path / "transformers")
    state = load_tower(str(tmp_path / "transformers")).state_dict() | {"visual.proj": torch.zeros(2)}
    path = tmp_path / file
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save({"state_dict": state} if file == "weights.pt" else state, path)
    condition = ClipTextEncoder(load_tower(str(path))).encode(CAPTIONS)
    torch.testing.assert_close(condition.tokens[:, 0], _expected(model, tokenizer), **CLOSE)


def test_another_activation_is_seen(model: CLIPModel, tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    """The comparison above can tell the two activations apart."""
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"]["hidden_act"] = "gelu"
    (tmp_path / "config.json").write_text(json.dumps(config))
    condition = ClipTextEncoder(load_tower(str(tmp_path))).encode(CAPTIONS)
    assert (condition.tokens[:, 0] - _expected(model, tokenizer)).abs().max() > 100 * CLOSE["atol"]


def test_heads_are_those_of_the_configuration(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    """64 / 64 would be one head; both layouts say four."""
    model = _random_model(hidden=64, heads=4)
    expected = _expected(model, tokenizer)
    model.save_pretrained(tmp_path / "transformers")
    tower = load_tower(str(tmp_path / "transformers"))
    torch.testing.assert_close(ClipTextEncoder(tower).encode(CAPTIONS).tokens[:, 0], expected, **CLOSE)
    folder = tmp_path / "open_clip"
    folder.mkdir()
    state = {name: tensor.contiguous() for name, tensor in tower.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    guessed = ClipTextEncoder(load_tower(str(folder))).encode(CAPTIONS).tokens[:, 0]
    assert (guessed - expected).abs().max() > 100 * CLOSE["atol"]
    for quick_gelu, right in ((True, True), (False, False)):
        config = {"model_cfg": {"quick_gelu": quick_gelu, "text_cfg": {"heads": 4}}}
        (folder / "open_clip_config.json").write_text(json.dumps(config))
        found = ClipTextEncoder(load_tower(str(folder))).encode(CAPTIONS).tokens[:, 0]
        assert bool((found - expected).abs().max() < CLOSE["atol"]) is right


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{not json", "is no configuration of CLIP"),
        ("[1]", "is no configuration of CLIP"),
        ('{"text_config": {"num_attention_heads": "two"}}', "'two' heads, a positive whole number is needed"),
        ('{"text_config": {"num_attention_heads": 3}}', "a width of 128 cannot be split into 3 heads"),
    ],
)
def test_a_bad_configuration_is_told_in_one_line(model: CLIPModel, tmp_path: Path, content: str, message: str) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(WeightsError, match=message) as caught:
        load_tower(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_tokens_after_the_end_change_nothing(model: CLIPModel, tmp_path: Path) -> None:
    """open_clip's own forward on 77 tokens, and captions alone instead of together."""
    model.save_pretrained(tmp_path)
    tower: TextTransformer = load_tower(str(tmp_path))
    encoder = ClipTextEncoder(tower)
    together = encoder.encode(CAPTIONS).tokens[:, 0]
    with torch.no_grad():
        torch.testing.assert_close(together, tower(open_clip.SimpleTokenizer()(CAPTIONS)), **CLOSE)
    alone = torch.cat([encoder.encode([caption]).tokens[:, 0] for caption in CAPTIONS])
    torch.testing.assert_close(alone, together, **CLOSE)
    assert isinstance(tower.transformer.resblocks[0].mlp.gelu, QuickGELU)
    torch.testing.assert_close(encoder.null(2).tokens[:, 0], together[1].expand(2, -1), **CLOSE)


def test_the_setting_names_the_tower(model: CLIPModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.save_pretrained(tmp_path)
    monkeypatch.setenv("LEADBENCH_ENCODERS__CLIP", str(tmp_path))
    assert clip().dim == 48


def test_offline_the_message_says_what_to_fetch_and_where_to_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for source in ("ViT-L-14/openai", "somebody/no-such-clip"):
        with pytest.raises(WeightsError, match=r"cannot be fetched .*clip-vit-large-patch14.*encoders\.clip"):
            load_tower(source)


def test_files_that_are_no_tower(tmp_path: Path, model: CLIPModel) -> None:
    with pytest.raises(WeightsError, match="holds none of"):
        load_tower(str(tmp_path))
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="no CLIP text tower: missing token_embedding"):
        load_tower(str(tmp_path))
    (tmp_path / "weights.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="cannot be read safely"):
        load_tower(str(tmp_path / "weights.pt"))
    model.save_pretrained(tmp_path / "short")
    state = load_file(tmp_path / "short" / "model.safetensors")
    del state["text_model.encoder.layers.1.mlp.fc1.weight"]
    save_file(state, tmp_path / "short" / "model.safetensors")
    with pytest.raises(WeightsError, match=r"resblocks\.1\.mlp\.c_fc\.weight"):
        load_tower(str(tmp_path / "short"))
