"""A gRPC server with methods of all four shapes, health and reflection. Argument: port."""

import sys
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection


def unary(request, context):
    seen = dict(context.invocation_metadata())
    if "x-echo" in seen:
        context.send_initial_metadata((("x-echo", seen["x-echo"]),))
        context.set_trailing_metadata((("x-echo-bin", b"\x01\x02\xff"),))
    return request


def collect(requests, _context):
    return b"".join(requests)


def spread(request, _context):
    for index in range(int(request or b"0")):
        yield str(index).encode()


def both(requests, _context):
    yield from requests


def fail(request, context):
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")


def sleep(request, context):
    for _ in range(300):
        if not context.is_active():
            return
        time.sleep(0.1)
        yield b"tick"


def left(request, context):
    return str(context.time_remaining() or "none").encode()


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Collect": grpc.stream_unary_rpc_method_handler(collect),
    "Spread": grpc.unary_stream_rpc_method_handler(spread),
    "Both": grpc.stream_stream_rpc_method_handler(both),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Sleep": grpc.unary_stream_rpc_method_handler(sleep),
    "Left": grpc.unary_unary_rpc_method_handler(left),
}
server = grpc.server(
    futures.ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", 64 << 20)]
)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Echo", handlers),))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
servicer.set("shop.Echo", health_pb2.HealthCheckResponse.SERVING)
reflection.enable_server_reflection((health.SERVICE_NAME, reflection.SERVICE_NAME), server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
