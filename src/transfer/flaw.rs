//! What may be wrong with a restore point.

use super::sums::{Sum, SumsError};
use crate::host::HostCommand;

/// What the file of a disk is that bears the name of data and holds data: its end, in words.
pub(super) const NO_DESCRIPTOR: &str = "no disk descriptor of at most 64 KiB";

/// Why a restore point cannot be used. `Display` is a lower-case fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A restore from it found files with other sums than the recorded ones.
    #[error("a restore from it proved {0} corrupt")]
    Proven(String),
    /// Its folder could not be looked into.
    #[error("its folder cannot be read: {0}")]
    Closed(String),
    /// Nothing says which files belong to it.
    #[error("it has no SHA256SUMS (is the backup still being written?)")]
    NoSums,
    /// What should say so cannot be read.
    #[error("{0}")]
    BadSums(SumsError),
    /// ghettoVCB says when it is done, and has not.
    #[error(
        "it has no STATUS.ok: ghettoVCB has not finished it, or gave up (if it was unpacked from its .gz, lay that beside it)"
    )]
    NoStatus,
    /// ghettoVCB says that the backup went wrong.
    #[error("ghettoVCB reported in STATUS.error: {0}")]
    Reported(String),
    /// The whole point is one compressed file.
    #[error(
        "it is packed in one file: unpack it where it lies ({}), keep that file, and take the folder that comes out",
        unpack(.0)
    )]
    Packed(String),
    /// Its folder is somewhere else.
    #[error(
        "it is a link, and links are not followed: move the folder that it leads to here, or have the backup's path lead there"
    )]
    Link,
    /// A named file is nowhere.
    #[error(
        "{name} (sum {}…) is named in SHA256SUMS but is not in the folder{looked}",
        short(sum)
    )]
    Missing {
        /// Which file.
        name: String,
        /// As recorded.
        sum: Sum,
        /// Where else it was looked for, in words; empty where there is nowhere else.
        looked: String,
    },
    /// A name that is a folder, a link or a device.
    #[error("{name} is not a plain file")]
    NotAFile {
        /// Which file.
        name: String,
    },
    /// A disk's data is shorter or longer than its descriptor says.
    #[error("{name} is {} than its descriptor says: {has} bytes, not {needs}", if has < needs { "shorter" } else { "longer" })]
    WrongSize {
        /// Which file.
        name: String,
        /// Its size in bytes.
        has: u64,
        /// Its size in bytes after the descriptor.
        needs: u64,
    },
    /// A small file, which was read, is not the one that was recorded.
    #[error("{name} has changed since the backup: its sum is not the recorded one")]
    SumMismatch {
        /// Which file, with the point that it lies in where that is another one.
        name: String,
    },
    /// Not exactly one configuration.
    #[error("{}", if names.is_empty() { "it has no .vmx".to_owned() } else { format!("it has several .vmx files: {}", names.join(", ")) })]
    NotOneVmx {
        /// What there is.
        names: Vec<String>,
    },
    /// A text file that makes no sense.
    #[error("{name} cannot be read: {why}")]
    Unreadable {
        /// Which file.
        name: String,
        /// The reader's own words.
        why: String,
    },
    /// Something that the VM needs is not part of the point.
    #[error("{needed_by} needs {name}, which the point does not hold{why}")]
    Needs {
        /// Who.
        needed_by: String,
        /// What.
        name: String,
        /// What may have become of it, in words; empty where nothing is known.
        why: String,
    },
    /// Two disks of the VM were put into one place.
    #[error("{name} may be one or the other of two disks of the VM, {disks}: nothing tells which")]
    OneForTwo {
        /// Which descriptor.
        name: String,
        /// Both, with their slots.
        disks: String,
    },
    /// Something that the VM needs is there, but nothing tells whether it is the right one.
    #[error("{needed_by} needs {name}, which SHA256SUMS does not name (is it torn?)")]
    Unlisted {
        /// Who.
        needed_by: String,
        /// What.
        name: String,
    },
    /// A snapshot that does not say which disk is below it.
    #[error("{name} is a snapshot and does not say of which disk")]
    NoParent {
        /// Which descriptor.
        name: String,
    },
    /// A snapshot of another state of the disk below it.
    #[error(
        "{name} is a snapshot of {parent} with content id {wants:08x}, but that one has {}: the chain is broken there",
        has.map_or_else(|| "none".to_owned(), |has| format!("{has:08x}"))
    )]
    OtherParent {
        /// Which descriptor.
        name: String,
        /// The one below it.
        parent: String,
        /// `parentCID` of the first.
        wants: u32,
        /// `CID` of the other.
        has: Option<u32>,
    },
    /// Snapshots that are each below the other.
    #[error("{name} is a snapshot of itself")]
    Circle {
        /// Which descriptor.
        name: String,
    },
    /// A disk that an ESXi host can neither run nor make one of its own kind of.
    #[error(
        "{name} is of the type {create_type}, which an ESXi host cannot run, and cannot convert as it is"
    )]
    NotRunnable {
        /// Which descriptor.
        name: String,
        /// As the descriptor says.
        create_type: String,
    },
    /// A snapshot in the form of Workstation, Fusion or Server: a host could only convert it, and
    /// then it would be a snapshot no more.
    #[error(
        "{name} is a snapshot of the type {create_type}, which no ESXi host runs: where the VM comes from, delete its snapshots or make one disk of the chain (vmware-vdiskmanager -r {name} -t 0 …), and back it up anew"
    )]
    HostedSnapshot {
        /// Which descriptor.
        name: String,
        /// As the descriptor says.
        create_type: String,
    },
    /// A disk that would have to be converted, below a snapshot that then no longer fits it.
    #[error(
        "{name} is of the type {create_type}, which an ESXi host must convert, but {snapshot} is a snapshot of it and would no longer fit it: delete the snapshot where the VM comes from, and back it up anew"
    )]
    HostedBelow {
        /// Which descriptor.
        name: String,
        /// As it says.
        create_type: String,
        /// The descriptor above it.
        snapshot: String,
    },
    /// Not enough to have the VM.
    #[error("{name} points to a device of the other site: its data is not in the backup")]
    PointsToDevice {
        /// Which descriptor.
        name: String,
    },
}

/// The command that unpacks an archive, for a shell.
fn unpack(name: &str) -> String {
    HostCommand::read(["tar", "-xzf", name]).line()
}

/// Enough of a sum to find it in a `SHA256SUMS`.
pub(super) fn short(sum: &Sum) -> String {
    sum.to_string().chars().take(12).collect()
}
