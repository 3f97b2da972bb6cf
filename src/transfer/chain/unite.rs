//! The names of a point's files where all of them come into one folder, and its texts with those names.

use std::collections::{BTreeMap, BTreeSet};

use super::super::flaw::Flaw;
use super::super::point::PointFile;
use super::super::together::{Found, Place, names, renamed_vmx, unwritable};
use super::{Draft, UNNAMED, beside, place};
use crate::vmfiles::{Descriptor, FileKind, Vmsd, Vmx, diff};

/// What each path of a point is called.
type Names = BTreeMap<Place, String>;

impl Place {
    fn within(path: &str) -> Self {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Self {
            folder: folder.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl Draft<'_> {
    /// Gives files that lie in folders of the point names beside the others.
    pub(super) fn unite(&mut self) {
        let apart = |file: &PointFile| file.name.contains('/');
        if !self.point.files.iter().any(apart) {
            return;
        }
        let disks = self.disks();
        let of_disks: BTreeSet<&Place> = disks.iter().flat_map(|disk| &disk.files).collect();
        let is_of_disk = |file: &PointFile| of_disks.contains(&Place::within(&file.name));
        let files = std::mem::take(&mut self.point.files).into_iter();
        let (kept, left): (Vec<_>, Vec<_>) =
            files.partition(|file| !apart(file) || is_of_disk(file));
        let left = left.into_iter().map(|file| (file.name, UNNAMED));
        self.point.left_behind.extend(left);
        let others = kept.iter().filter(|file| !is_of_disk(file));
        let others: Vec<Place> = others.map(|file| Place::within(&file.name)).collect();
        let names = names("", &others, &disks);
        self.point.files = kept;
        let mut texts = BTreeMap::new();
        for (path, text) in &self.texts {
            let Ok(old) = text else { continue };
            match self.renamed(path, old, &disks, &names) {
                Ok(Some(new)) => {
                    if self.kind(path) == Some(FileKind::Vmx)
                        && let (Ok(old), Ok(new)) = (Vmx::parse(old), Vmx::parse(&new))
                    {
                        self.point.renamed = diff(&old, &new);
                    }
                    texts.insert(path.clone(), new);
                }
                Ok(None) => {}
                Err(why) => self.point.flaws.push(Flaw::Unreadable {
                    name: path.clone(),
                    why: format!("it {why}"),
                }),
            }
        }
        for file in &mut self.point.files {
            file.text = texts.remove(&file.name);
            if let Some(name) = names.get(&Place::within(&file.name)) {
                file.name.clone_from(name);
            }
        }
        let files = &mut self.point.files;
        files.sort_by(|left, right| left.name.cmp(&right.name));
    }

    /// Every disk whose descriptor is among the files, with those of its files that are.
    fn disks(&self) -> Vec<Found> {
        let there = |path: &String| self.point.file(path).is_some();
        let descriptors = self
            .texts
            .iter()
            .filter(|(path, _)| self.kind(path) == Some(FileKind::Descriptor));
        let disks = descriptors.filter_map(|(path, text)| {
            let disk = Descriptor::parse(text.as_ref().ok()?).ok()?;
            let mut found = Found {
                files: vec![Place::within(path)],
                names: BTreeMap::new(),
            };
            let own = disk.files().map(|file| (file, true));
            for (written, is_own) in
                own.chain(disk.parent_hint.iter().map(|hint| (hint.as_str(), false)))
            {
                let at = beside(path, written);
                if !there(&at) {
                    continue;
                }
                let at = Place::within(&at);
                if is_own && !found.files.contains(&at) {
                    found.files.push(at.clone());
                }
                found.names.insert(written.to_owned(), at);
            }
            Some(found)
        });
        disks.collect()
    }

    /// A text with the names that the disks get; `None` where nothing in it changes. The
    /// error says what is the matter with its file.
    fn renamed(
        &self,
        path: &str,
        old: &[u8],
        disks: &[Found],
        names: &Names,
    ) -> Result<Option<Vec<u8>>, String> {
        let vmx = || {
            let text = self.texts.get(self.point.vmx()?)?;
            Vmx::parse(text.as_ref().ok()?).ok()
        };
        let there = |path: &str| self.point.file(path).is_some();
        let leads = |vmx: &Vmx, written: &str| {
            let path = place(vmx, written, there)?;
            names.get(&Place::within(&path)).cloned()
        };
        let kind = self.kind(path);
        let new = match kind {
            Some(FileKind::Descriptor) => {
                let at = Place::within(path);
                let of = |disk: &&Found| disk.files.first() == Some(&at);
                let Some(disk) = disks.iter().find(of) else {
                    return Ok(None);
                };
                return disk.new_text(names, old, self.is_whole(path, old));
            }
            Some(FileKind::Vmx | FileKind::Vmsd) => {
                let Some(vmx) = vmx() else { return Ok(None) };
                if kind == Some(FileKind::Vmsd) {
                    Vmsd::renamed(old, |written| leads(&vmx, written))
                } else {
                    renamed_vmx(&vmx, |written| leads(&vmx, written)).map(|(new, _)| new.to_bytes())
                }
            }
            _ => return Ok(None),
        };
        let new = new.map_err(|why| unwritable(&why))?;
        Ok((new != old).then_some(new))
    }

    /// What a file of the point is.
    fn kind(&self, path: &str) -> Option<FileKind> {
        self.point.file(path).map(|file| file.kind)
    }

    fn is_whole(&self, path: &str, text: &[u8]) -> bool {
        let file = self.point.file(path);
        file.is_some_and(|file| file.bytes == text.len() as u64)
    }
}
