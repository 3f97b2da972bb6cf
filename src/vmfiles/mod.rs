//! The text files of a virtual machine: `.vmx`, `.vmdk` descriptors, `.vmsd`. Pure.
//!
//! A [`Vmx`] is a document, not a map: what is not edited is written back byte for byte, whatever
//! its encoding, line ends, comments, case, order and oddities, because a configuration that comes
//! back slightly different at 03:00 is a second disaster. Nothing here reads or writes a file.

mod devices;
mod dictionary;
mod fit;
mod fit_drill;
mod fit_files;
mod fit_hardware;
mod fit_host;
mod kinds;
mod renaming;
mod sparse;
mod text;
mod vmdk;
mod vmsd;
mod vmx;

#[cfg(test)]
pub(crate) mod images;
#[cfg(test)]
mod tests;

pub use devices::{Adapter, DeviceKind, Disk};
pub use fit::{AdapterFit, FitError, Fitted, fit_adapters, fit_identity};
pub use fit_files::{path_on_host, plain_path};
pub use fit_host::{Apart, Fitting, Fix, Obstacle, Severity, Surroundings, fit_to_host};
pub use kinds::{FileKind, LeftBehind, is_flat, mapped_disk, snapshot_of};
pub use sparse::{SparseError, SparseHeader};
pub use vmdk::{Access, Descriptor, DescriptorError, Extent, Runnable};
pub use vmsd::{Snapshot, Vmsd};
pub use vmx::{Change, Vmx, VmxError, diff};

/// Largest text file that is looked at, in bytes. Real ones have a few thousand.
pub const MAX_TEXT: usize = 1 << 20;
