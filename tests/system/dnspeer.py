"""A DNS server on loopback (UDP and TCP, one port) that answers as a test says, and counts what it is asked."""
import socket
import struct
import threading

A, AAAA, CNAME = 1, 28, 5
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Answer:
    def __init__(self, a=(), aaaa=(), ttl=3600, code=NOERROR, silent=False, truncated=False, cname=None, garbage=None):
        """truncated: over UDP only the head with TC, so that TCP is needed. garbage: these bytes instead."""
        self.records = {A: [socket.inet_aton(x) for x in a], AAAA: [socket.inet_pton(socket.AF_INET6, x) for x in aaaa]}
        self.ttl, self.code, self.silent, self.truncated, self.cname = ttl, code, silent, truncated, cname
        self.garbage = garbage


def packed(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class Dns:
    def __init__(self):
        for _ in range(20):
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind(("127.0.0.1", 0))
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.port = self.tcp.getsockname()[1]
            try:
                self.udp.bind(("127.0.0.1", self.port))
                break
            except OSError:  # the number is taken for UDP
                self.tcp.close()
                self.udp.close()
        self.tcp.listen(8)
        self.names = {}
        self.asked = []  # (name, type, over TCP)
        self.stopping = False
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def set(self, name, **answer):
        self.names[name] = Answer(**answer)

    def count(self, name, kind=A):
        return sum(1 for n, k, _ in list(self.asked) if (n, k) == (name, kind))

    def reply(self, query, over_tcp):
        ident, at, labels = query[:2], 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        kind, = struct.unpack(">H", query[at + 1:at + 3])
        name = ".".join(labels).lower()
        self.asked.append((name, kind, over_tcp))
        answer = self.names.get(name, Answer(code=NXDOMAIN))
        if answer.silent:
            return None
        if answer.garbage is not None:
            return ident + answer.garbage
        if answer.truncated and not over_tcp:
            return ident + b"\x87\x80" + struct.pack(">4H", 1, 0, 0, 0) + question
        records, owner = [], b"\xc0\x0c"
        if answer.cname:
            target = packed(answer.cname)
            records.append(owner + struct.pack(">HHIH", CNAME, 1, answer.ttl, len(target)) + target)
            owner = target
        for data in answer.records.get(kind, []):
            records.append(owner + struct.pack(">HHIH", kind, 1, answer.ttl, len(data)) + data)
        head = struct.pack(">BB4H", 0x85, 0x80 | answer.code, 1, len(records), 0, 0)
        return ident + head + question + b"".join(records)

    def serve_udp(self):
        while True:
            query, address = self.udp.recvfrom(4096)
            if self.stopping:
                return
            answer = self.reply(query, False)
            if answer:
                self.udp.sendto(answer, address)

    def serve_tcp(self):
        while True:
            connection, _ = self.tcp.accept()
            with connection:
                if self.stopping:
                    return
                connection.settimeout(5)
                data = b""
                try:
                    while True:
                        part = connection.recv(4096)
                        if not part:
                            break
                        data += part
                        while len(data) >= 2 and len(data) >= 2 + struct.unpack(">H", data[:2])[0]:
                            size, = struct.unpack(">H", data[:2])
                            answer = self.reply(data[2:2 + size], True)
                            data = data[2 + size:]
                            if answer:
                                connection.sendall(struct.pack(">H", len(answer)) + answer)
                except OSError:
                    pass

    def stop(self):
        self.stopping = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", ("127.0.0.1", self.port))
        with socket.socket() as wake:
            wake.connect(("127.0.0.1", self.port))
        for thread in self.threads:
            thread.join(10)
        self.udp.close()
        self.tcp.close()
