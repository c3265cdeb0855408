//! What lasts: gRPC in all shapes, WebSocket, events, large bodies; drained with grace, not cut by reloads.

mod events;
mod grpc;
mod transfers;
mod websocket;
mod websocket_cases;
mod websocket_http2;
