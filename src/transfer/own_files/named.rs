//! The files that were gathered, under the names that they get, with the texts that name them anew.

use std::collections::{BTreeMap, BTreeSet};

use super::super::deliver::Item;
use super::super::sums::Sum;
use super::super::together::{Found, Place, names, renamed_vmx, unwritable};
use super::{Gathering, VmFiles, catalogue};
use crate::error::Fault;
use crate::vmfiles::{FileKind, Vmsd, Vmx, VmxError, diff};

impl Gathering<'_> {
    /// The files with their names at the target, texts that name them otherwise written anew.
    pub(super) fn finish(mut self, vmx: &str, parsed: &Vmx) -> Result<VmFiles, Fault> {
        let names = names(&self.own, &self.beside, &self.disks);
        let mut files = VmFiles::default();
        let own = self.own.clone();
        let leads = |gathering: &Self, written: &str| {
            names.get(&gathering.known_place(&own, written)).cloned()
        };
        let (new, slots) = renamed_vmx(parsed, |written| leads(&self, written))
            .map_err(|why| self.unwritable(vmx, &why))?;
        files.renamed = diff(parsed, &new);
        files.slots = slots;
        let mut texts = BTreeMap::from([(vmx.to_owned(), new.to_bytes())]);
        let list = catalogue(vmx);
        if let Ok(text) = self.text(&own, &list) {
            let new = Vmsd::renamed(text, |written| leads(&self, written))
                .map_err(|why| self.unwritable(&list, &why))?;
            texts.insert(list, new);
        }
        for place in std::mem::take(&mut self.beside) {
            let text = texts.remove(&place.name);
            files
                .items
                .push(self.item(&place, place.name.clone(), text)?);
        }
        let mut seen = BTreeSet::new();
        for disk in &self.disks {
            for (number, place) in disk.files.iter().enumerate() {
                let Some(name) = names.get(place).filter(|_| seen.insert(place)) else {
                    continue;
                };
                let text = match number {
                    0 => self.descriptor(disk, &names)?,
                    _ => None,
                };
                let mut item = self.item(place, name.clone(), text)?;
                item.kind = match number {
                    0 => FileKind::Descriptor,
                    _ => FileKind::Extent,
                };
                files.items.push(item);
            }
        }
        Ok(files)
    }

    /// A descriptor's text, where something that it names gets another name; `None` for data with a
    /// descriptor in it of which nothing changes.
    fn descriptor(
        &self,
        disk: &Found,
        names: &BTreeMap<Place, String>,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let Some(at) = disk.files.first() else {
            return Ok(None);
        };
        let text = self.text(&at.folder, &at.name)?;
        disk.new_text(names, text, self.is_whole(at, text))
            .map_err(|why| {
                self.at(&at.folder)
                    .unreadable(&format!("{} {why}", at.name))
            })
    }

    fn item(&self, place: &Place, name: String, text: Option<Vec<u8>>) -> Result<Item, Fault> {
        let gone = || {
            self.at(&place.folder)
                .unreadable(&format!("{} is gone", place.name))
        };
        let bytes = self.entry(place).ok_or_else(gone)?.bytes;
        let old = self
            .folders
            .get(&place.folder)
            .and_then(|all| all.texts.get(&place.name));
        let text = text.filter(|new| old != Some(new));
        let at = if place.folder == self.own {
            place.name.clone()
        } else {
            format!("{}/{}", place.folder, place.name)
        };
        Ok(Item {
            kind: FileKind::of(&name),
            name,
            at,
            bytes: text.as_ref().map_or(bytes, |text| text.len() as u64),
            sum: text.as_ref().map(|text| Sum::of(text)),
            recorded: false,
            text,
        })
    }

    /// Whether what was read of a file is all of it.
    fn is_whole(&self, place: &Place, text: &[u8]) -> bool {
        let entry = self.entry(place);
        entry.is_some_and(|entry| entry.bytes == text.len() as u64)
    }

    fn unwritable(&self, name: &str, why: &VmxError) -> Fault {
        self.from.unreadable(&format!("{name} {}", unwritable(why)))
    }
}
