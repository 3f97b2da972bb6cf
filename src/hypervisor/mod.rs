//! The drivers: typed operations to command lines, what a host printed to values.
//!
//! Every operation is a pair of pure functions: a constructor that gives the
//! [`HostCommand`](crate::host::HostCommand), and a parser that reads its
//! [`Output`](crate::host::Output). Whoever asks sends the one
//! and reads the other; writes are sent by the actions, which hold the intents. A reply never turns
//! anything green by itself: exit statuses and texts are only hints, the state is read again
//! afterwards.
//!
//! [`shell`] is the driver of posix hosts, and what ESXi has in common with them: files, sums,
//! processes and probes over a plain `sh`.

mod fault;
mod reply;

pub mod esxi;
pub mod shell;

pub use fault::DriverFault;

#[cfg(test)]
mod driver_tests;
