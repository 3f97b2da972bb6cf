//! A VM's own files, from where it is: the `.vmx` and what it names, wherever on its host that lies.
//!
//! All of them come into one folder. What lies in the folder of the `.vmx` keeps its name; a disk from
//! elsewhere gets one that no other file has, and the texts that name it (the `.vmx`, the catalogue of
//! snapshots, descriptors) come with the new name in them.

mod named;

use std::collections::{BTreeMap, VecDeque};

use super::deliver::Item;
use super::shelf::{Contents, Listed};
use super::source::Folder;
use super::target::UNCHANGED;
use super::together::{Found, Place};
use crate::error::Fault;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::storage::Volumes;
use crate::runbook::model::Driver;
use crate::vmfiles::{Change, Descriptor, FileKind, Runnable, Vmsd, Vmx, path_on_host, plain_path};

/// The files that make up a VM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmFiles {
    /// The files.
    pub items: Vec<Item>,
    /// What the `.vmx` that comes says otherwise than the one that lies there, key by key.
    pub renamed: Vec<Change>,
    /// The disks that the VM sees, as their descriptors are called where they come, by slot.
    pub slots: BTreeMap<String, String>,
}

/// The files that make up a VM, from the folder of its `.vmx`: that and what it names, disks with all
/// that they consist of. No sums: there is no record of them, but for texts that are written anew.
///
/// # Errors
/// A folder or a text in it cannot be read; a file that a disk needs is not there.
pub async fn vm_files(folder: &Folder, vmx: &str) -> Result<VmFiles, Fault> {
    gathered(Gathering::new(folder), vmx).await
}

/// The same, from a host whose volumes are known, if it told of any.
///
/// # Errors
/// As of [`vm_files`].
pub async fn vm_files_on(folder: &Folder, vmx: &str, volumes: &Volumes) -> Result<VmFiles, Fault> {
    let mut gathering = Gathering::new(folder);
    gathering.volumes = Some(volumes.clone()).filter(|volumes| !volumes.0.is_empty());
    gathered(gathering, vmx).await
}

async fn gathered(mut gathering: Gathering<'_>, vmx: &str) -> Result<VmFiles, Fault> {
    let folder = gathering.from;
    gathering.open(&gathering.own.clone()).await?;
    let own = gathering.own.clone();
    let parsed = Vmx::parse(gathering.text(&own, vmx)?)
        .map_err(|why| folder.unreadable(&format!("{vmx}: {why}")))?;
    if parsed.is_encrypted() {
        return Err(folder.unreadable(&format!("{vmx} is encrypted, so its disks are not known")));
    }
    gathering.beside(vmx, &parsed);
    for disk in parsed.disk_files() {
        gathering.want(&own, &disk, true).await?;
    }
    gathering.snapshots(vmx).await?;
    while let Some(wanted) = gathering.wanted.pop_front() {
        gathering.disk(wanted).await?;
    }
    gathering.finish(vmx, &parsed)
}

/// A disk that something names.
struct Wanted {
    at: Place,
    /// As it is written there.
    written: String,
    /// What names it cannot do without it.
    needed: bool,
}

struct Gathering<'a> {
    from: &'a Folder,
    /// The folder of the `.vmx`.
    own: String,
    /// Labels of the host's volumes, once something leads to another folder.
    volumes: Option<Volumes>,
    folders: BTreeMap<String, Contents>,
    /// Files of the VM's folder that are no disk's.
    beside: Vec<Place>,
    wanted: VecDeque<Wanted>,
    disks: Vec<Found>,
}

impl<'a> Gathering<'a> {
    fn new(from: &'a Folder) -> Self {
        Self {
            from,
            own: plain_path(&from.path_text()),
            volumes: None,
            folders: BTreeMap::new(),
            beside: Vec::new(),
            wanted: VecDeque::new(),
            disks: Vec::new(),
        }
    }

    /// Reads a folder, unless it was.
    async fn open(&mut self, folder: &str) -> Result<(), Fault> {
        if self.folders.contains_key(folder) {
            return Ok(());
        }
        let at = self.at(folder);
        let contents = at.contents(&["."]).await?.pop().unwrap_or_default();
        if let Some(trouble) = &contents.trouble {
            return Err(at.unreadable(trouble));
        }
        self.folders.insert(folder.to_owned(), contents);
        Ok(())
    }

    fn at(&self, folder: &str) -> Folder {
        if folder == self.own {
            self.from.clone()
        } else {
            self.from.at(folder)
        }
    }

    fn entry(&self, at: &Place) -> Option<&Listed> {
        let entry = self.folders.get(&at.folder)?.entry(&at.name);
        entry.filter(|entry| entry.is_file)
    }

    fn text(&self, folder: &str, name: &str) -> Result<&[u8], Fault> {
        let contents = self.folders.get(folder);
        let text = contents.map_or_else(|| Err("is not there".to_owned()), |all| all.text(name));
        text.map_err(|why| self.at(folder).unreadable(&format!("{name} {why}")))
    }

    /// Where a name leads that is written in a text of a folder. Two spellings of one place are one,
    /// as far as the host tells.
    async fn place(&mut self, folder: &str, written: &str) -> Place {
        if self.volumes.is_none() && (written.contains('/') || written.starts_with('[')) {
            self.volumes = Some(volumes(self.from).await);
        }
        self.known_place(folder, written)
    }

    /// The same, of a text whose names were looked up before: nothing is asked any more.
    fn known_place(&self, folder: &str, written: &str) -> Place {
        let path = self.by_uuid(&plain_path(&path_on_host(written, folder)));
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let own = self.by_uuid(&self.own) == folder;
        Place {
            folder: if own {
                self.own.clone()
            } else {
                folder.to_owned()
            },
            name: name.to_owned(),
        }
    }

    fn by_uuid(&self, path: &str) -> String {
        let volumes = self.volumes.as_ref();
        volumes.map_or_else(|| path.to_owned(), |volumes| volumes.by_uuid(path))
    }

    /// What lies beside the `.vmx`, and the `.vmx`.
    fn beside(&mut self, vmx: &str, parsed: &Vmx) {
        let names = [
            Some(vmx.to_owned()),
            parsed.nvram(),
            parsed.extended_config(),
            Some(catalogue(vmx)),
        ];
        for name in names.into_iter().flatten() {
            self.add_beside(name);
        }
    }

    fn add_beside(&mut self, name: String) {
        let folder = self.own.clone();
        let place = Place { folder, name };
        if self.entry(&place).is_some() && !self.beside.contains(&place) {
            self.beside.push(place);
        }
    }

    async fn want(&mut self, folder: &str, written: &str, needed: bool) -> Result<Place, Fault> {
        let at = self.place(folder, written).await;
        let written = written.to_owned();
        self.wanted.push_back(Wanted {
            at: at.clone(),
            written,
            needed,
        });
        Ok(at)
    }

    /// Without its state a snapshot is listed, and nobody can go back to it.
    async fn snapshots(&mut self, vmx: &str) -> Result<(), Fault> {
        let own = self.own.clone();
        let known = self.text(&own, &catalogue(vmx)).ok();
        let known = known.and_then(|text| Vmsd::parse(text).ok());
        let Some(known) = known.filter(|known| known.count() > 0) else {
            return Ok(());
        };
        let entries = self
            .folders
            .get(&own)
            .map(|contents| contents.entries.clone());
        for entry in entries.unwrap_or_default() {
            if FileKind::of(&entry.name) == FileKind::State {
                self.add_beside(entry.name);
            }
        }
        for disk in known.snapshots.into_iter().flat_map(|one| one.disks) {
            self.want(&own, &disk, false).await?;
        }
        Ok(())
    }

    /// Takes up a disk: its descriptor, the files of its data, and the disk below.
    async fn disk(&mut self, wanted: Wanted) -> Result<(), Fault> {
        let at = wanted.at;
        if self
            .disks
            .iter()
            .any(|disk| disk.files.first() == Some(&at))
        {
            return Ok(());
        }
        let opened = self.open(&at.folder).await;
        if self.entry(&at).is_none() {
            if !wanted.needed {
                return Ok(());
            }
            opened?;
            let place = self.at(&at.folder);
            return Err(place.unreadable(&format!(
                "the VM's disk {} is not in this folder",
                wanted.written
            )));
        }
        let disk = Descriptor::parse(self.text(&at.folder, &at.name)?);
        let disk = disk.map_err(|why| {
            self.at(&at.folder)
                .unreadable(&format!("{}: {why}", at.name))
        })?;
        self.is_in_files(&at, &disk)?;
        let mut found = Found {
            files: vec![at.clone()],
            names: BTreeMap::new(),
        };
        for file in disk.files() {
            let place = self.place(&at.folder, file).await;
            if self.entry(&place).is_none() {
                return Err(self.at(&at.folder).unreadable(&format!(
                    "{file}, which {} needs, is not in this folder",
                    at.name
                )));
            }
            if !found.files.contains(&place) {
                found.files.push(place.clone());
            }
            found.names.insert(file.to_owned(), place);
        }
        if let Some(parent) = &disk.parent_hint {
            let place = self.want(&at.folder, parent, true).await?;
            found.names.insert(parent.clone(), place);
        }
        self.disks.push(found);
        Ok(())
    }

    /// Copying files brings what is in files.
    fn is_in_files(&self, at: &Place, disk: &Descriptor) -> Result<(), Fault> {
        let object = disk.files().find(|file| file.contains("://"));
        let (what, next) = match (disk.runnable(), object) {
            (Runnable::PointsToDevice, _) => (
                "only points to a device of its host (a raw device mapping): its data is in no file".to_owned(),
                "let its storage bring that device, and take the disk out of the VM; or make a virtual disk of it \
                 (a clone of the VM does); then retry",
            ),
            (_, Some(object)) => (
                format!("has its data in an object of vSAN or vVols ({object}), not in a file"),
                "move the VM to a VMFS or NFS datastore, or bring it with `restore` from a backup; then retry",
            ),
            _ => return Ok(()),
        };
        Err(Fault::new(
            format!("{} {what}", at.name),
            self.at(&at.folder).place(),
            UNCHANGED,
            next,
        ))
    }
}

/// The list of a VM's snapshots.
fn catalogue(vmx: &str) -> String {
    format!("{}.vmsd", vmx.strip_suffix(".vmx").unwrap_or(vmx))
}

/// The volumes of the host; none where it has no such thing, or does not tell.
async fn volumes(from: &Folder) -> Volumes {
    let Folder::On { host, lane, .. } = from else {
        return Volumes::default();
    };
    if host.driver() != Driver::Esxi {
        return Volumes::default();
    }
    let told = host.read(*lane, &commands::volumes()).await;
    let told = told.ok().and_then(|output| Volumes::parse(&output).ok());
    told.unwrap_or_default()
}
