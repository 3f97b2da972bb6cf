//! The journal: one line of JSON for each fact, chained by hashes, synced before anything acts on it.
//!
//! [`Journal`] is the one writer of a run, [`read`] is for everybody else, and [`Store`] knows the
//! folder in which runs lie.

mod error;
mod holder;
#[cfg(test)]
pub(crate) mod in_memory;
mod intent;
mod line;
mod reader;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{JournalError, StoreError};
pub use holder::Holder;
pub use intent::Intent;
pub use line::ZERO_HASH;
pub use reader::{Follower, LineProblem, ReadJournal, read};
pub(crate) use store::write_private;
pub use store::{Ending, RunFolder, RunSummary, SITE, Store};
pub use writer::{Journal, held_by};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;
/// The journal's name in a run's folder.
pub const FILE_NAME: &str = "journal.jsonl";
