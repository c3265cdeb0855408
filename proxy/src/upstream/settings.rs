//! What the server of an HTTP/2 connection says of itself, kept up to date by the task that drives the connection.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};
use std::time::Duration;

/// When settings that are awaited are looked at again, twice as late each time.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// Who has said nothing of extended CONNECT after the looks before this one does not take it: after a second.
const LAST_LOOK: Duration = Duration::from_millis(1024);

/// The settings of one server.
///
/// The task that sees them sleeps while there is nothing to send: whoever waits for them wakes it.
#[derive(Debug)]
pub struct Settings {
    /// Streams it allows at once.
    pub max_streams: Cell<usize>,
    /// It takes extended CONNECT (RFC 8441 §3).
    extended: Cell<bool>,
    /// It had the time to say so, and did not.
    silent: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Settings {
    /// Those of a connection that is new.
    pub fn new(max_streams: usize) -> Self {
        Self {
            max_streams: Cell::new(max_streams),
            extended: Cell::default(),
            silent: Cell::default(),
            task: RefCell::default(),
        }
    }

    /// What they are by now; said by the connection's task whenever it runs.
    pub fn note(&self, max_streams: usize, extended: bool, cx: &Context<'_>) {
        self.max_streams.set(max_streams);
        if self.extended.replace(extended) != extended {
            *self.task.borrow_mut() = None;
        }
        if !extended {
            let mut task = self.task.borrow_mut();
            if !task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *task = Some(cx.waker().clone());
            }
        }
    }

    /// Whether extended CONNECT may be sent; waits for the settings of a connection that is new.
    pub async fn take_extended_connect(&self) -> bool {
        let mut pause = FIRST_LOOK;
        while !self.extended.get() && !self.silent.get() && pause < LAST_LOOK {
            let task = self.task.borrow().clone();
            task.into_iter().for_each(Waker::wake);
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.silent.set(!self.extended.get());
        self.extended.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::Poll;

    #[tokio::test(flavor = "current_thread")]
    async fn who_waits_wakes_the_task_that_sees_the_settings_until_they_have_come() {
        let settings = Rc::new(Settings::new(100));
        let (told, mut looks) = (Rc::clone(&settings), 0);
        let local = tokio::task::LocalSet::new();
        // Sleeps after each look, as the task of a connection does.
        local.spawn_local(poll_fn(move |cx| {
            looks += 1;
            told.note(50, looks == 3, cx);
            if looks == 3 { Poll::Ready(()) } else { Poll::Pending }
        }));

        let taken = local.run_until(settings.take_extended_connect()).await;

        assert!(taken);
        assert_eq!(settings.max_streams.get(), 50);
    }

    #[test]
    fn nobody_waits_twice_for_a_server_that_is_silent() {
        let settings = Settings::new(100);
        settings.silent.set(true);
        let cx = &mut Context::from_waker(Waker::noop());

        // Waiting would panic: there is no runtime here.
        assert_eq!(pin!(settings.take_extended_connect()).poll(cx), Poll::Ready(false));
        settings.note(100, true, cx);
        assert_eq!(pin!(settings.take_extended_connect()).poll(cx), Poll::Ready(true));
    }
}
