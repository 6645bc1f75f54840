"""A real gRPC server with real TLS in front of whatever answers: a scripted gateway, or a node's handler."""

import datetime
import ipaddress
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fedpact.gateway.grpc_channel import DELIVER, GATEWAY, METHODS, ChannelSettings, Tls
from fedpact.gateway.local_frames import (
    CALLS_METHOD,
    decode_calls,
    decode_request,
    encode_call,
    encode_failure,
    encode_reply,
)
from fedpact.gateway.status_details import DETAILS_KEY, encode_details
from fedpact.gateway.transport import DeliverKind, TransportError


class GrpcNode:
    """Serves a transport on a port of this machine until it is stopped; may be started again there."""

    def __init__(self, handler, credentials=None, *, batched=True):
        self.handler = handler
        self.credentials = credentials
        self.batched = batched
        self.port = 0
        self.messages = []
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.threads = ThreadPoolExecutor(64)
        self.server = grpc.server(
            self.threads,
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 100 << 20)],
        )
        methods = {
            name: grpc.unary_unary_rpc_method_handler(self._unary(stage)) for stage, name in METHODS.items()
        }
        methods[f"{GATEWAY}ChaincodeEvents"] = grpc.unary_stream_rpc_method_handler(self._events)
        for kind in DeliverKind:
            methods[DELIVER + kind] = grpc.stream_stream_rpc_method_handler(self._delivery(kind))
        if self.batched:
            methods[CALLS_METHOD] = grpc.stream_stream_rpc_method_handler(self._calls)
        for path, method in methods.items():
            _, service, name = path.split("/")
            self.server.add_generic_rpc_handlers(
                [grpc.method_handlers_generic_handler(service, {name: method})]
            )
        where = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self.port = self.server.add_insecure_port(where)
        else:
            self.port = self.server.add_secure_port(where, self.credentials)
        self.server.start()

    def stop(self):
        """End at once, as a killed node does."""
        self.server.stop(None).wait(10)
        self.threads.shutdown(wait=False)

    def _unary(self, stage):
        def call(request, context):
            try:
                return getattr(self.handler, stage)(request, timeout_s=context.time_remaining())
            except TransportError as error:
                _abort(context, error)

        return call

    def _events(self, request, context):
        yield from self._follow(context, lambda: self.handler.chaincode_events(request))

    def _delivery(self, kind):
        def deliver(requests, context):
            envelope = next(requests)
            yield from self._follow(context, lambda: self.handler.deliver(kind, envelope))

        return deliver

    def _follow(self, context, opening):
        try:
            stream = opening()
            context.add_callback(stream.close)
            yield from stream
        except TransportError as error:
            _abort(context, error)

    def _calls(self, requests, context):
        replies = queue.SimpleQueue()
        context.add_callback(lambda: replies.put(None))

        def answer(number, body):
            request = decode_request(body)
            try:
                reply = getattr(self.handler, request.method)(request.message, timeout_s=request.timeout_s)
                replies.put(encode_call(number, encode_reply(reply)))
            except TransportError as error:
                replies.put(encode_call(number, encode_failure(error)))

        def receive():
            try:
                for message in requests:
                    calls = decode_calls(message)
                    self.messages.append(len(calls))
                    for number, body in calls:
                        threading.Thread(target=answer, args=(number, body), daemon=True).start()
            except grpc.RpcError:
                pass
            replies.put(None)

        threading.Thread(target=receive, daemon=True).start()
        while (reply := replies.get()) is not None:
            yield reply


def _abort(context, error):
    code = grpc.StatusCode[error.status]
    if error.details:
        packed = encode_details(code.value[0], error.message, error.details)
        context.set_trailing_metadata(((DETAILS_KEY, packed),))
    context.abort(code, error.message)


class TlsAuthority:
    """Issues certificates for servers and clients of this machine."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tls authority")])
        certificate = self._certificate(self.name, self.key.public_key(), names=None)
        self.roots = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        certificate = self._certificate(subject, key.public_key(), names=names)
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _certificate(self, subject, public_key, names):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(names is None, None), critical=True)
        )
        if names is not None:
            known = [
                x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
                for name in names
            ]
            builder = builder.add_extension(x509.SubjectAlternativeName(known), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@pytest.fixture(scope="session")
def authority():
    return TlsAuthority()


@pytest.fixture(scope="session")
def tls(authority):
    """What a server and a client of this machine need: both show certificates."""
    certificate, key = authority.issue("localhost", "127.0.0.1")
    own, own_key = authority.issue("client")
    return SimpleNamespace(
        certificate=certificate,
        key=key,
        roots=authority.roots,
        server=grpc.ssl_server_credentials([(key, certificate)], authority.roots, require_client_auth=True),
        client=Tls(roots=authority.roots, certificate=own, key=own_key),
    )


@pytest.fixture
def serve(tls):
    """Starts servers that end with the test."""
    nodes = []

    def started(handler, *, secure=True, **more):
        nodes.append(GrpcNode(handler, tls.server if secure else None, **more))
        return nodes[-1]

    yield started
    for node in nodes:
        node.stop()


@pytest.fixture
def settings(tls):
    return ChannelSettings(tls=tls.client, connect_s=2.0, backoff_s=0.2)
