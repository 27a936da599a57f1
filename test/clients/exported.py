"""Connects with what `natspki export` wrote: PKCS#12 files, and a folder of PEM files."""

import asyncio
import os
import ssl

import nats
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12


def pem_of(file):
    with open(file, "rb") as opened:
        found = pkcs12.load_pkcs12(opened.read(), b"secret word")
    with open("python-key.pem", "wb") as out:
        out.write(found.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with open("python-cert.pem", "wb") as out:
        out.write(found.cert.certificate.public_bytes(Encoding.PEM))
    with open("python-ca.pem", "wb") as out:
        for each in found.additional_certs:
            out.write(each.certificate.public_bytes(Encoding.PEM))
    return "python-ca.pem", "python-cert.pem", "python-key.pem"


async def publish(ca, cert, key):
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    client = await nats.connect(os.environ["NATS_URL"], tls=context, allow_reconnect=False)
    await client.publish("exported", b"python")
    await client.flush()
    await client.close()


async def main():
    await publish(*pem_of("alice.p12"))
    await publish(*pem_of("legacy.p12"))
    await publish("alice/ca.pem", "alice/alice-cert.pem", "alice/alice-key.pem")


asyncio.run(main())
