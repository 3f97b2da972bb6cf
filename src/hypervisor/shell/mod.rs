//! What both drivers do over a plain `sh`: files, sums, processes, probes.
//!
//! Scripts are constant text for any POSIX shell, BusyBox's ash on ESXi included, and take every
//! value as `$1` …; a path that could be read as an option gets `./` in front. They answer with
//! words of their own on stdout, because the texts of tools differ between systems and languages.
//! Nothing is ever written to `/` or `/tmp`, which on ESXi are a small ramdisk.

mod block_sums;
mod changes;
mod clock;
mod extents;
mod files;
mod probes;
mod processes;
mod programs;
mod run_lock;
mod scripts;
mod sums;

pub use block_sums::{BlockSum, block_sums};
pub use changes::{
    FolderRemoval, Folders, Removed, Renamed, check_quiet, copy_sparse, make_file, make_folder,
    remove_empty_folder, remove_file, rename, set_mode,
};
pub use clock::{parse_utc, utc};
pub use extents::{data_extents, parse_data_extents};
pub use files::{
    Access, Entry, FileKind, FileStat, Found, access, entries, find, free_space, list,
    parse_free_space, parse_which, which,
};
pub use probes::{Ping, Seen, TcpAnswer, TcpTool, neighbor, ping, tcp};
pub use processes::{Trace, list_processes, stop, trace};
pub use programs::{Use, lacking, parse_lacking};
pub use run_lock::{
    LockTaken, StandingLock, break_lock, is_writable, read_lock, release_lock, take_lock,
};
pub use scripts::{Script, folded, in_short};
pub use sums::{
    Placed, Sha256, SumTool, place_file, put_file, sha256, sha256_arriving, sha256_part,
};

/// Output that is kept of a command that answers in a few lines, in bytes.
const SHORT: usize = 64 << 10;

/// A path as an operand: never mistaken for an option.
fn operand(path: &str) -> String {
    if path.starts_with('-') {
        format!("./{path}")
    } else {
        path.to_owned()
    }
}

/// The folder that holds a path.
fn parent(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/",
        Some((parent, _)) => parent,
        None => ".",
    }
}

#[cfg(test)]
mod tests;
