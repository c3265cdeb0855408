//! Bodies are streamed as they come, and what was kept is sent again, byte for byte.

use super::*;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

/// What the client does next.
#[derive(Debug, Clone)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing, once.
    Pause,
    Break,
}

/// A client's body; what is polled is gone.
#[derive(Debug, Clone)]
struct Script {
    steps: VecDeque<Step>,
    /// Known length that is still to come.
    known: Option<u64>,
}

impl Script {
    fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), known: None }
    }

    fn sized(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::of(steps);
        let bytes = script.steps.iter().map(|step| if let Step::Data(data) = step { data.len() } else { 0 });
        Self { known: Some(bytes.sum::<usize>() as u64), ..script }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Data(data)) => {
                self.known = self.known.map(|known| known - data.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Break) => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.known == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.known.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn data(text: &'static str) -> Step {
    Step::Data(Bytes::from_static(text.as_bytes()))
}

/// A frame that is sent again as it came.
fn large() -> Step {
    Step::Data(Bytes::from(vec![b'x'; 2_000]))
}

fn trailers() -> HeaderMap {
    let status = HeaderValue::from_static("0");
    [("grpc-status", status.clone()), ("x-auth-user", status)]
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), value))
        .collect()
}

fn poll(body: &mut RequestBody<Script>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// Reads like hyper does: not again once it says that it has ended.
fn read(body: &mut RequestBody<Script>) -> Option<Result<Frame<Bytes>, Stopped>> {
    if body.is_end_stream() {
        return None;
    }
    loop {
        if let Poll::Ready(read) = poll(body) {
            return read;
        }
    }
}

fn read_data(body: &mut RequestBody<Script>) -> Option<Bytes> {
    read(body).map(|frame| frame.unwrap().into_data().unwrap())
}

/// All the rest of it.
fn rest(body: &mut RequestBody<Script>) -> Vec<u8> {
    std::iter::from_fn(|| read_data(body)).flatten().collect()
}

fn streamed(script: Script, limit: Option<u64>, trailers: bool) -> (RequestBody<Script>, Rc<Flow>) {
    let flow = Rc::new(Flow::default());
    (RequestBody::new(script, &flow, limit, trailers), flow)
}

fn kept(script: Script, most: u64) -> (RequestBody<Script>, Original<Script>, Rc<Flow>) {
    let (mut body, flow) = streamed(script, None, true);
    let original = body.keep(most);
    (body, original, flow)
}

#[test]
fn a_request_without_a_body_can_be_sent_as_often_as_one_likes() {
    let (body, original, flow) = kept(Script::sized([]), 100);

    assert!(matches!(body, RequestBody::Empty) && flow.finished.get() && flow.ended_at.get().is_none());
    assert!(original.is_whole());
    assert!(matches!(original.again(), Some(RequestBody::Empty)));
}

#[test]
fn a_body_that_is_not_kept_is_streamed_once() {
    let (mut body, original, flow) = kept(Script::of([data("ab"), Step::Pause, data("cd")]), 0);

    assert!(matches!(body, RequestBody::Stream(_)));
    assert!(!original.is_whole() && original.again().is_none());
    assert_eq!(rest(&mut body), b"abcd");
    assert_eq!((flow.bytes.get(), flow.finished.get()), (4, true));
}

#[test]
fn a_body_that_is_certainly_too_long_is_not_kept_at_all() {
    let (body, original, _) = kept(Script::sized([data("abcd")]), 3);
    assert!(matches!(body, RequestBody::Stream(_)) && !original.is_whole());

    let (body, original, _) = kept(Script::sized([data("abcd")]), 4);
    assert!(matches!(body, RequestBody::Kept(_)) && original.is_whole());
}

#[test]
fn a_body_that_is_read_already_cannot_be_kept_any_more() {
    let (mut body, _) = streamed(Script::of([data("ab"), data("cd")]), None, false);
    read(&mut body);

    assert!(!body.keep(100).is_whole());

    assert_eq!(rest(&mut body), b"cd");
}

#[test]
fn what_was_read_is_sent_again_and_then_what_comes() {
    let (mut first, original, flow) =
        kept(Script::of([data("ab"), Step::Pause, data("cd"), data("ef")]), 100);
    assert_eq!(read_data(&mut first).unwrap(), "ab");
    assert_eq!(read_data(&mut first).unwrap(), "cd");

    let mut second = original.again().unwrap();

    assert_eq!(rest(&mut second), b"abcdef");
    assert_eq!(flow.bytes.get(), 6, "from the client it came once");
    let mut third = original.again().unwrap();
    assert_eq!(rest(&mut third), b"abcdef");
    assert_eq!(flow.bytes.get(), 6);
}

#[test]
fn an_earlier_reader_gets_an_error_and_takes_nothing() {
    let (mut first, original, flow) = kept(Script::sized([data("ab"), data("cd")]), 100);
    read(&mut first);
    let mut second = original.again().unwrap();
    let mut third = original.again().unwrap();

    for stale in [&mut first, &mut second] {
        assert!(!stale.is_end_stream());
        assert_eq!(stale.size_hint().exact(), None);
        assert!(matches!(poll(stale), Poll::Ready(Some(Err(Stopped::Replaced)))));
    }

    assert_eq!(flow.fault.get(), None, "nobody did wrong");
    drop(first);
    assert_eq!(rest(&mut third), b"abcd");
    assert!(
        !second.is_end_stream() && matches!(poll(&mut second), Poll::Ready(Some(Err(Stopped::Replaced))))
    );
}

#[test]
fn an_earlier_reader_that_waits_is_woken_to_find_out() {
    let (mut first, original, flow) = kept(Script::of([Step::Pause, data("ab")]), 100);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(Pin::new(&mut first).poll_frame(&mut Context::from_waker(&waker)).is_pending());
    assert!(flow.starved.get());
    let before = woken.0.load(Ordering::Relaxed);

    let again = original.again();

    assert!(again.is_some());
    assert_eq!(woken.0.load(Ordering::Relaxed), before + 1);
    assert!(!flow.starved.get(), "the new one has not asked yet");
}

#[test]
fn a_known_length_stays_known_however_often_it_is_sent() {
    let (mut body, original, _) = kept(Script::sized([data("ab"), data("cde")]), 100);
    assert_eq!(body.size_hint().exact(), Some(5));
    read(&mut body);
    assert_eq!(body.size_hint().exact(), Some(3));

    let mut again = original.again().unwrap();

    let lengths: Vec<_> = std::iter::from_fn(|| {
        let length = again.size_hint().exact();
        read(&mut again).map(|_| length)
    })
    .collect();
    assert_eq!(lengths, [Some(5), Some(3)]);
    assert_eq!(again.size_hint().exact(), Some(0));
    assert!(again.is_end_stream());
}

#[test]
fn an_unknown_length_stays_unknown_so_that_it_is_framed_alike() {
    let (mut body, original, _) = kept(Script::of([data("ab"), data("cde")]), 100);
    rest(&mut body);

    let again = original.again().unwrap();

    assert_eq!((again.size_hint().lower(), again.size_hint().upper()), (5, None));
    assert!(!again.is_end_stream());
}

#[test]
fn a_body_of_nothing_that_turned_out_to_be_so_has_ended_the_second_time() {
    let (mut body, original, flow) = kept(Script::of([]), 100);
    assert!(read(&mut body).is_none());

    let again = original.again().unwrap();

    assert!(!flow.finished.get());
    assert!(again.is_end_stream() && flow.finished.get());
}

#[test]
fn a_body_that_grows_too_long_is_given_up_and_still_arrives() {
    let shared = Bytes::from(vec![b'x'; 2_000]);
    let frames = [Step::Data(shared.clone()), data("y"), data("z")];
    let (mut body, original, _) = kept(Script::of(frames), 2_001);
    read(&mut body);
    read(&mut body);
    assert!(original.is_whole() && !shared.is_unique());

    read(&mut body);

    assert!(!original.is_whole() && original.again().is_none());
    assert!(shared.is_unique(), "freed");
    assert!(read(&mut body).is_none());
}

#[test]
fn nothing_is_kept_once_nobody_can_send_it_again() {
    let shared = Bytes::from(vec![b'x'; 2_000]);
    let (mut body, original, _) = kept(Script::of([Step::Data(shared.clone()), data("y")]), 10_000);
    read(&mut body);

    drop(original);

    assert!(shared.is_unique());
    assert_eq!(rest(&mut body), b"y");
}

#[test]
fn what_is_being_sent_again_is_let_go_when_it_has_been() {
    let shared = Bytes::from(vec![b'x'; 2_000]);
    let frames = [Step::Data(shared.clone()), Step::Data(shared.clone()), data("y")];
    let (mut first, original, _) = kept(Script::sized(frames), 10_000);
    read(&mut first);
    read(&mut first);
    let mut second = original.again().unwrap();

    drop(original);

    assert_eq!(second.size_hint().exact(), Some(4_001));
    drop((read(&mut second), read(&mut second)));
    drop(first);
    assert!(shared.is_unique());
    assert_eq!(rest(&mut second), b"y");
    assert!(second.is_end_stream());
}

#[test]
fn a_body_is_finished_when_the_newest_reader_has_it_all_and_ended_when_the_first_had() {
    let (mut first, original, flow) = kept(Script::sized([large(), large()]), 10_000);
    rest(&mut first);
    let ended = flow.ended_at.get();
    assert!(flow.finished.get() && ended.is_some());

    let mut second = original.again().unwrap();

    assert!(!flow.finished.get(), "its connection may not be used again yet");
    read(&mut second);
    assert!(!flow.finished.get());
    read(&mut second);
    assert!(flow.finished.get());
    assert_eq!(flow.ended_at.get(), ended);
}

#[test]
fn trailers_pass_where_they_may_without_protected_names_and_are_sent_again() {
    let (mut first, original, flow) = kept(Script::of([data("ab"), Step::Trailers(trailers())]), 100);
    let frames = |body: &mut RequestBody<Script>| {
        read(body);
        let trailers = read(body).unwrap().unwrap().into_trailers().unwrap();
        (trailers.len(), trailers["grpc-status"].clone(), body.is_end_stream())
    };
    let told = (1, HeaderValue::from_static("0"), true);

    assert_eq!(frames(&mut first), told);
    let mut second = original.again().unwrap();

    assert_eq!(frames(&mut second), told);
    assert!(flow.finished.get() && read(&mut second).is_none());
}

#[test]
fn trailers_are_dropped_where_they_may_not_pass() {
    let (mut body, flow) = streamed(Script::of([data("ab"), Step::Trailers(trailers())]), None, false);
    let original = body.keep(100);

    assert_eq!(rest(&mut body), b"ab");
    assert_eq!(rest(&mut original.again().unwrap()), b"ab");
    assert!(flow.finished.get());
}

#[test]
fn a_body_longer_than_the_route_takes_ends_there_for_good() {
    let (mut body, flow) = streamed(Script::of([data("abc"), data("d")]), Some(3), false);
    let original = body.keep(100);
    read(&mut body);

    assert!(matches!(read(&mut body), Some(Err(Stopped::Fault(BodyFault::TooLarge)))));

    assert_eq!((flow.fault.get(), flow.finished.get()), (Some(BodyFault::TooLarge), false));
    assert!(!original.is_whole() && original.again().is_none());
}

#[test]
fn a_body_that_breaks_off_is_the_clients_fault_and_not_sent_again() {
    for most in [0, 100] {
        let (mut body, original, flow) = kept(Script::of([data("abc"), Step::Break]), most);
        read(&mut body);

        assert!(matches!(read(&mut body), Some(Err(Stopped::Fault(BodyFault::Broken)))));

        assert_eq!((flow.fault.get(), flow.finished.get()), (Some(BodyFault::Broken), false));
        assert!(original.again().is_none());
    }
}

/// Steps of a client that sends so many bytes at a time, all of them different from their neighbours.
fn steps(lengths: &[(usize, bool)]) -> Vec<Step> {
    let mut next = 0_u8;
    let mut piece = |length| {
        let bytes = (0..length).map(|_| {
            next = next.wrapping_mul(5).wrapping_add(113);
            next
        });
        Bytes::from_iter(bytes)
    };
    let steps = lengths.iter().flat_map(|(length, pauses)| {
        [Some(Step::Data(piece(*length))), pauses.then_some(Step::Pause)].into_iter().flatten()
    });
    steps.collect()
}

fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0_usize..3, 0_usize..1_500, 1_000_usize..5_000]
}

proptest! {
    #[test]
    fn wherever_it_is_cut_what_is_kept_and_the_rest_are_the_same_bytes(
        lengths in prop::collection::vec((lengths(), any::<bool>()), 0..20),
        cuts in prop::collection::vec(0_usize..20, 0..5),
        most in prop_oneof![0_u64..60_000, Just(u64::MAX)],
        sized in any::<bool>(),
    ) {
        let steps = steps(&lengths);
        let whole: Vec<u8> =
            steps.iter().filter_map(|step| if let Step::Data(data) = step { Some(data) } else { None }).flatten().copied().collect();
        let length = whole.len() as u64;
        let script = if sized { Script::sized(steps) } else { Script::of(steps) };
        let (mut body, original, flow) = kept(script, most);

        let mut read_of_it: Vec<u8> = Vec::new();
        let mut farthest = 0;
        for cut in cuts {
            for _ in 0..cut {
                let left = body.size_hint();
                prop_assert_eq!(left.exact(), sized.then(|| length - read_of_it.len() as u64));
                prop_assert!(left.lower() <= length - read_of_it.len() as u64);
                let Some(data) = read_data(&mut body) else { break };
                read_of_it.extend(data);
            }
            prop_assert!(whole.starts_with(&read_of_it));
            farthest = farthest.max(read_of_it.len() as u64);
            prop_assert_eq!(flow.bytes.get(), if sized && length == 0 { 0 } else { farthest });

            let again = original.again();

            prop_assert_eq!(again.is_some(), whole_is_kept(&body, farthest, most), "{} of {}", farthest, most);
            if let Some(again) = again {
                body = again;
                read_of_it.clear();
            }
        }
        read_of_it.extend(rest(&mut body));
        prop_assert_eq!(&read_of_it, &whole);
        prop_assert_eq!(flow.bytes.get(), length);
        prop_assert!(flow.finished.get() && flow.fault.get().is_none());
        drop(original);
        prop_assert!(read(&mut body).is_none());
    }
}

fn whole_is_kept(body: &RequestBody<Script>, farthest: u64, most: u64) -> bool {
    match body {
        RequestBody::Empty => true,
        RequestBody::Stream(_) => false,
        RequestBody::Kept(_) => farthest <= most,
    }
}
