"""A gRPC server with no service at all. Argument: port."""

import sys
from concurrent import futures

import grpc

server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
