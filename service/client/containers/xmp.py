"""A text in an XMP packet, the metadata of WebP and JPEG: an attribute of a name space of our own."""

from __future__ import annotations

import html
import re

_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:anytime="urn:anytime:samples" anytime:samples="{text}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
# Programs that write the packet anew may make an element of the attribute. It is not read as XML, which can be made to
# take any time and space.
_TEXT = re.compile(rb"""anytime:samples(?:="([^"<]*)"|='([^'<]*)'|>([^<]*)<)""")


def packet(text: str) -> bytes:
    """A packet with a text."""
    return _PACKET.format(text=html.escape(text)).encode()


def text_in(packet: bytes) -> str | None:
    """The text in a packet."""
    found = _TEXT.search(packet)
    return html.unescape(found[found.lastindex or 1].decode("ascii")) if found else None
