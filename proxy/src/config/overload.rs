//! `overload:`: what a process does when it gets more than it can carry.

/// When to shed load. Shedding comes before anything that costs: TLS facts are there, nothing else is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overload {
    /// Most requests at once in the whole process; `None` = no bound.
    pub concurrent: Option<u32>,
    /// The ladder of memory; `None` = not watched.
    pub memory: Option<Memory>,
    /// Whether a worker that falls behind refuses a growing share of new requests with 503. Off by default: a machine
    /// that others keep busy makes it late too.
    pub shed_when_behind: bool,
}

/// The ladder of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes there are; `None` = what the cgroup allows, or else the machine has.
    pub limit: Option<u64>,
    /// From here on clients are asked to leave (GOAWAY, `Connection: close`), in per cent. Default 92.
    pub leave_at: u8,
    /// From here on requests are refused with 503, in per cent. Default 95.
    pub refuse_at: u8,
}

impl Default for Overload {
    fn default() -> Self {
        Self { concurrent: None, memory: Some(Memory::default()), shed_when_behind: false }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self { limit: None, leave_at: 92, refuse_at: 95 }
    }
}
