//! The judges: each reads what was seen and says what speaks against the task. Pure.
//!
//! What was not told is never taken for good or bad by the judge of the thing itself: one judge
//! ([`reach`]) names every answer that is missing, host by host.

mod backups;
mod configuration;
mod disks;
mod home_hardware;
mod homes;
mod homing;
mod hosts;
mod identities;
mod leftovers;
mod memory;
mod networks;
mod reach;
mod rehearsal;
mod room;
mod standing;
mod stores;

pub(super) use identities::identities;

use super::finding::Finding;
use super::seen::Seen;
use super::task::Task;

/// One judge.
type Judge = fn(&Task, &Seen) -> Vec<Finding>;

const JUDGES: [Judge; 16] = [
    reach::judge,
    hosts::judge,
    stores::judge,
    room::judge,
    memory::judge,
    networks::judge,
    backups::judge,
    configuration::judge,
    identities::judge,
    homes::judge,
    homing::judge,
    home_hardware::judge,
    disks::judge,
    leftovers::judge,
    standing::judge,
    rehearsal::judge,
];

/// Everything that was found, the worst first.
#[must_use]
pub fn judge(task: &Task, seen: &Seen) -> Vec<Finding> {
    let mut findings: Vec<Finding> = JUDGES.iter().flat_map(|judge| judge(task, seen)).collect();
    findings.sort_by(Finding::order);
    findings
}
