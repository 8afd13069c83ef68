# SPDX-License-Identifier: Apache-2.0
"""How a registry's certificate is verified, and which one it is shown."""

from typing import TYPE_CHECKING, NamedTuple

from podwright.errors import ImageError

if TYPE_CHECKING:
    import ssl


class Tls(NamedTuple):
    """The files for one host, all PEM; empty where there is none."""

    ca: str = ""
    """Authorities, besides the system's."""
    certificate: str = ""
    """What the client proves itself with; the key may be in the same file."""
    key: str = ""

    def context(self) -> "ssl.SSLContext":
        """Load the files; raises ImageError for what cannot be used."""
        import ssl

        context = ssl.create_default_context()
        if self.ca:
            try:
                context.load_verify_locations(cafile=self.ca)
            except OSError as error:  # ssl.SSLError is one
                raise _unusable("ca", self.ca, error) from error
        if self.certificate:
            try:  # a password that is empty: OpenSSL would ask for it on the terminal
                context.load_cert_chain(self.certificate, self.key or None, password="")
            except OSError as error:
                raise _unusable("certificate and key", f"{self.certificate} {self.key}".rstrip(), error) from error
        return context


def tls_failure(error: BaseException, host: str) -> str:
    """Return the sentence for a handshake that will fail again, or nothing."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {host} cannot be trusted ({error.verify_message}): name the authority that signed it "
            f'as ca in the section [registries.hosts."{host}"] of the configuration'
        )
    if not isinstance(error, ssl.SSLError):
        return ""
    reason = error.reason or ""
    if reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST"):
        return f"{host} does not speak HTTPS: if that is meant so, add it to registries.insecure of the configuration"
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return f"{host} does not accept our certificate, or wants one ({reason.lower().replace('_', ' ')})"
    return ""


def _unusable(what: str, files: str, error: OSError) -> ImageError:
    reason = "it is not PEM, or the key has a password or is another's" if error.strerror is None else error.strerror
    if error.errno is None or type(error).__module__ == "ssl":
        reason = "not PEM, or a key that has a password or belongs to another certificate"
    return ImageError(f"the {what} {files} cannot be used: {reason}")
