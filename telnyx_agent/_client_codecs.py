"""`ClientCodecs`: the part of `TxClient` that says which codecs there are, and where it is connected to."""

from __future__ import annotations

from ._client_base import ClientBase
from .codecs import SUPPORTED_CODECS, TxCodecCapability

__all__ = ["ClientCodecs"]


class ClientCodecs(ClientBase):
    """See `TxClient`."""

    def get_supported_audio_codecs(self) -> tuple[TxCodecCapability, ...]:
        """The codecs of calls, in the order in which they are offered. Needs no connection.

        iOS, Android and Flutter: `getSupportedAudioCodecs()`.
        """
        return SUPPORTED_CODECS

    @property
    def datacenter(self) -> str | None:
        """The data centre that the client is logged in to, such as `"ams3-prod"`; None until the server tells."""
        return self._watch.get().datacenter

    @property
    def region(self) -> str | None:
        """Where that is, such as `"eu-west"`; None until the server tells."""
        return self._watch.get().region
