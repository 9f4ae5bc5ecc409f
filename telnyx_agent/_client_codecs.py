"""`ClientCodecs`: the part of `TxClient` that says which codecs there are, and where it is connected to."""

from __future__ import annotations

from ._client_base import ClientBase
from .codecs import SUPPORTED_CODECS, AudioCodec

__all__ = ["ClientCodecs"]


class ClientCodecs(ClientBase):
    """See `TxClient`."""

    @property
    def supported_codecs(self) -> tuple[AudioCodec, ...]:
        """The codecs of calls, in the order in which they are offered. Needs no connection."""
        return SUPPORTED_CODECS

    def get_supported_codecs(self) -> tuple[AudioCodec, ...]:
        """iOS's `getSupportedAudioCodecs()`: the same as `supported_codecs`."""
        return SUPPORTED_CODECS

    get_supported_audio_codecs = get_supported_codecs

    @property
    def datacenter(self) -> str | None:
        """The data centre that the client is logged in to, such as `"ams3-prod"`; None until the server tells."""
        return self._watch.get().datacenter

    @property
    def region(self) -> str | None:
        """Where that is, such as `"eu-west"`; None until the server tells."""
        return self._watch.get().region
