//! NFS shares that a host has mounted as datastores, each version in a list of its own.

use std::collections::BTreeMap;

/// An NFS share in place of a datastore's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NfsMount {
    /// By which version of the protocol.
    pub version: NfsVersion,
    /// Mounted with `--readonly`.
    pub read_only: bool,
}

/// A version of the protocol that a host has a list of mounts of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NfsVersion {
    /// Version 3: `esxcli storage nfs`.
    V3,
    /// Version 4.1: `esxcli storage nfs41`.
    V41,
}

impl NfsVersion {
    /// As file systems of it are called.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::V3 => "NFS",
            Self::V41 => "NFS41",
        }
    }
}

/// The mounts of a host by the labels of their datastores.
pub(crate) type Mounts = BTreeMap<String, NfsMount>;
