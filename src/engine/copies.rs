//! A VM's own files, copied while it is off: the copy counts for as long as the VM has not run where
//! they came from.

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::names::VmName;

/// A file of a VM that is off, by what a host changes when it runs the VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestingFile {
    /// Its name in the VM's folder.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// When its data changed, in seconds since 1970 UTC by the host's clock.
    pub modified: i64,
}

/// Whether what a run copied of a VM's own files is all that the VM wrote there, as far as is known: `facts`
/// are the run's, oldest first. What was restored from a backup counts whatever the VM does.
#[must_use]
pub fn copy_counts<'a>(vm: &VmName, facts: impl IntoIterator<Item = &'a Fact>) -> bool {
    let mut counts = true;
    for fact in facts {
        match fact {
            Fact::CopyBegan { vm: of, .. } | Fact::RanSinceCopied { vm: of, .. } if of == vm => {
                counts = false;
            }
            Fact::CopiedAtRest { vm: of, .. } | Fact::PointChosen { vm: of, .. } if of == vm => {
                counts = true;
            }
            _ => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_counts_until_its_vm_has_run_where_it_came_from() {
        let (vm, host) = (VmName::from("sql01"), "lee-esx1");
        let began = Fact::CopyBegan {
            vm: vm.clone(),
            host: host.into(),
        };
        let rested = Fact::CopiedAtRest {
            vm: vm.clone(),
            host: host.into(),
            folder: "/vmfs/volumes/ds/sql01".to_owned(),
            files: Vec::new(),
        };
        let ran = Fact::RanSinceCopied {
            vm: vm.clone(),
            host: host.into(),
            seen: "it runs".to_owned(),
        };
        let stories: [(&[&Fact], bool); 5] = [
            (&[], true),
            (&[&began], false),
            (&[&began, &rested], true),
            (&[&began, &rested, &ran], false),
            (&[&began, &rested, &ran, &began, &rested], true),
        ];
        for (facts, counts) in stories {
            assert_eq!(copy_counts(&vm, facts.iter().copied()), counts, "{facts:?}");
            assert!(copy_counts(&"web01".into(), facts.iter().copied()));
        }
    }
}
