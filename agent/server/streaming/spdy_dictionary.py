"""The dictionary with which SPDY/3.1 compresses headers, byte for byte as the protocol gives it.

First words, each behind its length in 4 bytes; then plain text.
https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/#2.6.10.1-Compression
"""

_WORDS = (
    "options|head|post|put|delete|trace|accept|accept-charset|accept-encoding|accept-language|accept-ranges|ag"
    "e|allow|authorization|cache-control|connection|content-base|content-encoding|content-language|content-len"
    "gth|content-location|content-md5|content-range|content-type|date|etag|expect|expires|from|host|if-match|i"
    "f-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|location|max-forwards|pragma|pr"
    "oxy-authenticate|proxy-authorization|range|referer|retry-after|server|te|trailer|transfer-encoding|upgrad"
    "e|user-agent|vary|via|warning|www-authenticate|method|get|status|200 OK|version|HTTP/1.1|url|public|set-c"
    "ookie|keep-alive|origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authori"
    "tative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not "
    "Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug S"
    "ept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,imag"
    "e/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,"
    "sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)

DICTIONARY = b"".join(len(word).to_bytes(4, "big") + word.encode() for word in _WORDS.split("|")) + _TEXT.encode()
