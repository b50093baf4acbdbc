"""Whether a model that answers questions about images finds the prompt in an image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from pydantic import Field

from ...errors import EngineRefused
from ...images import Image
from ...prompting import Template, fill
from .preprocessing import Preprocessing
from .torch_image_model import TorchImageModel, TorchImageModelSpec, opened, require, tokenizer_in

if TYPE_CHECKING:
    import torch

QUESTION = 'Does this figure show "{prompt}"? Please answer yes or no.'


class VqaScore(TorchImageModelSpec):
    """The probability that the first token of the model's answer is that of ``Yes``, from 0 to 1.

    Source: Lin et al. 2024, arXiv 2404.01291. Departs: their CLIP-FlanT5 is not among transformers' classes;
    any model there takes its place: BLIP for questions, or one that writes text about an image, asked by its chat
    template.

    Args:
        model: the folder of a BlipForQuestionAnswering with its processor (``preprocessor_config.json``) and tokenizer,
            or of any model that AutoModelForImageTextToText opens, with its processor; that needs Pillow, too.
        question: how it is asked.
        answer: whose first token counts; BLIP's vocabulary has small letters only.
    """

    kind: Literal["vqa_score"] = "vqa_score"
    question: Annotated[str, Template("prompt")] = QUESTION
    answer: Annotated[str, Field(min_length=1)] = "Yes"

    def load(self) -> VqaScoreModel:
        """The model.

        Raises:
            EngineRefused: it is not there.
        """
        require(self.folder)
        try:
            kind = json.loads((self.folder / "config.json").read_text(encoding="utf-8")).get("model_type")
        except ValueError as error:
            raise EngineRefused(f"{self.folder / 'config.json'} must be JSON, but: {error}; save it anew") from None
        answering = BlipAnswering(self) if kind == "blip" else WrittenAnswering(self)
        return VqaScoreModel(self, answering)


class Answering(Protocol):
    """A model that answers questions about images."""

    def chances(self, images: Sequence[Image], question: str, answer: str) -> torch.Tensor:
        """The probability that its answer about each begins as `answer` does, ``[images]``."""


class VqaScoreModel(TorchImageModel):
    """The model of a `VqaScore`."""

    def __init__(self, spec: VqaScore, answering: Answering) -> None:
        super().__init__(spec, spec.named())
        self._spec, self._answering = spec, answering
        self.measure()

    def told(self, images: Sequence[Image], prompt: str) -> torch.Tensor:
        spec = self._spec
        return self._answering.chances(images, fill(spec.question, prompt=prompt), spec.answer)[:, None]


class BlipAnswering:
    """BLIP, fine-tuned to answer questions."""

    def __init__(self, spec: VqaScore) -> None:
        self._device = spec.found_device
        self._preprocessing, self._tokenizer = Preprocessing.of(spec.folder), tokenizer_in(spec.folder)
        self._model = opened("BlipForQuestionAnswering", spec.folder, self._device)

    def chances(self, images: Sequence[Image], question: str, answer: str) -> torch.Tensor:
        import torch

        model = self._model
        seen = model.vision_model(pixel_values=self._preprocessing(images).to(self._device)).last_hidden_state
        most = model.config.text_config.max_position_embeddings
        asked = self._tokenizer([question], truncation=True, max_length=most, return_tensors="pt").to(self._device)
        read = model.text_encoder(
            input_ids=asked.input_ids.expand(len(images), -1),
            encoder_hidden_states=seen,
            encoder_attention_mask=torch.ones(seen.shape[:-1], dtype=torch.long, device=self._device),
        ).last_hidden_state
        begun = torch.full((len(images), 1), model.decoder_start_token_id, device=self._device)
        answers = model.text_decoder(
            input_ids=begun,
            encoder_hidden_states=read,
            encoder_attention_mask=torch.ones(read.shape[:-1], dtype=torch.long, device=self._device),
        )
        return _chance(answers.logits[:, -1], _first(self._tokenizer, answer))


class WrittenAnswering:
    """A model that writes text about images, asked by its chat template, one image after another."""

    def __init__(self, spec: VqaScore) -> None:
        require(spec.folder, "PIL")
        from transformers import AutoProcessor

        self._device = spec.found_device
        self._model = opened("AutoModelForImageTextToText", spec.folder, self._device)
        try:
            self._processor: Any = AutoProcessor.from_pretrained(str(spec.folder), local_files_only=True)
        except (OSError, ValueError, ImportError, KeyError) as error:
            why = " ".join(str(error).split())[:300]
            raise EngineRefused(f"{spec.folder} must hold the model's processor, but: {why}; save it there") from None

    def chances(self, images: Sequence[Image], question: str, answer: str) -> torch.Tensor:
        import torch
        from PIL import Image as Pillow

        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        text = self._processor.apply_chat_template([turn], add_generation_prompt=True)
        first, found = _first(self._processor.tokenizer, answer), []
        for image in images:
            colours = Pillow.fromarray(image.array.squeeze(2) if image.channels == 1 else image.array).convert("RGB")
            inputs = self._processor(images=[colours], text=[text], return_tensors="pt").to(self._device)
            found.append(_chance(self._model(**inputs).logits[:, -1], first))
        return torch.cat(found)


def _first(tokenizer: Any, answer: str) -> int:
    """The first token of an answer.

    Raises:
        EngineRefused: it is not in the vocabulary.
    """
    ids = tokenizer.encode(answer, add_special_tokens=False)
    if not ids or ids[0] == tokenizer.unk_token_id:
        raise EngineRefused(f"the answer must be in the model's vocabulary, but {answer!r} is not; name another")
    return int(ids[0])


def _chance(logits: torch.Tensor, token: int) -> torch.Tensor:
    return logits.double().softmax(dim=-1)[:, token]
