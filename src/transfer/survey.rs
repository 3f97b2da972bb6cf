//! What the texts of a set say before anything is written: which disks the host makes itself, out
//! of what, and how much room all of it takes.

mod takes;

use std::ops::Range;

use super::deliver::{Delivery, Item, Landing, Mover};
use super::flaw::Flaw;
use super::ranges::FINE;
use super::source::Folder;
use super::target::UNCHANGED;
use crate::error::Fault;
use crate::hypervisor::esxi::commands::{self, DiskFormat};
use crate::hypervisor::esxi::vmkfstools;
use crate::runbook::model::Driver;
use crate::vmfiles::{Descriptor, FileKind, Runnable, SparseHeader, Vmx};

pub use self::takes::Takes;
use self::takes::swap;

/// What a delivery's texts say of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The disks that the host makes of what is brought, or of what lies there.
    pub(super) disks: Vec<Made>,
    /// Bytes of the swap file that the host makes at power-on: the memory that is not reserved.
    pub swap: u64,
}

/// A disk that `vmkfstools` makes on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// The name that the `.vmx` knows it by, at the source and at the target.
    pub(super) descriptor: String,
    /// Names of the items that it is made of, the descriptor first.
    pub(super) sources: Vec<String>,
    /// Its size as the guest sees it, in bytes.
    pub(super) capacity: u64,
    /// What it is before, as the descriptor says.
    pub(super) create_type: String,
    /// How it is laid out afterwards.
    pub(super) format: DiskFormat,
    /// Whether its sources are brought to a folder of their own first; else they are used where
    /// they lie.
    pub(super) staged: bool,
    /// The files whose bytes, one after the other, are the disk's bytes; `None` where only a reader
    /// of the format could tell them.
    pub(super) pieces: Option<Vec<(String, Range<u64>)>>,
}

impl Made {
    /// The descriptor's name without its end.
    pub(super) fn stem(&self) -> &str {
        stem(&self.descriptor)
    }

    /// The name of the file that holds its data afterwards.
    pub(super) fn flat(&self) -> String {
        format!("{}-flat.vmdk", self.stem())
    }
}

/// `vmkfstools` derives the data's name from the descriptor's.
pub(super) fn stem(descriptor: &str) -> &str {
    descriptor.strip_suffix(".vmdk").unwrap_or(descriptor)
}

impl Delivery {
    /// The same delivery, its texts read. `format` is how its disks are to be laid out; `None`
    /// leaves disks as they arrive, and makes those thin that have to be made.
    ///
    /// # Errors
    /// The source cannot be read; a disk that no host can make anything of; a host that cannot read
    /// disks in pieces.
    pub async fn surveyed(mut self, format: Option<DiskFormat>) -> Result<Self, Fault> {
        self.survey = Some(self.look_ahead(format).await?);
        Ok(self)
    }

    async fn look_ahead(&self, format: Option<DiskFormat>) -> Result<Survey, Fault> {
        let mut survey = Survey::default();
        if self.landing != Landing::Fresh {
            return Ok(survey);
        }
        let texts = self.texts().await?;
        let disks: Vec<(&Item, Descriptor)> = texts
            .iter()
            .filter(|(item, _)| item.kind == FileKind::Descriptor)
            .filter_map(|(item, text)| Some((*item, Descriptor::parse(text).ok()?)))
            .collect();
        // Below a snapshot a disk must stay what it is, or the snapshot no longer fits it.
        let below: Vec<&str> = disks
            .iter()
            .filter_map(|(_, disk)| disk.parent_hint.as_deref())
            .collect();
        for (item, disk) in &disks {
            if !below.contains(&item.name.as_str())
                && let Some(made) = self.made(item, disk, format)?
            {
                survey.disks.push(made);
            }
        }
        self.check_headers(&disks, &survey.disks).await?;
        if let Some((item, _)) = disks.iter().find(|(_, disk)| disk.is_split()) {
            self.check_module(&item.name).await?;
        }
        for (item, text) in &texts {
            if item.kind == FileKind::Vmx {
                survey.swap = Vmx::parse(text).map_or(0, |vmx| swap(&vmx));
            }
        }
        Ok(survey)
    }

    /// The beginnings of its descriptors and of the `.vmx`.
    async fn texts(&self) -> Result<Vec<(&Item, Vec<u8>)>, Fault> {
        let told = |item: &&Item| matches!(item.kind, FileKind::Descriptor | FileKind::Vmx);
        let items: Vec<&Item> = self.items.iter().filter(told).collect();
        let heads = self.heads_of(&items, Descriptor::PREFIX).await?;
        Ok(items.into_iter().zip(heads).collect())
    }

    async fn heads_of(&self, items: &[&Item], limit: usize) -> Result<Vec<Vec<u8>>, Fault> {
        let lie_there = items.iter().filter(|item| item.text.is_none());
        let at: Vec<&str> = lie_there.map(|item| item.at.as_str()).collect();
        let mut read = self.from.heads(&at, limit).await?.into_iter();
        let head = |item: &&Item| match &item.text {
            Some(text) => text.iter().take(limit).copied().collect(),
            None => read.next().unwrap_or_default(),
        };
        Ok(items.iter().map(head).collect())
    }

    fn made(
        &self,
        item: &Item,
        disk: &Descriptor,
        format: Option<DiskFormat>,
    ) -> Result<Option<Made>, Fault> {
        let hosted = disk.runnable() == Runnable::AfterConversion;
        if disk.is_link() {
            let (name, create_type) = (item.name.clone(), disk.create_type.clone());
            let flaw = Flaw::HostedSnapshot { name, create_type };
            return if hosted {
                Err(self.unusable(flaw.to_string()))
            } else {
                Ok(None)
            };
        }
        let others = disk.other_files();
        let flat = format!("{}-flat.vmdk", stem(&item.name));
        if !hosted && (disk.runnable() != Runnable::Yes || others != [flat.as_str()]) {
            return Ok(None);
        }
        let mut sources = vec![item];
        for name in &others {
            let found = self.items.iter().find(|item| item.name == *name);
            sources.push(found.ok_or_else(|| {
                self.unusable(format!(
                    "{} needs {name}, which is not among its files",
                    item.name
                ))
            })?);
        }
        let on_host = self.mover() == Mover::OnHost;
        let beside = on_host && lie_together(&sources);
        // A disk of the host's own kind is made anew where that costs nothing, or where it is asked
        // for.
        if !hosted && !beside && !format.is_some_and(DiskFormat::is_thick) {
            return Ok(None);
        }
        Ok(Some(Made {
            descriptor: item.name.clone(),
            sources: sources.iter().map(|item| item.name.clone()).collect(),
            capacity: disk.capacity(),
            create_type: disk.create_type.clone(),
            format: format.unwrap_or_default(),
            staged: !beside,
            pieces: pieces(disk, &sources),
        }))
    }

    /// Each sparse file must be as long as its own header needs it: a host finds that out only
    /// after all of it was sent.
    async fn check_headers(
        &self,
        disks: &[(&Item, Descriptor)],
        made: &[Made],
    ) -> Result<(), Fault> {
        let mut sparse: Vec<&Item> = Vec::new();
        for (item, disk) in disks {
            if !made.iter().any(|made| made.descriptor == item.name) {
                continue;
            }
            if disk.embedded {
                sparse.push(item);
            }
            let extents = disk.extents.iter().filter(|extent| {
                extent.kind == "SPARSE" && extent.file.is_some() && !disk.embedded
            });
            let named = extents.filter_map(|extent| {
                self.items
                    .iter()
                    .find(|item| extent.file.as_deref() == Some(&item.name))
            });
            sparse.extend(named);
        }
        let heads = self.heads_of(&sparse, SparseHeader::BYTES).await?;
        for (item, head) in sparse.iter().zip(heads) {
            let header = SparseHeader::parse(&head);
            header
                .and_then(|header| header.check_length(item.bytes))
                .map_err(|why| self.unusable(format!("{} cannot be used: {why}", item.name)))?;
        }
        Ok(())
    }

    /// A host that says it has not loaded what reads disks in pieces would refuse them after all of
    /// them were sent. One that does not say is given the chance.
    async fn check_module(&self, disk: &str) -> Result<(), Fault> {
        let host = &self.to.host;
        if host.driver() != Driver::Esxi {
            return Ok(());
        }
        let Ok(output) = host.read(self.to.lane, &commands::modules()).await else {
            return Ok(());
        };
        if vmkfstools::reads_split_disks(&output) != Some(false) {
            return Ok(());
        }
        Err(Fault::new(
            format!(
                "{disk} is a disk in pieces, and the host has not loaded the module that reads them"
            ),
            host.name().as_str(),
            "nothing was sent",
            vmkfstools::LOAD_MULTIEXTENT,
        ))
    }

    fn unusable(&self, what: String) -> Fault {
        Fault::new(
            what,
            self.from.place(),
            UNCHANGED,
            "choose another restore point, or mend this one, then retry",
        )
    }

    /// The disks that the host makes; none before [`Delivery::surveyed`].
    pub(super) fn made_disks(&self) -> &[Made] {
        self.survey
            .as_ref()
            .map_or(&[], |survey| survey.disks.as_slice())
    }

    /// Whether an item is only what a disk is made of.
    pub(super) fn is_source(&self, name: &str) -> bool {
        let of = |made: &Made| made.sources.iter().any(|source| source == name);
        self.made_disks().iter().any(of)
    }

    /// What the host makes of disks, for people: `web01.vmdk (streamOptimized) becomes thin`.
    #[must_use]
    pub fn makes(&self) -> Vec<String> {
        let line = |made: &Made| {
            let how = match (made.staged, &made.pieces) {
                (false, Some(_)) => "cloned there; its data is compared",
                (true, Some(_)) => "sent beside it, converted there; its data is compared",
                (false, None) => "converted there; its data cannot be compared",
                (true, None) => {
                    "sent beside it, proven, converted there; the result cannot be compared"
                }
            };
            format!(
                "{} ({}) becomes {}: {how}",
                made.descriptor, made.create_type, made.format
            )
        };
        self.made_disks().iter().map(line).collect()
    }
}

/// Whether `vmkfstools` finds the files beside each other. What a descriptor names lies there under the
/// names that it has for them, whatever they are called where they come.
fn lie_together(sources: &[&Item]) -> bool {
    let mut folders = sources
        .iter()
        .map(|item| item.at.rsplit_once('/').map_or("", |(folder, _)| folder));
    let first = folders.next();
    first.is_some() && folders.all(|folder| Some(folder) == first)
}

/// The flat files that, in order, are the disk. Stretches begin where sums of parts can be taken.
fn pieces(disk: &Descriptor, sources: &[&Item]) -> Option<Vec<(String, Range<u64>)>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for extent in &disk.extents {
        let name = extent.file.as_deref()?;
        let item = sources.iter().find(|item| item.name == name)?;
        let flat = matches!(extent.kind.as_str(), "VMFS" | "FLAT") && !disk.embedded;
        let whole = extent.offset.unwrap_or(0) == 0 && item.bytes == extent.bytes;
        let twice = pieces.iter().any(|(known, _)| known == name);
        if !flat || !whole || twice || at % FINE != 0 {
            return None;
        }
        pieces.push((name.to_owned(), at..at + extent.bytes));
        at += extent.bytes;
    }
    Some(pieces)
}

impl Folder {
    /// The path on its host, if it is on one.
    pub(super) fn host_path(&self) -> Option<&str> {
        match self {
            Self::On { path, .. } => Some(path),
            Self::Here(_) | Self::Stream(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(at: &str, bytes: u64) -> Item {
        let name = at.rsplit('/').next().unwrap().to_owned();
        Item {
            kind: FileKind::of(&name),
            name,
            at: at.to_owned(),
            bytes,
            sum: None,
            recorded: false,
            text: None,
        }
    }

    #[test]
    fn flat_extents_are_compared_and_others_cannot_be() {
        let text = |kind: &str, rest: &str| {
            format!(
                "# Disk DescriptorFile\ncreateType=\"twoGbMaxExtentFlat\"\n\
                 RW 4192256 {kind} \"a-f001.vmdk\"{rest}\nRW 2048 {kind} \"a-f002.vmdk\"{rest}\n"
            )
        };
        let items = [
            item("a-f001.vmdk", 2047 << 20),
            item("a-f002.vmdk", 1 << 20),
        ];
        let sources: Vec<&Item> = items.iter().collect();
        let found = |text: &str| pieces(&Descriptor::parse(text.as_bytes()).unwrap(), &sources);
        assert_eq!(
            found(&text("FLAT", " 0")),
            Some(vec![
                ("a-f001.vmdk".to_owned(), 0..2047 << 20),
                ("a-f002.vmdk".to_owned(), 2047 << 20..2048 << 20),
            ])
        );
        assert_eq!(found(&text("FLAT", " 8")), None);
        assert_eq!(found(&text("SPARSE", "")), None);
    }

    #[test]
    fn files_of_two_points_do_not_lie_together() {
        let check = |names: &[&str]| {
            let items: Vec<Item> = names.iter().map(|name| item(name, 1)).collect();
            lie_together(&items.iter().collect::<Vec<_>>())
        };
        assert!(check(&["a.vmdk", "a-flat.vmdk"]));
        assert!(check(&["../1/a.vmdk", "../1/a-flat.vmdk"]));
        assert!(!check(&["a.vmdk", "../1/a-flat.vmdk"]));
    }
}
