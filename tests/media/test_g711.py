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
