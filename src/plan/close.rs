//! What the steps do by which a run is ended. They follow from what the run did, so they name
//! things as the hosts do.

use strum::IntoStaticStr;

use super::fingerprint::Words;
use crate::names::{HostName, VmName};

/// A file of before the run, and where it lies now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its name before.
    pub path: String,
    /// Its name now.
    pub aside: String,
    /// Its size when it was renamed, where that was noted.
    pub bytes: Option<u64>,
}

/// A file that a run placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacedFile {
    /// Where.
    pub path: String,
    /// Its size when it was proven, where that was noted.
    pub bytes: Option<u64>,
    /// The name that it had before, where nothing says that its rename took effect: it did if
    /// nothing bears that name any more.
    pub part: Option<String>,
}

/// What a run placed in one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The folder.
    pub folder: String,
    /// The run made it, so that whatever a VM leaves in it came by the run's VM.
    pub made: bool,
    /// The files that the run placed.
    pub files: Vec<PlacedFile>,
    /// The VM has run from them, and what it wrote may be nowhere else: its name is typed.
    pub typed: bool,
}

/// What a step does that ends a run. A variant's name is its verb.
#[derive(Clone, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Close {
    /// Shows what is about to happen, for somebody to agree to.
    Agree {
        /// The question.
        question: String,
        /// What it is about, a thing a line.
        lines: Vec<String>,
    },
    /// Stops a VM that the run started.
    Stop {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Its .vmx.
        vmx: String,
    },
    /// Takes a VM that the run registered out of the inventory.
    Unregister {
        /// Which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Its .vmx.
        vmx: String,
    },
    /// Gives files of before the run their names back.
    NamesBack {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Which.
        originals: Vec<Aside>,
    },
    /// Puts the autostart entry back that the run took away.
    AutostartBack {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Its .vmx.
        vmx: String,
    },
    /// Removes what the run placed, each file by its name.
    RemoveFiles {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// What.
        placed: Placed,
    },
    /// Leaves a drill's folder with its disks, once no VM is registered from it.
    KeepDisks {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Which.
        folder: String,
    },
    /// Removes port groups and virtual switches that the run made.
    RemoveNetworks {
        /// Where.
        host: HostName,
        /// Port groups, each with its switch.
        groups: Vec<(String, String)>,
        /// Switches.
        switches: Vec<String>,
    },
    /// Deletes the files of before the run, which are not needed any more.
    RemoveOriginals {
        /// Of which VM.
        vm: VmName,
        /// Where.
        host: HostName,
        /// Which.
        originals: Vec<Aside>,
    },
}

impl Close {
    /// The verb, as in step ids.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.into()
    }

    /// The VM it acts on.
    #[must_use]
    pub fn vm(&self) -> Option<&VmName> {
        match self {
            Self::Stop { vm, .. }
            | Self::Unregister { vm, .. }
            | Self::NamesBack { vm, .. }
            | Self::AutostartBack { vm, .. }
            | Self::RemoveFiles { vm, .. }
            | Self::KeepDisks { vm, .. }
            | Self::RemoveOriginals { vm, .. } => Some(vm),
            Self::Agree { .. } | Self::RemoveNetworks { .. } => None,
        }
    }

    /// The host it acts on.
    #[must_use]
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Stop { host, .. }
            | Self::Unregister { host, .. }
            | Self::NamesBack { host, .. }
            | Self::AutostartBack { host, .. }
            | Self::RemoveFiles { host, .. }
            | Self::KeepDisks { host, .. }
            | Self::RemoveNetworks { host, .. }
            | Self::RemoveOriginals { host, .. } => Some(host),
            Self::Agree { .. } => None,
        }
    }

    pub(super) fn sum(&self, sum: &mut Words) {
        if let Some(host) = self.host() {
            sum.word(host.as_str());
        }
        match self {
            // What is told beside the question is worded anew by each version.
            Self::Agree { question, .. } => sum.word(question),
            Self::Stop { vmx, .. }
            | Self::Unregister { vmx, .. }
            | Self::AutostartBack { vmx, .. } => sum.word(vmx),
            Self::NamesBack { originals, .. } | Self::RemoveOriginals { originals, .. } => {
                for Aside { path, aside, bytes } in originals {
                    sum.words(&[path.clone(), aside.clone(), format!("{bytes:?}")]);
                }
            }
            Self::RemoveFiles { placed, .. } => {
                sum.word(&placed.folder);
                // Sizes come from the same lines of the journal as the paths.
                let paths: Vec<String> =
                    placed.files.iter().map(|file| file.path.clone()).collect();
                sum.words(&paths);
                for PlacedFile { part, .. } in &placed.files {
                    if let Some(part) = part {
                        sum.word(part);
                    }
                }
                sum.count(usize::from(placed.made) + 2 * usize::from(placed.typed));
            }
            Self::KeepDisks { folder, .. } => sum.word(folder),
            Self::RemoveNetworks {
                groups, switches, ..
            } => {
                for (group, switch) in groups {
                    sum.words(&[group.clone(), switch.clone()]);
                }
                sum.words(switches);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ending that was begun goes on by the plan that it was agreed to.
    #[test]
    fn what_is_noted_of_placed_files_beside_their_names_changes_no_plan() {
        let sum = |bytes, part: Option<&str>| {
            let file = |path: &str| PlacedFile {
                path: path.to_owned(),
                bytes,
                part: part.map(str::to_owned),
            };
            let placed = Placed {
                files: vec![file("/a/x"), file("/a/y")],
                ..Placed::default()
            };
            let (vm, host) = ("sql01".into(), "lee-esx1".into());
            let mut sum = Words::default();
            Close::RemoveFiles { vm, host, placed }.sum(&mut sum);
            sum.finish()
        };
        assert_eq!(sum(None, None), sum(Some(5), None));
        assert_ne!(sum(None, None), sum(None, Some("/a/x-part")));
    }
}
