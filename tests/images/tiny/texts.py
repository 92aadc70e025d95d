"""Tokenizers and text encoders of a few thousand weights. Every byte is a token, so nothing is downloaded."""

from tokenizers.pre_tokenizers import ByteLevel
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

QWEN_MARKS = tuple(
    f"<|{name}|>"
    for name in ("im_start", "im_end", "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")
)
# One user's message, as Qwen's own template puts it.
QWEN_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BYTES = sorted(ByteLevel.alphabet())


def clip_tokenizer() -> CLIPTokenizer:
    # The end token has the highest id: with this eos_token_id, CLIP pools where the id is greatest.
    tokens = [*BYTES, *(byte + "</w>" for byte in BYTES), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=77)


def _clip_config(hidden: int, heads: int, layers: int, spread: float) -> CLIPTextConfig:
    return CLIPTextConfig(
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
        hidden_size=hidden,
        intermediate_size=37,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        vocab_size=514,
        projection_dim=hidden,
        initializer_factor=spread,
    )


def clip_text(hidden: int = 32, heads: int = 4, layers: int = 2, spread: float = 1.0) -> CLIPTextModel:
    """`spread` widens the weights, for models in whose pixels a prompt would otherwise not be seen."""
    return CLIPTextModel(_clip_config(hidden, heads, layers, spread)).eval()


def clip_text_with_projection(hidden: int = 32, heads: int = 4, layers: int = 2) -> CLIPTextModelWithProjection:
    return CLIPTextModelWithProjection(_clip_config(hidden, heads, layers, spread=1.0)).eval()


def t5_vocabulary() -> list[tuple[str, float]]:
    """Unigram pieces with their scores: printable ASCII, and letters that begin a word."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("\u2581", -2.0)]
    letters = [(chr(code), -3.0) for code in range(33, 127)]
    return special + letters + [("\u2581" + chr(code), -3.0) for code in range(97, 123)]


def t5_tokenizer() -> T5Tokenizer:
    return T5Tokenizer(vocab=t5_vocabulary(), extra_ids=0, model_max_length=512)


def t5_sizes(width: int = 32) -> dict[str, int]:
    """What T5 and UMT5 of this size have in common."""
    sizes = {"d_model": width, "d_ff": 37, "d_kv": 8, "num_layers": 2, "num_heads": 4}
    return sizes | {"vocab_size": len(t5_vocabulary()), "relative_attention_num_buckets": 8}


def t5_encoder(width: int = 32) -> T5EncoderModel:
    # Without `eval` its dropout is on, and no two pictures agree.
    return T5EncoderModel(T5Config(**t5_sizes(width))).eval()


def qwen_tokenizer() -> Qwen2Tokenizer:
    tokens = [*BYTES, "<|endoftext|>", *QWEN_MARKS]
    return Qwen2Tokenizer(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=[],
        eos_token="<|im_end|>",
        additional_special_tokens=list(QWEN_MARKS),
        chat_template=QWEN_CHAT,
        model_max_length=4096,
    )


def _qwen3_config(layers: int) -> Qwen3Config:
    return Qwen3Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=len(qwen_tokenizer()),
        max_position_embeddings=1024,
        initializer_range=0.2,
    )


def qwen3(layers: int = 2) -> Qwen3Model:
    return Qwen3Model(_qwen3_config(layers)).eval()


def qwen3_with_head(layers: int) -> Qwen3ForCausalLM:
    return Qwen3ForCausalLM(_qwen3_config(layers)).eval()


def widened(model: nn.Module, factor: float) -> nn.Module:
    """The same model with weight matrices `factor` times as large: what it is told then shows in what it makes."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(factor)
    return model
