"""`g711`: the tables are FFmpeg's."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext

from telnyx_agent._media.codecs.g711 import G711Decoder, G711Encoder


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_tables_are_ffmpegs(law: str) -> None:
    """All 256 codes mean what FFmpeg says, and each is what its own value is encoded to."""
    context = av.CodecContext.create("pcm_mulaw" if law == "pcmu" else "pcm_alaw", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 8000, "mono"
    codes = bytes(range(256))
    expected = np.asarray(context.decode(av.Packet(codes))[0].to_ndarray()).reshape(-1)
    table = G711Decoder(law)._table
    assert (table == expected).all()
    again = G711Encoder(law)._table[table.view(np.uint16)]
    assert (table[again] == table).all()


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_each_sample_gets_the_nearest_code(law: str) -> None:
    """All 65,536 of them: nothing that could be sent is nearer."""
    table = G711Decoder(law)._table.astype(np.int32)
    samples = np.arange(-32768, 32768, dtype=np.int32)
    heard = table[G711Encoder(law)._table[samples.astype(np.int16).view(np.uint16)]]
    nearest = np.minimum.reduce([np.abs(samples - value) for value in table])
    assert (np.abs(samples - heard) == nearest).all()
