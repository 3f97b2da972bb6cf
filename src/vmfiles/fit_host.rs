//! What must change in a `.vmx` before another host can run the VM: pure, from the file and from
//! what is known of that host and of the VM's folder there, to a list of changes with their reasons.
//!
//! The rules stand in `fit_files` (paths, drives, ports), `fit_hardware` (version, devices,
//! addresses) and, for a drill, `fit_drill` (whatever would share something with production). None touches a line without a reason that it can name, a second pass finds nothing,
//! and nothing here takes a disk away: what can't be mended is an [`Obstacle`] for a person.
//!
//! Two things are left to their own places: port groups, MAC policy and `uuid.action` to
//! [`fit_adapters`](super::fit_adapters) and [`fit_identity`](super::fit_identity); `ctkEnabled`
//! stays as it is, because a host makes a missing map of changed blocks anew. Settings that a host
//! writes into every file (`vmotion.checkpointFBSize`, `migrate.encryptionMode` …) harm nobody and
//! stay too.

use super::vmx::{Change, Vmx, VmxError};
use super::{fit_drill, fit_files, fit_hardware};

/// What is known of the host that is to run the VM, and of the VM's folder there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The host's name, for people.
    pub host: String,
    /// Names of the files beside the `.vmx`.
    pub folder: Vec<String>,
    /// Those of them that came with the VM's files.
    pub brought: Vec<String>,
    /// Those of [`Vmx::outside_paths`] that the host has, spelled as there.
    pub there: Vec<String>,
    /// Disks beside the `.vmx` that only point to a device of a host (raw device mappings).
    pub pointers: Vec<String>,
    /// The newest virtual hardware that the host can run; `None` where that is not known.
    pub newest_hardware: Option<u32>,
    /// The VM comes from another host, whose devices it can't reach any more.
    pub came: bool,
    /// What a drill makes of it, so that it shares nothing with production.
    pub apart: Option<Apart>,
}

/// What a drill makes of a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Its name in the host's inventory.
    pub name: String,
    /// Its folder, which no other VM has: what is written as a path into it is its own.
    pub folder: String,
    /// The port groups of its adapters.
    pub groups: Vec<(String, String)>,
    /// The port group of adapters that nobody named; they start unplugged.
    pub spare: String,
}

/// Why a change is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Without it the host would refuse the VM, or stop at a question, or something would be harmed.
    Must,
    /// Something left over that misleads.
    Should,
}

/// One key that has to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The key with its values; an `after` of `None` takes the line out.
    pub change: Change,
    /// How much depends on it.
    pub severity: Severity,
    /// Why, for people, as a sentence without a full stop. Changes of one device share it.
    pub why: String,
}

/// Something that only a person can mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What is wrong, as the end of `the .vmx of sql01 does not fit lee-esx1: …`.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

/// What [`fit_to_host`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitting {
    /// What has to change, the most important first.
    pub fixes: Vec<Fix>,
    /// What stands in the way whatever is changed.
    pub obstacles: Vec<Obstacle>,
}

impl Fitting {
    /// The file with every change made, all other bytes as they were.
    ///
    /// # Errors
    /// A key stands more than once, or the file's encoding has no place for a value.
    pub fn apply(&self, vmx: &Vmx) -> Result<Vmx, VmxError> {
        let mut edited = vmx.clone();
        for Fix { change, .. } in &self.fixes {
            match &change.after {
                Some(value) => {
                    edited.set(&change.key, value)?;
                }
                None => {
                    edited.remove(&change.key);
                }
            }
        }
        Ok(edited)
    }
}

/// Finds what has to change in a `.vmx` before a host with these surroundings can run the VM.
#[must_use]
pub fn fit_to_host(vmx: &Vmx, around: &Surroundings) -> Fitting {
    let mut draft = Draft {
        vmx,
        around,
        fitting: Fitting::default(),
    };
    if vmx.is_encrypted() {
        draft.obstacle(
            "it is encrypted, so it can neither be read nor changed".into(),
            "give that host the lost site's key provider, register and start the VM in the host's own \
             client, and mark the step as done by hand; or restore an unencrypted point",
        );
        return draft.fitting;
    }
    fit_hardware::all(&mut draft);
    fit_files::all(&mut draft);
    if let Some(apart) = &around.apart {
        fit_drill::all(&mut draft, apart);
    }
    let mut fitting = draft.fitting;
    // Stable: changes of one device stay together.
    fitting.fixes.sort_by_key(|fix| fix.severity);
    fitting
}

/// A fitting in the making.
pub(super) struct Draft<'a> {
    pub(super) vmx: &'a Vmx,
    pub(super) around: &'a Surroundings,
    fitting: Fitting,
}

impl Draft<'_> {
    /// Gives a key a value, unless it has it.
    pub(super) fn set(&mut self, key: &str, value: &str, severity: Severity, why: &str) {
        self.change(key, Some(value.to_owned()), severity, why);
    }

    /// Takes a key out, if it is there.
    pub(super) fn remove(&mut self, key: &str, severity: Severity, why: &str) {
        self.change(key, None, severity, why);
    }

    /// Names what no change can mend.
    pub(super) fn obstacle(&mut self, what: String, next: &str) {
        let next = next.to_owned();
        self.fitting.obstacles.push(Obstacle { what, next });
    }

    /// Whether a key has been given another value, or taken out.
    pub(super) fn is_changed(&self, key: &str) -> bool {
        let mut changes = self.fitting.fixes.iter().map(|fix| &fix.change.key);
        changes.any(|its| its.eq_ignore_ascii_case(key))
    }

    fn change(&mut self, key: &str, after: Option<String>, severity: Severity, why: &str) {
        let before = self.vmx.get(key);
        if before == after {
            return;
        }
        let keys = self.vmx.keys();
        let written = keys.iter().find(|its| its.eq_ignore_ascii_case(key));
        let key = written.map_or(key, |its| *its).to_owned();
        let same = |fix: &&mut Fix| fix.change.key.eq_ignore_ascii_case(&key);
        // A drill's rule says more about a key than one before it: the last word counts.
        if let Some(fix) = self.fitting.fixes.iter_mut().find(same) {
            fix.change.after = after;
            fix.severity = severity;
            why.clone_into(&mut fix.why);
            return;
        }
        self.fitting.fixes.push(Fix {
            change: Change { key, before, after },
            severity,
            why: why.to_owned(),
        });
    }
}
