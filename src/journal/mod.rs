//! The journal: one line of JSON for each fact, chained by hashes, synced before anything acts on it.
mod intent;

pub use intent::Intent;
