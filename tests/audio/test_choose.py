"""`choose`: the device that the user means, on machines of all kinds, none of which is needed here."""

from __future__ import annotations

import pytest

from telnyx_agent.audio import DeviceInfo
from telnyx_agent.audio._portaudio import choose, translate
from telnyx_agent.errors import MediaError


def info(
    index: int, name: str, inputs: int, outputs: int, api: str = "ALSA", *, default: str = "", rate: int = 48000
) -> DeviceInfo:
    return DeviceInfo(index, name, api, inputs, outputs, rate, "in" in default, "out" in default)


LAPTOP = [
    info(0, "HDA Intel PCH: ALC257 Analog (hw:0,0)", 2, 2),
    info(1, "HDA Intel PCH: HDMI 0 (hw:0,3)", 0, 8),
    info(2, "USB Headset: Audio (hw:1,0)", 1, 2),
    info(3, "USB Webcam: Audio (hw:2,0)", 1, 0),
    info(4, "pulse", 32, 32),
    info(5, "default", 32, 32, default="in out"),
]
WINDOWS = [
    info(0, "Microphone (Headset)", 1, 0, "MME", default="in"),
    info(1, "Speakers (Headset)", 0, 2, "MME", default="out"),
    info(2, "Microphone (Headset)", 1, 0, "Windows DirectSound"),
    info(3, "Microphone (Headset)", 1, 0, "Windows WASAPI"),
    info(4, "Speakers (Headset)", 0, 2, "Windows WASAPI"),
]


def index(chosen: DeviceInfo | None) -> int | None:
    return None if chosen is None else chosen.index


def test_none_is_the_systems_default() -> None:
    """For both directions."""
    assert index(choose(LAPTOP, None, "input")) == 5
    assert index(choose(WINDOWS, None, "output")) == 1


def test_without_a_default_the_first_one_will_do() -> None:
    """Better than nothing; and nothing where there is nothing."""
    assert index(choose(LAPTOP[:5], None, "input")) == 0
    assert index(choose(LAPTOP[1:2], None, "output")) == 1
    assert choose(LAPTOP[1:2], None, "input") is None
    assert choose([], None, "output") is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [(2, 2), ("headset", 2), ("USB HEADSET", 2), ("audio usb headset", 2), ("Webcam", 3), ("pulse", 4)],
)
def test_by_index_or_by_words_of_the_name(wanted: int | str, expected: int) -> None:
    """In any case and order."""
    assert index(choose(LAPTOP, wanted, "input")) == expected


def test_an_exact_name_wins() -> None:
    """Where it is a part of another one's as well."""
    known = [info(0, "Headset", 1, 0), info(1, "Headset Pro", 1, 0)]
    assert index(choose(known, "headset", "input")) == 0


def test_only_devices_of_the_direction_count() -> None:
    """The HDMI output is no second candidate for the microphone."""
    assert index(choose(LAPTOP, "PCH", "input")) == 0


def test_the_default_host_api_wins() -> None:
    """Windows lists everything several times; the host API can be named to get another."""
    assert index(choose(WINDOWS, "microphone", "input")) == 0
    assert index(choose(WINDOWS, "microphone WASAPI", "input")) == 3


@pytest.mark.parametrize(
    ("wanted", "direction", "expected"),
    [
        ("usb", "input", ["2 input devices match 'usb'", "2: USB Headset", "3: USB Webcam"]),
        ("bluetooth", "input", ["no input device is 'bluetooth'", "0: HDA Intel PCH", "5: default"]),
        (1, "input", ["no input device is 1", "2: USB Headset"]),
        (99, "output", ["no output device is 99", "1: HDA Intel PCH: HDMI 0"]),
        ("webcam", "output", ["no output device is 'webcam'"]),
    ],
)
def test_what_is_unknown_or_ambiguous_is_refused_with_the_candidates(
    wanted: int | str, direction: str, expected: list[str]
) -> None:
    """So that the next attempt is right."""
    assert direction in ("input", "output")
    with pytest.raises(MediaError) as caught:
        choose(LAPTOP, wanted, "input" if direction == "input" else "output")
    assert caught.value.code == 42002
    for text in expected:
        assert text in str(caught.value)


def test_a_name_on_a_machine_without_devices_is_refused() -> None:
    """A default is optional; what was asked for by name is not."""
    with pytest.raises(MediaError, match="Candidates: none at all"):
        choose([], "headset", "input")


def test_a_device_reads_like_a_line_of_a_list() -> None:
    """Index first, since that can be given to `SoundDeviceAudio`."""
    assert str(LAPTOP[5]) == "5: default, ALSA (32 in, 32 out, default input and output)"
    assert str(LAPTOP[3]) == "3: USB Webcam: Audio (hw:2,0), ALSA (1 in, 0 out)"


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (-9985, "another program is using it"),
        (-9993, "sound system does not answer"),
        (-9996, "not there any more"),
        (-9997, "its own default rate"),
        (-9998, "nor as many as it has"),
        (-9999, "choose another one"),
    ],
)
def test_every_error_of_portaudio_has_its_own_advice(code: int, advice: str) -> None:
    """Busy is not the same as missing."""
    assert advice in translate(Exception("Error opening", code), "open the input device headset").message


def test_an_error_without_a_number_has_advice_too() -> None:
    """`query_devices` raises such."""
    assert "choose another one" in translate(Exception("Error querying device -1"), "open it").message
