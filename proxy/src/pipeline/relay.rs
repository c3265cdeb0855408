//! A connection of the application that is no HTTP: bytes to the service and back.
//!
//! Ends when both directions have ended, when nothing has moved for the service's idle time, or with the drain. Must
//! not know: what the bytes mean.

use crate::config::ServiceId;
use crate::drain::{Phase, Roster};
use crate::pipeline::Pipeline;
use crate::runtime::{self, Moved};
use crate::telemetry::metrics::Refusal;
use crate::upstream::tunnel;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::net::TcpStream;

/// Carries one connection to `service`.
pub async fn relay(
    pipeline: &Pipeline,
    roster: &Rc<Roster>,
    service: ServiceId,
    mut stream: TcpStream,
) -> Result<(), Refusal> {
    let snapshot = Rc::clone(&pipeline.snapshot.borrow());
    let cluster = snapshot.clusters.get(service.0).ok_or(Refusal::NoService)?;
    let _load = pipeline.take_load(&snapshot.config).map_err(|_shed| Refusal::Overload)?;
    let member = roster.join();
    let _counted = pipeline.recorder.metrics.active();
    let mut there = tunnel::open(cluster).await.map_err(|_logged| Refusal::NoService)?;
    let idle = cluster.service.timeout.idle;
    let moved = Moved::default();
    let mut carried = pin!(runtime::relay(&mut stream, &mut there, idle, &pipeline.sweep, &moved));
    poll_fn(|cx| {
        if member.poll(cx) == Phase::Over { Poll::Ready(()) } else { carried.as_mut().poll(cx).map(drop) }
    })
    .await;
    Ok(())
}
