"""Pipelines of the real classes of diffusers with a few random weights, saved to folders."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from tokenizers.pre_tokenizers import ByteLevel

# Their constructors are typed for whole configurations, which these are not.
diffusers: Any = import_module("diffusers")
transformers: Any = import_module("transformers")

CELLS = 8
"""Side of the latents."""

VOCABULARY = 600

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)


def byte_words(*more: str) -> dict[str, int]:
    return {word: number for number, word in enumerate([*sorted(ByteLevel.alphabet()), *more])}


def clip_tokenizer() -> Any:
    ends = [f"{letter}</w>" for letter in sorted(ByteLevel.alphabet())]
    words = byte_words(*ends, "<|startoftext|>", "<|endoftext|>")
    return transformers.CLIPTokenizer(vocab=words, merges=[], model_max_length=77)


def t5_tokenizer() -> Any:
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(chr(code), -3.0) for code in range(ord("a"), ord("z") + 1)]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def qwen_tokenizer() -> Any:
    words = byte_words("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    tokenizer: Any = transformers.Qwen2Tokenizer(vocab=words, merges=[], model_max_length=1024)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    tokenizer.chat_template = CHAT
    return tokenizer


def gemma_tokenizer() -> Any:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁"]
    letters = [chr(code) for code in range(ord(" ") + 1, ord("~") + 1)]
    words = {word: number for number, word in enumerate([*special, *letters])}
    return transformers.GemmaTokenizer(vocab=words, merges=[], padding_side="right", model_max_length=512)


def clip(kind: Any = transformers.CLIPTextModel, width: int = 32) -> Any:
    sizes = {"hidden_size": width, "intermediate_size": 24, "projection_dim": width, "vocab_size": VOCABULARY}
    ends = {"bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
    return kind(transformers.CLIPTextConfig(num_hidden_layers=3, num_attention_heads=4, **sizes, **ends))


def t5() -> Any:
    config = transformers.T5Config(d_model=32, d_kv=8, d_ff=24, num_layers=2, num_heads=4, vocab_size=64)
    return transformers.T5EncoderModel(config)


def gemma(layers: int = 1) -> Any:
    sizes = {"head_dim": 4, "hidden_size": 8, "intermediate_size": 16, "vocab_size": VOCABULARY}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": layers}
    config = transformers.Gemma2Config(**sizes, **heads, attn_implementation="eager")
    return transformers.Gemma2Model(config)


def qwen3(kind: Any, width: int, layers: int) -> Any:
    sizes = {"hidden_size": width, "intermediate_size": 16, "vocab_size": VOCABULARY, "head_dim": 4}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_hidden_layers": layers}
    return kind(transformers.Qwen3Config(**sizes, **heads))


def autoencoder(channels: int = 4, **more: Any) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        **more,
    )


def flowing(channels: int = 16, scaling: float = 0.3611, shift: float = 0.1159) -> Any:
    plain = {"use_quant_conv": False, "use_post_quant_conv": False}
    return autoencoder(channels, scaling_factor=scaling, shift_factor=shift, **plain)


def unet(**more: Any) -> Any:
    sizes = {
        "sample_size": CELLS,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "norm_num_groups": 8,
    }
    blocks = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    return diffusers.UNet2DConditionModel(**{**sizes, **blocks, "cross_attention_dim": 32, **more})


def betas(kind: Any, **more: Any) -> Any:
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    return kind(num_train_timesteps=1000, **schedule, **more)


def stable_diffusion(**schedule: Any) -> Any:
    fixed = {"steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False}
    return diffusers.StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=clip(),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=betas(diffusers.DDIMScheduler, **fixed, **schedule),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(scheduler: Any = None, **more: Any) -> Any:
    network = unet(
        cross_attention_dim=64,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        use_linear_projection=True,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        **more,
    )
    usual = betas(diffusers.EulerDiscreteScheduler, steps_offset=1, timestep_spacing="leading")
    return diffusers.StableDiffusionXLPipeline(
        vae=autoencoder(scaling_factor=0.13025, force_upcast=True),
        text_encoder=clip(),
        text_encoder_2=clip(transformers.CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=network,
        scheduler=scheduler or usual,
    )


def turbo() -> Any:
    return sdxl(betas(diffusers.EulerAncestralDiscreteScheduler, timestep_spacing="trailing"))


def sdxl_consistency() -> Any:
    return sdxl(betas(diffusers.LCMScheduler, clip_sample=False), time_cond_proj_dim=8)


def sd3(dynamic: bool = False, long_text: bool = True) -> Any:
    network = diffusers.SD3Transformer2DModel(
        sample_size=CELLS,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=CELLS,
        qk_norm="rms_norm",
    )
    projected = transformers.CLIPTextModelWithProjection
    return diffusers.StableDiffusion3Pipeline(
        transformer=network,
        vae=flowing(16, 1.5305, 0.0609),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=dynamic),
        text_encoder=clip(projected, 16),
        text_encoder_2=clip(projected, 16),
        text_encoder_3=t5() if long_text else None,
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer() if long_text else None,
    )


def flux(guided: bool) -> Any:
    network = diffusers.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guided,
    )
    return diffusers.FluxPipeline(
        transformer=network,
        vae=flowing(4),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=guided),
        text_encoder=clip(),
        text_encoder_2=t5(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=t5_tokenizer(),
    )


def pixart() -> Any:
    network = diffusers.PixArtTransformer2DModel(
        sample_size=CELLS,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        caption_channels=32,
        in_channels=4,
        cross_attention_dim=16,
        out_channels=8,
        norm_type="ada_norm_single",
    )
    return diffusers.PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=autoencoder(scaling_factor=0.13025),
        transformer=network,
        scheduler=betas(diffusers.DPMSolverMultistepScheduler),
    )


def sana() -> Any:
    network = diffusers.SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=2 * CELLS,
    )
    blocks = {
        f"{side}_{key}": value
        for side in ("encoder", "decoder")
        for key, value in {
            "block_types": ("ResBlock", "EfficientViTBlock"),
            "block_out_channels": (8, 8),
            "qkv_multiscales": ((), (5,)),
            "layers_per_block": (1, 1),
        }.items()
    }
    vae = diffusers.AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
        **blocks,
    )
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return diffusers.SanaPipeline(
        tokenizer=gemma_tokenizer(), text_encoder=gemma(), vae=vae, transformer=network, scheduler=scheduler
    )


def z_image() -> Any:
    network = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[512, 32, 32],
    )
    for name, value in network.named_parameters():
        if "pad_token" in name:  # the class leaves them as the memory was
            torch.nn.init.normal_(value.data)
    return diffusers.ZImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=flowing(16),
        text_encoder=qwen3(transformers.Qwen3Model, 16, 2),
        tokenizer=qwen_tokenizer(),
        transformer=network,
    )


def qwen_image() -> Any:
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_scaling": rope,
        "vocab_size": VOCABULARY,
        "bos_token_id": 256,
        "eos_token_id": 258,
        "pad_token_id": 256,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    marks = dict.fromkeys(("vision_end_token_id", "vision_start_token_id", "vision_token_id"), 257)
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **marks)
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=24,
        z_dim=4,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.1, 0.2, 0.0, -0.1],
        latents_std=[1.5, 2.0, 1.0, 0.5],
    )
    network = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    return diffusers.QwenImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=1.0),
        vae=vae,
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=qwen_tokenizer(),
        transformer=network,
    )


def flux2_klein() -> Any:
    vae = diffusers.AutoencoderKLFlux2(
        latent_channels=4,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        patch_size=(2, 2),
    )
    vae.bn.running_mean.normal_(generator=torch.Generator().manual_seed(2))
    vae.bn.running_var.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(3))
    network = diffusers.Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    return diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift=3.0),
        vae=vae,
        text_encoder=qwen3(transformers.Qwen3ForCausalLM, 8, 28),
        tokenizer=qwen_tokenizer(),
        transformer=network,
    )


def lumina2() -> Any:
    network = diffusers.Lumina2Transformer2DModel(
        sample_size=CELLS,
        patch_size=2,
        in_channels=4,
        hidden_size=16,
        num_layers=2,
        num_attention_heads=2,
        num_kv_heads=2,
        multiple_of=16,
        scaling_factor=1.0,
        axes_dim_rope=(4, 2, 2),
        axes_lens=(300, 64, 64),
        cap_feat_dim=8,
    )
    return diffusers.Lumina2Pipeline(
        transformer=network,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=flowing(4),
        text_encoder=gemma(2),
        tokenizer=gemma_tokenizer(),
    )


BUILDERS: dict[str, Callable[[], Any]] = {
    "sd15": stable_diffusion,
    "sd21": lambda: stable_diffusion(prediction_type="v_prediction"),
    "sdxl": sdxl,
    "sdxl-turbo": turbo,
    "sdxl-lcm": sdxl_consistency,
    "sd3": sd3,
    "sd3-dynamic": lambda: sd3(dynamic=True),
    "sd3-short": lambda: sd3(long_text=False),
    "flux-dev": lambda: flux(True),
    "flux-schnell": lambda: flux(False),
    "pixart": pixart,
    "sana": sana,
    "z-image": z_image,
    "qwen-image": qwen_image,
    "flux2-klein": flux2_klein,
    "lumina2": lumina2,
}


def save_pipeline(name: str, folder: Path) -> Path:
    """Save the tiny pipeline of a name below ``folder``, once."""
    place = folder / name
    if not place.is_dir():
        torch.manual_seed(0)
        BUILDERS[name]().save_pretrained(place)
    return place
