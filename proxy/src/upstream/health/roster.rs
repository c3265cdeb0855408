//! Who is to be checked, and when. Pure.
//!
//! | an endpoint | and | becomes |
//! |--|--|--|
//! | is not there | it is listed | due |
//! | due | its time has come and it is taken, the one that waits longest first | in flight |
//! | in flight | its check has ended | due |
//! | due, in flight | it is listed no more | not there; what its check still says counts for nothing |
//!
//! Taking the one that waits longest: when there are more endpoints than can be asked in an interval, all are asked less
//! often, and none is left out. Must not know: what is asked, and what is known of an endpoint besides (`T`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Instant;

/// Marks one stay of an endpoint in the list: who leaves and comes back is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

#[derive(Debug)]
struct Entry<T> {
    ticket: Ticket,
    /// `None`: its check is in flight.
    due: Option<Instant>,
    known: T,
}

/// All endpoints of a service.
#[derive(Debug)]
pub(super) struct Roster<T> {
    entries: HashMap<SocketAddr, Entry<T>>,
    queue: BTreeMap<(Instant, Ticket), SocketAddr>,
    tickets: u64,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), queue: BTreeMap::new(), tickets: 0 }
    }
}

impl<T> Roster<T> {
    /// Takes the list over. `new` says of one that was not there when it is due first, and what is known of it. What was
    /// known of those that are gone.
    pub(super) fn follow(
        &mut self,
        listed: impl Iterator<Item = SocketAddr>,
        mut new: impl FnMut(SocketAddr) -> (Instant, T),
    ) -> Vec<T> {
        let listed: HashSet<SocketAddr> = listed.collect();
        let gone = self.entries.extract_if(|address, _| !listed.contains(address));
        let gone: Vec<Entry<T>> = gone.map(|(_, entry)| entry).collect();
        for entry in &gone {
            entry.due.map(|due| self.queue.remove(&(due, entry.ticket)));
        }
        for address in listed {
            if self.entries.contains_key(&address) {
                continue;
            }
            let (due, known) = new(address);
            let ticket = Ticket(self.tickets);
            self.tickets += 1;
            self.queue.insert((due, ticket), address);
            self.entries.insert(address, Entry { ticket, due: Some(due), known });
        }
        gone.into_iter().map(|entry| entry.known).collect()
    }

    /// When the next one is due; `None`: all are in flight.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes one whose time has come.
    pub(super) fn take(&mut self, now: Instant) -> Option<(SocketAddr, Ticket)> {
        let first = self.queue.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, ticket), address) = first.remove_entry();
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.due = None;
        }
        Some((address, ticket))
    }

    /// Its check has ended, it is due again then. What is known of it; `None`: it has gone meanwhile.
    pub(super) fn ended(
        &mut self,
        (address, ticket): (SocketAddr, Ticket),
        again: Instant,
    ) -> Option<&mut T> {
        let entry = self.entries.get_mut(&address).filter(|entry| entry.ticket == ticket)?;
        if let Some(before) = entry.due.replace(again) {
            self.queue.remove(&(before, ticket));
        }
        self.queue.insert((again, ticket), address);
        Some(&mut entry.known)
    }
}

#[cfg(test)]
#[path = "roster_tests.rs"]
mod tests;
