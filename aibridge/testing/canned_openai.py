"""What the fake OpenAI answers beside its dialects: models and embeddings."""

from __future__ import annotations

import base64
from array import array
from typing import Any

from aibridge.testing.replies import Reply, reply
from aibridge.testing.request import DEFAULT_MODEL, Request

EMBEDDING_SIZE = 8
"""The length of a vector where the request does not say."""


def models(request: Request) -> Reply:
    """`GET /models`: one model."""
    return reply({"object": "list", "data": [_model(DEFAULT_MODEL)]})


def model(request: Request) -> Reply:
    """`GET /models/{id}`: whichever is asked for."""
    return reply(_model(request.path.rsplit("/", 1)[1]))


def embeddings(request: Request) -> Reply:
    """`POST /embeddings`: for each input a unit vector of its own, as numbers or as base64, as the request asks."""
    inputs = request.input if isinstance(request.input, list) else [request.input]
    size = request.fields.get("dimensions") or EMBEDDING_SIZE
    in_base64 = request.fields.get("encoding_format") == "base64"
    data = [_embedding(index, size, in_base64) for index in range(len(inputs))]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return reply({"object": "list", "data": data, "model": request.model, "usage": usage})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "aibridge"}


def _embedding(index: int, size: int, in_base64: bool) -> dict[str, Any]:
    vector = [float(place == index % size) for place in range(size)]
    embedding = base64.b64encode(array("f", vector).tobytes()).decode() if in_base64 else vector
    return {"object": "embedding", "index": index, "embedding": embedding}
