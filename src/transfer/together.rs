//! What the files of a VM are called where all of them come into one folder. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::survey::stem;
use crate::vmfiles::{Descriptor, Vmx, VmxError};

/// A file by its folder, as a host knows it, and its name there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) folder: String,
    pub(super) name: String,
}

/// A disk, and where its texts lead.
pub(super) struct Found {
    /// The descriptor, then the files that hold its data.
    pub(super) files: Vec<Place>,
    /// The files that its descriptor names, by how it does.
    pub(super) names: BTreeMap<String, Place>,
}

impl Found {
    /// What its descriptor has to call a file that it names; `None` where that stays.
    fn name(&self, names: &BTreeMap<Place, String>, written: &str) -> Option<String> {
        let (old, new) = self.stems(names);
        match self.names.get(written) {
            Some(place) => names.get(place).cloned(),
            // The map of changed blocks stays behind, and must not be another disk's.
            None if old != new => {
                let name = written.rsplit('/').next()?;
                Some(match name.strip_prefix(old) {
                    Some(rest) => format!("{new}{rest}"),
                    None => format!("{new}-{name}"),
                })
            }
            None => None,
        }
    }

    /// What the name of its descriptor begins with, and will.
    fn stems<'a>(&'a self, names: &'a BTreeMap<Place, String>) -> (&'a str, &'a str) {
        let at = self.files.first();
        let new = at.and_then(|at| names.get(at));
        let old = at.map_or("", |at| stem(&at.name));
        (old, new.map_or(old, |name| stem(name)))
    }

    /// Whether its descriptor has to change, because something that it names gets another name.
    fn changes(&self, names: &BTreeMap<Place, String>) -> bool {
        let (old, new) = self.stems(names);
        let mut written = self.names.keys();
        old != new || written.any(|written| self.name(names, written).as_ref() != Some(written))
    }

    /// The text of its descriptor with those names, where that changes; `is_whole` where `text` is all
    /// of its file, and not the beginning of data. The error says what is the matter with that file.
    pub(super) fn new_text(
        &self,
        names: &BTreeMap<Place, String>,
        text: &[u8],
        is_whole: bool,
    ) -> Result<Option<Vec<u8>>, String> {
        if !self.changes(names) {
            return Ok(None);
        }
        if !is_whole || Descriptor::parse(text).is_ok_and(|disk| disk.embedded) {
            return Err(
                "names files that get other names, and its descriptor stands within its data"
                    .to_owned(),
            );
        }
        let new = Descriptor::renamed(text, |written| self.name(names, written));
        new.map(Some).map_err(|why| unwritable(&why))
    }
}

/// What is the matter with a text that does not take the names that disks get.
pub(super) fn unwritable(why: &VmxError) -> String {
    format!("cannot be given the new names of its disks: {why}")
}

/// The `.vmx` with its disks by the names that they get, and those names by slot.
pub(super) fn renamed_vmx(
    vmx: &Vmx,
    leads: impl Fn(&str) -> Option<String>,
) -> Result<(Vmx, BTreeMap<String, String>), VmxError> {
    let (mut new, mut slots) = (vmx.clone(), BTreeMap::new());
    for disk in vmx.hard_disks() {
        if let Some(name) = leads(&disk.file) {
            new.set(&format!("{}.fileName", disk.device), &name)?;
            slots.insert(disk.device, name);
        }
    }
    Ok((new, slots))
}

/// What each file is called where all are in one folder. Those of the VM's folder keep their names;
/// the files of a disk from elsewhere get a number into them where one of them is taken.
pub(super) fn names(own: &str, beside: &[Place], disks: &[Found]) -> BTreeMap<Place, String> {
    let mut names = BTreeMap::new();
    let all = beside
        .iter()
        .chain(disks.iter().flat_map(|disk| &disk.files));
    for place in all.filter(|place| place.folder == own) {
        names.insert(place.clone(), place.name.clone());
    }
    let mut taken: BTreeSet<String> = names.values().cloned().collect();
    for disk in disks {
        let new: Vec<&Place> = disk
            .files
            .iter()
            .filter(|at| !names.contains_key(at))
            .collect();
        let first = disk.files.first().map_or("", |place| stem(&place.name));
        let numbered = |number: usize| -> Vec<String> {
            let name = |place: &&Place| match place.name.strip_prefix(first) {
                _ if number == 0 => place.name.clone(),
                Some(rest) => format!("{first}_{number}{rest}"),
                None => format!("{first}_{number}-{}", place.name),
            };
            new.iter().map(name).collect()
        };
        let free = (0..).map(numbered).find(|names| {
            let own: BTreeSet<&String> = names.iter().collect();
            own.len() == names.len() && names.iter().all(|name| !taken.contains(name))
        });
        for (place, name) in new.into_iter().zip(free.unwrap_or_default()) {
            taken.insert(name.clone());
            names.insert(place.clone(), name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        let (folder, name) = path.rsplit_once('/').unwrap();
        Place {
            folder: folder.to_owned(),
            name: name.to_owned(),
        }
    }

    fn disk(paths: &[&str]) -> Found {
        Found {
            files: paths.iter().map(|path| place(path)).collect(),
            names: BTreeMap::new(),
        }
    }

    #[test]
    fn disks_of_one_name_in_several_folders_all_get_names_of_their_own() {
        let disks = [
            disk(&["/d1/sql01/sql01.vmdk", "/d1/sql01/sql01-flat.vmdk"]),
            disk(&["/d2/sql01/sql01.vmdk", "/d2/sql01/sql01-flat.vmdk"]),
            disk(&["/d3/x/sql01.vmdk", "/d3/x/odd.bin"]),
            disk(&["/d3/x/logs.vmdk", "/d3/x/logs-flat.vmdk"]),
            disk(&["/d1/sql01/sql01_1.vmdk", "/d1/sql01/sql01_1-flat.vmdk"]),
        ];
        let names = names("/d1/sql01", &[place("/d1/sql01/sql01.vmx")], &disks);
        for (path, name) in [
            ("/d1/sql01/sql01.vmdk", "sql01.vmdk"),
            ("/d1/sql01/sql01_1-flat.vmdk", "sql01_1-flat.vmdk"),
            ("/d2/sql01/sql01.vmdk", "sql01_2.vmdk"),
            ("/d2/sql01/sql01-flat.vmdk", "sql01_2-flat.vmdk"),
            ("/d3/x/sql01.vmdk", "sql01_3.vmdk"),
            ("/d3/x/odd.bin", "sql01_3-odd.bin"),
            ("/d3/x/logs.vmdk", "logs.vmdk"),
        ] {
            assert_eq!(names[&place(path)], name, "{path}");
        }
        let all: BTreeSet<&String> = names.values().collect();
        assert_eq!(all.len(), names.len());
    }
}
