"""A gRPC server with nothing but health. Argument: port. What a service is: `shop.Well`, `shop.Ill`, and one with a long name."""

import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

server = grpc.server(futures.ThreadPoolExecutor(8))
servicer = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
servicer.set("shop.Well", health_pb2.HealthCheckResponse.SERVING)
servicer.set("shop.Ill", health_pb2.HealthCheckResponse.NOT_SERVING)
servicer.set("shop." + "x" * 195, health_pb2.HealthCheckResponse.SERVING)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
