//! Transfers against OpenSSH's server on loopback, over links that drop and runs that crash.

mod arriving;
mod cloning;
mod converting;
mod following;
mod interrupted;
mod looking;
mod patching;
mod printed;
mod relaying;
mod seeding;
mod simulated;
mod site;
mod together;
mod unrecorded;
mod ways;
mod without_sftp;

/// Names of VMs that make their disks' own files end as a disk's data does.
pub(super) const LIKE_DATA: [&str; 6] = [
    "db-s001",
    "db-f012",
    "db-flat",
    "db-delta",
    "db-sesparse",
    "db-ctk",
];
