"""Where indexes of the Encoding Standard differ from Python's codecs: sequences of two bytes and their text.

The standard's Big5 takes in the Hong Kong characters of 2008 and follows code page 950 where vendors disagree; its
gb18030 is the edition of 2022, but for A3 A0.
"""

from __future__ import annotations

__all__ = ["BIG5", "GB18030"]

_BIG5_RUNS = (
    "877a:㡵𡵓𣚞𦀡㻬𥣞㫵竼龗𤅡𨤍𣇪𠪊𣉞䌊蒄龖鐯䤰蘓墖靊鈘秐稲晠権袝瑌篅枂稬剏遆㓦珄𥶹瓆鿇垳䤯呌䄱𣚎堘穲𧭥"
    "讏䚮𦺈䆁𥶙箮𢒼鿈𢓁𢓉𢓌鿉蔄𣖻䂴鿊䓡𪷿拁灮鿋 8e69:箸 8e6f:簆 8e7e:糎 8eab:緒 8eb4:縝 8ecd:者 8ed0:耨 "
    "8f57:菁 8f69:蒨 8f6e:萏 8fcb:覦覩 8ffe:起 906d:都 907a:銹 90dc:靜 90f1:響 91bf:鼖 9244:蔃 "
    "92af:兙兛兝兞 92c8:鍮 92d1:瑹 9447:浧 94ca:禛 95d9:邗 9644:靝 96ed:瀞 96fc:嬨 9b76:爁 9b78:矗 "
    "9b7b:纇 9bc6:駖 9bde:釔 9bec:惞 9bf6:澶 9c42:輶 9c53:侻 9c62:營 9c68:鄄 9c6b:鷰 9c77:菏 9cbc:尐秣 "
    "9cd0:婧 9d57:輋 9d5a:筑 9dc4:拐 9ea9:恢 9eef:痹 9efd:汊 9f60:鬮 9f66:鼗 9fcb:僭 9fd8:弌 a063:蠏 "
    "a077:拎 a0d5:瑨 a0df:煢 a0e4:牐 a145:‧ a14e:﹑ a1c2:¯ a1e3:～ a1f2:⊕⊙ a241:∕﹨ a244:￥ a246:￠￡ "
    "a3c0:␀␁␂␃␄␅␆␇␈␉␊␋␌␍␎␏␐␑␒␓␔␕␖␗␘␙␚␛␜␝␞␟␡€ c6cf:廴 c6d3:无 c6d5:癶 c6d7:隶 c6de:〃仝 fa5f:倩 fa66:偽 "
    "fabd:包 fac5:卄 fad5:卿 fb48:嘅 fbb8:婷 fbf3:幵 fbf9:廐 fc4f:彘 fc6c:悤 fcb9:撐 fce2:晴 fcf1:杞 "
    "fdb7:沜渝 fdbb:港 fdf1:煮 fe52:猪 fe6f:瑜 feaa:瓩 fedd:砉"
)
"""The first sequence of each run, then the characters of its successors in the index's order."""

_GB18030_SEQUENCES = (
    "A3A0 A6D9 A6DA A6DB A6DC A6DD A6DE A6DF A6EC A6ED A6F3 A8BC FE59 FE61 FE66 FE67 FE6D FE7E FE90 FEA0 8135F437"
)
GB18030 = {
    bytes.fromhex(sequence): text
    for sequence, text in zip(
        _GB18030_SEQUENCES.split(),
        "\u3000︐︒︑︓︔︕︖︗︘︙ḿ龴龵龶龷龸龹龺龻\ue7c7",
        strict=True,
    )
}


def _big5() -> dict[bytes, str]:
    differences = {}
    for run in _BIG5_RUNS.split():
        first, _, characters = run.partition(":")
        lead, trail = bytes.fromhex(first)
        pointer = (lead - 0x81) * 157 + trail - (0x40 if trail < 0x7F else 0x62)
        for at, character in enumerate(characters, pointer):
            lead, trail = divmod(at, 157)
            differences[bytes([lead + 0x81, trail + (0x40 if trail < 0x3F else 0x62)])] = character
    return differences


BIG5 = _big5()
