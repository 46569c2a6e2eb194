"""The access log line.

client proto "method path" status bytes ms backend local-port backend-status stream R|N retry end [reason]
"""
import dataclasses
import re

LINE = re.compile(
    r'(?P<client>\S+) (?P<proto>h1|h1\.0|h2|-) "(?P<request>(?:[^"\\]|\\.)*)" '
    r'(?P<status>\d{3}|-) (?P<bytes>\d+) (?P<ms>\d+) '
    r'(?P<backend>\S+) (?P<local_port>\d+|-) (?P<backend_status>\d{3}|-) (?P<stream>\d+|-) (?P<reuse>[RN-]) '
    r'(?P<retry>-|\d+:\S+) (?P<end>[CBPT-][RQKWD-])(?: (?P<reason>\S+))?')


@dataclasses.dataclass
class Line:
    text: str
    client: str
    proto: str
    request: str  # escaped; of a malformed request line as much as was read
    method: str
    path: str
    status: int
    bytes: int
    ms: int
    backend: str
    local_port: int
    backend_status: int
    stream: int
    reuse: str
    retry: str
    end: str
    reason: str


NUMBERS = ("status", "bytes", "ms", "local_port", "backend_status", "stream")


def parse(text):
    """A Line; a field that the log leaves out as `-` is None where a number belongs."""
    match = LINE.fullmatch(text)
    assert match, f"not a log line: {text!r}"
    fields = match.groupdict()
    fields["method"], _, fields["path"] = fields["request"].partition(" ")
    for name in NUMBERS:
        fields[name] = None if fields[name] == "-" else int(fields[name])
    return Line(text=text, **fields)
