//! `vim-cmd vmsvc/getallvms` and `solo/registervm`: what is registered on a host.
//!
//! The list is a table for people: columns are padded to their longest cell, notes go on over
//! several lines from column 0 and may hold anything, a row of this very table included. So a row
//! is only a claim: what matters is confirmed with [`summary`](super::summary) before use.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::Vmid;
use super::faults::check;
use super::summary::VmSummary;
use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, shown, unexpected};

/// The end of a row, from the path's end on: guest type and hardware version, then the note.
static ROW: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(\d{1,9})\s+(.*?\.vm(?:x|tx))\s+(\S+)\s+(vmx-\d+)(?:\s.*)?$").ok()
});
static INVALID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^Skipping invalid VM '(\d{1,9})'").ok());

/// Longest line that can be a row, in bytes; a note may be longer.
const LINE: usize = 16 << 10;

/// Lines of a table that are remembered as unread, at most.
const UNREAD: usize = 20;

/// What is registered on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The rows, in the order in which they came (the host sorts ids as text).
    pub vms: Vec<InventoryEntry>,
    /// Entries of which hostd cannot read the .vmx; registering the same file again is refused
    /// with [`DriverFault::AlreadyExists`].
    pub invalid: Vec<Vmid>,
    /// Lines that begin with an id and name a hardware version as rows do, and are no row that is
    /// understood: a note, or a row in a form that is not known. While there are any, "not registered" is not proven by this list.
    pub unread: Vec<String>,
}

/// One row of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryEntry {
    /// Its number now.
    pub vmid: Vmid,
    /// Its display name.
    pub name: String,
    /// The label of the datastore that holds its .vmx.
    pub datastore: String,
    /// The .vmx within the datastore, e.g. `sql01/sql01.vmx`.
    pub path: String,
    /// The guest's type, e.g. `centos64Guest`.
    pub guest_os: String,
    /// The hardware version, e.g. `vmx-19`.
    pub version: String,
}

impl InventoryEntry {
    /// The .vmx as a path on the host.
    #[must_use]
    pub fn vmx_path(&self) -> String {
        on_host(&self.datastore, &self.path)
    }

    /// What hostd tells of the number in this row, if it is the VM that the row claims. A line of
    /// another VM's note that looks like a row has the number of another VM, or of none.
    ///
    /// # Errors
    ///
    /// What the host answered instead.
    pub fn confirmed(
        &self,
        told: Result<VmSummary, DriverFault>,
    ) -> Result<Option<VmSummary>, DriverFault> {
        VmSummary::only_of(told, &self.datastore, &self.path)
    }
}

/// The path on the host of a file on a datastore.
#[must_use]
pub fn on_host(datastore: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    format!("/vmfs/volumes/{datastore}/{path}")
}

/// Splits `[datastore] folder/file.vmx`.
#[must_use]
pub fn split_datastore_path(text: &str) -> Option<(&str, &str)> {
    let (datastore, path) = text.strip_prefix('[')?.split_once("] ")?;
    (!path.is_empty()).then_some((datastore, path))
}

impl Inventory {
    /// Reads the reply of [`getallvms`](super::commands::getallvms).
    ///
    /// # Errors
    ///
    /// A fault of the host, or a reply without the table's heading.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        check(output)?;
        let text = output.text();
        let mut inventory = Self::default();
        let mut heading = false;
        let mut skipped = Vec::new();
        for line in text.lines() {
            if let Some(vmid) = invalid(line) {
                inventory.invalid.push(vmid);
                if !heading {
                    skipped.push(vmid);
                }
            } else if !heading {
                heading = line.starts_with("Vmid");
            } else if let Some(entry) = row(line) {
                inventory.vms.push(entry);
            } else if looks_like_a_row(line) && inventory.unread.len() < UNREAD {
                inventory.unread.push(excerpt(line));
            }
        }
        if !heading {
            return Err(unexpected("the inventory", &text));
        }
        // Which stream these come on is not documented.
        skipped.extend(output.error_text().lines().filter_map(invalid));
        inventory.invalid.extend(&skipped);
        inventory.invalid.sort_unstable();
        inventory.invalid.dedup();
        // What was skipped has no row: a line with that number is one of a note. What a note itself
        // says of skipping takes no row away.
        inventory.vms.retain(|row| !skipped.contains(&row.vmid));
        Ok(inventory)
    }

    /// The rows that claim a file, by its place on a datastore.
    pub fn claims<'a>(
        &'a self,
        datastore: &'a str,
        path: &'a str,
    ) -> impl Iterator<Item = &'a InventoryEntry> {
        self.vms
            .iter()
            .filter(move |entry| entry.datastore == datastore && entry.path == path)
    }
}

fn invalid(line: &str) -> Option<Vmid> {
    let found = INVALID.as_ref()?.captures(line.trim())?;
    found.get(1)?.as_str().parse().ok().map(Vmid)
}

fn looks_like_a_row(line: &str) -> bool {
    let digits = line.len() - line.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (1..=9).contains(&digits)
        && line
            .get(digits..)
            .is_some_and(|rest| rest.starts_with("  ") && rest.contains(" vmx-"))
}

fn row(line: &str) -> Option<InventoryEntry> {
    if line.len() > LINE {
        return None;
    }
    let found = ROW.as_ref()?.captures(line)?;
    let cells = found.get(2)?.as_str();
    let (name, datastore, path) = split_name(cells)?;
    Some(InventoryEntry {
        vmid: Vmid(found.get(1)?.as_str().parse().ok()?),
        name: shown(name),
        datastore: datastore.to_owned(),
        path: path.to_owned(),
        guest_os: found.get(3)?.as_str().to_owned(),
        version: found.get(4)?.as_str().to_owned(),
    })
}

/// Splits `name   [datastore] path`. Names and folders may hold brackets themselves; columns are
/// three blanks apart on a host, so a bracket after three blanks wins, else the first after one.
fn split_name(cells: &str) -> Option<(&str, &str, &str)> {
    let candidates: Vec<_> = cells
        .match_indices('[')
        .filter_map(|(at, _)| {
            let (before, rest) = cells.split_at(at);
            let (datastore, path) = split_datastore_path(rest)?;
            before
                .ends_with([' ', '\t'])
                .then_some((before, datastore, path))
        })
        .collect();
    let apart = candidates
        .iter()
        .find(|(before, ..)| before.ends_with("   "));
    let (before, datastore, path) = apart.or(candidates.first())?;
    let name = before.trim();
    (!name.is_empty()).then_some((name, *datastore, *path))
}

/// What `registervm` said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The new entry's id.
    As(Vmid),
    /// It succeeded and printed nothing (seen on 4.x): look the file up in the inventory.
    LookItUp,
}

impl Registered {
    /// Reads the reply of [`register`](super::commands::register).
    ///
    /// # Errors
    ///
    /// [`DriverFault::AlreadyExists`] with the existing id, [`DriverFault::NotFound`] where the
    /// .vmx is not there, any other fault of the host.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        check(output)?;
        let text = output.text();
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::LookItUp);
        }
        let id = if text.len() <= 9 {
            text.parse().ok()
        } else {
            None
        };
        id.map(|id| Self::As(Vmid(id)))
            .ok_or_else(|| unexpected("the new VM's id", text))
    }
}

#[cfg(test)]
mod tests;
