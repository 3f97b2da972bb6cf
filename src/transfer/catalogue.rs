//! What a folder holds: the restore points of a VM, or a VM's own files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::deliver::Item;
use super::point::{Listed, Point, parse_point_name};
use super::source::Folder;
use super::sums::MAX_SUMS;
use super::target::UNCHANGED;
use crate::error::Fault;
use crate::host::{Effect, HostCommand};
use crate::hypervisor::shell;
use crate::vmfiles::{Descriptor, MAX_TEXT, Vmx};

/// Points that are looked at, newest first; older ones are not offered.
const MAX_POINTS: usize = 60;

/// The first `$2` bytes of `$1`, on stdout.
const HEAD: &str = r#"dd if="$1" bs="$2" count=1 2>/dev/null"#;

impl Folder {
    /// What is in it; `None` if it is not there. Links are not followed.
    async fn list(&self) -> Result<Option<Vec<Listed>>, Fault> {
        match self {
            Self::Here(path) => list_here(path).map_err(|error| self.unreadable(&error)),
            Self::On { host, path, lane } => {
                let found = host.read(*lane, &shell::find(path)).await;
                let found = found.map_err(|error| error.fault(host.name()))?;
                let found = shell::Found::parse(&found).map_err(|fault| self.unreadable(&fault))?;
                if found.stat().is_none() {
                    return Ok(None);
                }
                let output = host.read(*lane, &shell::list(path)).await;
                let output = output.map_err(|error| error.fault(host.name()))?;
                let entries = shell::entries(&output).map_err(|fault| self.unreadable(&fault))?;
                let listed = entries.iter().filter_map(|entry| {
                    let stat = entry.stat?;
                    Some(Listed {
                        name: entry.text()?.to_owned(),
                        bytes: stat.size,
                        is_file: stat.kind == shell::FileKind::File,
                    })
                });
                Ok(Some(listed.collect()))
            }
        }
    }

    /// Up to `limit` bytes from a file's beginning.
    pub(super) async fn head(&self, name: &str, limit: usize) -> Result<Vec<u8>, Fault> {
        match self.join(name) {
            Self::Here(path) => {
                let read = || -> std::io::Result<Vec<u8>> {
                    let mut bytes = Vec::new();
                    std::fs::File::open(&path)?
                        .take(limit as u64)
                        .read_to_end(&mut bytes)?;
                    Ok(bytes)
                };
                read().map_err(|error| self.unreadable(&error))
            }
            Self::On { host, path, lane } => {
                let words = [path.clone(), limit.to_string()];
                let command = HostCommand::script(Effect::Read, HEAD, words).max_output(limit + 1);
                let output = host.read(lane, &command).await;
                let output = output.map_err(|error| error.fault(host.name()))?;
                if output.status == 0 {
                    return Ok(output.stdout);
                }
                let why = format!("reading {path} ended with status {}", output.status);
                Err(self.unreadable(&why))
            }
        }
    }

    fn unreadable(&self, why: &dyn std::fmt::Display) -> Fault {
        Fault::new(
            format!("{} cannot be read: {why}", self.place()),
            self.place(),
            UNCHANGED,
            "check the path in the runbook, and that the user may read it there; then retry",
        )
    }
}

fn list_here(path: &Path) -> std::io::Result<Option<Vec<Listed>>> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut listed = Vec::new();
    for entry in entries {
        let entry = entry?;
        let facts = entry.metadata()?;
        // A name that is no text cannot be in SHA256SUMS.
        if let Ok(name) = entry.file_name().into_string() {
            listed.push(Listed {
                name,
                bytes: facts.len(),
                is_file: facts.is_file(),
            });
        }
    }
    listed.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Some(listed))
}

/// The restore points of a VM, newest first: the folders `<backup>/<vm>/<stamp>`. Each is assessed
/// by its listing, its `SHA256SUMS` and the texts that tell whether it is whole; the sums of disks
/// are proven where they arrive.
///
/// # Errors
/// The backup cannot be read. That a VM has no points is no error.
pub async fn points(backup: &Folder, vm: &str) -> Result<Vec<Point>, Fault> {
    let folder = backup.join(vm);
    let listed = folder.list().await?.unwrap_or_default();
    let mut named: Vec<_> = listed
        .iter()
        .filter(|entry| !entry.is_file)
        .filter_map(|entry| Some((parse_point_name(&entry.name)?, entry.name.as_str())))
        .collect();
    named.sort_by(|(left, _), (right, _)| right.0.cmp(&left.0));
    let mut points = Vec::new();
    for (parsed, name) in named.into_iter().take(MAX_POINTS) {
        let place = folder.join(name);
        let listing = place.list().await?.unwrap_or_default();
        let has_sums = listing
            .iter()
            .any(|entry| entry.name == "SHA256SUMS" && entry.is_file);
        let sums = if has_sums {
            Some(place.head("SHA256SUMS", MAX_SUMS + 1).await?)
        } else {
            None
        };
        let mut point = Point::assess(parsed, place.path_text(), &listing, sums.as_deref());
        let mut texts = BTreeMap::new();
        for file in point.texts() {
            texts.insert(
                file.name.clone(),
                place.head(&file.name, limit(&file.name)).await?,
            );
        }
        point.check_texts(&texts);
        points.push(point);
    }
    Ok(points)
}

/// A descriptor stands at the beginning of what may be a whole disk; a `.vmx` is read whole.
fn limit(name: &str) -> usize {
    if name.to_ascii_lowercase().ends_with(".vmdk") {
        Descriptor::PREFIX
    } else {
        MAX_TEXT + 1
    }
}

impl Folder {
    fn path_text(&self) -> String {
        match self {
            Self::Here(path) => path.display().to_string(),
            Self::On { path, .. } => path.clone(),
        }
    }
}

/// The files that make up a VM, from its own folder: the `.vmx` and what it names, disks with all
/// that they consist of. No sums: there is no record of them.
///
/// # Errors
/// The folder or a text in it cannot be read; a disk lies elsewhere or is not there.
pub async fn vm_files(folder: &Folder, vmx: &str) -> Result<Vec<Item>, Fault> {
    let listed = folder.list().await?.unwrap_or_default();
    let sizes: BTreeMap<&str, u64> = listed
        .iter()
        .filter(|entry| entry.is_file)
        .map(|entry| (entry.name.as_str(), entry.bytes))
        .collect();
    let text = folder.head(vmx, MAX_TEXT + 1).await?;
    let parsed = Vmx::parse(&text).map_err(|why| folder.unreadable(&format!("{vmx}: {why}")))?;
    if parsed.is_encrypted() {
        return Err(folder.unreadable(&format!("{vmx} is encrypted, so its disks are not known")));
    }
    let stem = vmx.strip_suffix(".vmx").unwrap_or(vmx);
    let mut names = vec![vmx.to_owned()];
    let beside = [
        parsed.nvram(),
        parsed.extended_config(),
        Some(format!("{stem}.vmsd")),
    ];
    names.extend(
        beside
            .into_iter()
            .flatten()
            .filter(|name| sizes.contains_key(name.as_str())),
    );
    let mut disks = parsed.disk_files();
    while let Some(name) = disks.pop() {
        if names.contains(&name) {
            continue;
        }
        if !sizes.contains_key(name.as_str()) {
            return Err(folder.unreadable(&format!("the VM's disk {name} is not in this folder")));
        }
        let text = folder.head(&name, Descriptor::PREFIX).await?;
        let disk = Descriptor::parse(&text);
        let disk = disk.map_err(|why| folder.unreadable(&format!("{name}: {why}")))?;
        names.push(name.clone());
        disks.extend(disk.parent_hint.clone());
        for file in disk.files() {
            if !sizes.contains_key(file) {
                return Err(folder.unreadable(&format!(
                    "{file}, which {name} needs, is not in this folder"
                )));
            }
            if !names.iter().any(|known| known == file) {
                names.push(file.to_owned());
            }
        }
    }
    let items = names.into_iter().filter_map(|name| {
        let bytes = *sizes.get(name.as_str())?;
        Some(Item {
            name,
            bytes,
            sum: None,
        })
    });
    Ok(items.collect())
}
