//! The modes: one page each, the assembly of a process, nothing else.

pub mod edge;
