"""A small CA and its certificates, made once with the openssl program: good ones and one of each bad kind."""
import os
import subprocess

from procs import program

DAY = 86400


def openssl(*argv, cwd=None):
    done = subprocess.run([program("openssl"), *argv], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Certs:
    """Files in one folder: NAME.pem (with its chain) and NAME.key. `ca` signs all but the self-signed and the stranger's."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.serial = 0x1000
        for name in ("ca", "other-ca"):
            self.key(name)
            self.run("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "30", "-out",
                     f"{name}.pem", "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        names = "DNS:localhost,DNS:*.wild.test,IP:127.0.0.1"
        self.leaf("good", names)
        self.leaf("rsa", names, rsa=True)
        self.leaf("api", "DNS:api.test")
        self.leaf("wrong-name", "DNS:elsewhere.test")
        self.leaf("unknown-ca", names, ca="other-ca")
        self.leaf("expired", names, dates=("20200101000000Z", "20200201000000Z"))
        self.leaf("future", names, dates=("20400101000000Z", "20400201000000Z"))
        self.leaf("revoked", names)
        self.leaf("client", "DNS:client.test", subject="/O=Culvert/CN=client one")
        self.key("self-signed")
        self.run("req", "-x509", "-new", "-key", "self-signed.key", "-subj", "/CN=localhost", "-days", "30", "-out",
                 "self-signed.pem", "-addext", f"subjectAltName={names}")
        self.revoke("revoked")

    def run(self, *argv):
        return openssl(*argv, cwd=self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def key(self, name, rsa=False):
        kind = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if rsa else ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.run("genpkey", "-algorithm", *kind, "-out", f"{name}.key")

    def leaf(self, name, names, ca="ca", subject="/O=Culvert/CN=leaf", dates=None, rsa=False):
        """A certificate of a CA, by `openssl ca`, which knows dates."""
        self.key(name, rsa)
        self.run("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
        conf = self.path(f"{name}.cnf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(f"""[ca]
default_ca = it
[it]
database = {ca}.db
new_certs_dir = .
serial = {ca}.srl
default_md = sha256
policy = any
x509_extensions = leaf
unique_subject = no
default_crl_days = 20
copy_extensions = none
[any]
O = optional
CN = supplied
[leaf]
subjectAltName = {names}
""")
        if not os.path.exists(self.path(f"{ca}.db")):
            for file, text in ((f"{ca}.db", ""), (f"{ca}.srl", "1000\n")):
                with open(self.path(file), "w", encoding="ascii") as out:
                    out.write(text)
        when = ["-startdate", dates[0], "-enddate", dates[1]] if dates else ["-days", "20"]
        self.run("ca", "-batch", "-notext", "-config", conf, "-cert", f"{ca}.pem", "-keyfile", f"{ca}.key", "-in",
                 f"{name}.csr", "-out", f"{name}.pem", *when)

    def revoke(self, name):
        """Revokes it, and makes ca.crl."""
        conf = self.path(f"{name}.cnf")
        about = ("-config", conf, "-cert", "ca.pem", "-keyfile", "ca.key")
        self.run("ca", "-batch", *about, "-revoke", f"{name}.pem")
        self.run("ca", "-batch", *about, "-gencrl", "-out", "ca.crl")

    def pin(self, name):
        return "sha256:" + self.run("x509", "-in", f"{name}.pem", "-noout", "-fingerprint", "-sha256").split("=")[1].strip()

    def pair(self, name):
        """The lines that give the proxy this certificate."""
        return [f'SSLCertificateFile "{self.path(name)}.pem"', f'SSLCertificateKeyFile "{self.path(name)}.key"']
