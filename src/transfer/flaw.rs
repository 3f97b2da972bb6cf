//! What may be wrong with a restore point.

use super::sums::SumsError;

/// Why a restore point cannot be used. `Display` is a lower-case fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Nothing says which files belong to it.
    #[error("it has no SHA256SUMS (is the backup still being written?)")]
    NoSums,
    /// What should say so cannot be read.
    #[error("{0}")]
    BadSums(SumsError),
    /// A named file is not there.
    #[error("{name} is named in SHA256SUMS but is not in the folder")]
    Missing {
        /// Which file.
        name: String,
    },
    /// A named file lies in an earlier point.
    #[error("{name} lies in an earlier point: increments cannot be restored in this version")]
    Elsewhere {
        /// Which file.
        name: String,
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
        /// Which file.
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
    #[error("{needed_by} needs {name}, which the point does not hold")]
    Needs {
        /// Who.
        needed_by: String,
        /// What.
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
    /// Not enough to have the VM.
    #[error("{name} points to a device of the other site: its data is not in the backup")]
    PointsToDevice {
        /// Which descriptor.
        name: String,
    },
}
