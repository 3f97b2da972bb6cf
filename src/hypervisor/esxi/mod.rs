//! ESXi 5 to 8, driven through `vim-cmd`, `esxcli` and `vmkfstools` over SSH.
//!
//! [`commands`] has a constructor for every command line; each topic's module has the parser of
//! its reply. Rules that hold for all of them: [`faults`].

pub mod autostart;
pub mod commands;
pub mod devices;
pub mod faults;
pub mod guest;
pub mod host_summary;
pub mod identity;
pub mod inventory;
pub mod joined;
pub mod licence;
pub mod locks;
pub mod network;
pub mod nfs;
pub mod power;
pub mod process;
pub mod question;
pub mod replica;
pub mod storage;
pub mod summary;
pub mod table;
pub mod tasks;
pub mod uuid;
pub mod value;
pub mod version;
pub mod vm_inventory;
pub mod vmkfstools;
pub mod vmx_lines;

use std::fmt;

/// A VM's number in one host's inventory. It changes with every registration and means another VM
/// on another host, so it is looked up right before each use and never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vmid(pub u32);

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod corpus_tests;

#[cfg(test)]
mod bounds_tests;
