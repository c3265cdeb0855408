"""Calls every method through a proxy, and says for each case what became of it. Argument: HOST:PORT.

The cases are named after the interoperability tests of gRPC.
"""

import sys
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.max_receive_message_length", 64 << 20)])
TIME = 20


def unary(name):
    return channel.unary_unary(f"/shop.Echo/{name}")


def empty_unary():
    assert unary("Unary")(b"", timeout=TIME) == b""


def large_unary():
    body = bytes(range(256)) * 4096
    assert unary("Unary")(body, timeout=TIME) == body


def client_streaming():
    call = channel.stream_unary("/shop.Echo/Collect")
    assert call((b"x" * 1000 for _ in range(100)), timeout=TIME) == b"x" * 100_000


def server_streaming():
    call = channel.unary_stream("/shop.Echo/Spread")
    assert [int(part) for part in call(b"500", timeout=TIME)] == list(range(500))


def ping_pong():
    # The next is sent only when the answer to the last is there.
    def talk():
        for index in range(50):
            yield str(index).encode()
            while len(got) <= index:
                time.sleep(0.001)

    got = []
    for answer in channel.stream_stream("/shop.Echo/Both")(talk(), timeout=TIME):
        got.append(int(answer))
    assert got == list(range(50)), got


def empty_stream():
    assert list(channel.stream_stream("/shop.Echo/Both")(iter(()), timeout=TIME)) == []


def cancel_after_begin():
    call = channel.unary_stream("/shop.Echo/Sleep")(b"", timeout=TIME)
    call.cancel()
    assert call.code() == grpc.StatusCode.CANCELLED, call.code()


def cancel_after_first_response():
    call = channel.unary_stream("/shop.Echo/Sleep")(b"", timeout=TIME)
    assert next(call) == b"tick"
    call.cancel()
    try:
        for _ in call:
            pass
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.CANCELLED, error.code()


def timeout_on_sleeping_server():
    try:
        list(channel.unary_stream("/shop.Echo/Sleep")(b"", timeout=0.5))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error.code()
    else:
        raise AssertionError("it did not end")


def special_status_message():
    try:
        unary("Fail")(b"", timeout=TIME)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error.code()
        expected = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
        assert error.details() == expected, error.details()
    else:
        raise AssertionError("it did not fail")


def custom_metadata():
    answer, call = unary("Unary").with_call(b"a", timeout=TIME, metadata=(("x-echo", "here"),))
    assert answer == b"a"
    assert ("x-echo", "here") in call.initial_metadata(), call.initial_metadata()
    assert ("x-echo-bin", b"\x01\x02\xff") in call.trailing_metadata(), call.trailing_metadata()


def unimplemented_method():
    try:
        unary("Nothing")(b"", timeout=TIME)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error.code()
    else:
        raise AssertionError("there is no such method")


def deadline_travels():
    left = float(unary("Left")(b"", timeout=7))
    assert 0 < left < 7.5, left


def health():
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service="shop.Echo"), timeout=TIME)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def health_watch():
    stub = health_pb2_grpc.HealthStub(channel)
    call = stub.Watch(health_pb2.HealthCheckRequest(service="shop.Echo"), timeout=TIME)
    assert next(call).status == health_pb2.HealthCheckResponse.SERVING
    call.cancel()


def server_reflection():
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter((request,)), timeout=TIME))
    names = [service.name for service in answer.list_services_response.service]
    assert "grpc.health.v1.Health" in names, names


for case in [
    empty_unary, large_unary, client_streaming, server_streaming, ping_pong, empty_stream, cancel_after_begin,
    cancel_after_first_response, timeout_on_sleeping_server, special_status_message, custom_metadata,
    unimplemented_method, deadline_travels, health, health_watch, server_reflection,
]:
    try:
        case()
        print(f"ok {case.__name__}")
    except Exception as error:  # a row that fails must not hide the others
        print(f"FAILED {case.__name__}: {type(error).__name__} {error}")
