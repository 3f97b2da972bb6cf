//! What a folder holds: the restore points of a VM, or a VM's own files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use super::deliver::Item;
use super::point::{Listed, Point, parse_point_name};
use super::source::{Folder, join};
use super::sums::MAX_SUMS;
use super::target::UNCHANGED;
use crate::error::Fault;
use crate::host::{Effect, HostCommand};
use crate::hypervisor::shell;
use crate::vmfiles::{Descriptor, MAX_TEXT, Vmx};

/// Points that are looked at, newest first; older ones are not offered.
const MAX_POINTS: usize = 30;

/// The beginnings of files, each behind a line that says how many bytes of it come: `$1` bytes at
/// most of each of the others, `-` for one that cannot be read. One exec, however many files.
const HEADS: &str = r#"most=$1; shift
for file in "$@"; do
  if [ -f "$file" ] && [ -r "$file" ]; then
    dd if="$file" bs="$most" count=1 2>/dev/null | wc -c
    dd if="$file" bs="$most" count=1 2>/dev/null
  else echo -; fi
done"#;

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
        let mut heads = self.heads(&[name], limit).await?;
        Ok(heads.pop().unwrap_or_default())
    }

    /// Up to `limit` bytes from each file's beginning, in their order.
    pub(super) async fn heads(&self, names: &[&str], limit: usize) -> Result<Vec<Vec<u8>>, Fault> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let (host, path, lane) = match self {
            Self::Here(folder) => {
                let head = |name: &&str| -> std::io::Result<Vec<u8>> {
                    let mut bytes = Vec::new();
                    let file = std::fs::File::open(folder.join(name))?;
                    file.take(limit as u64).read_to_end(&mut bytes)?;
                    Ok(bytes)
                };
                let heads = names.iter().map(|name| {
                    head(name).map_err(|error| self.unreadable(&format!("{name}: {error}")))
                });
                return heads.collect();
            }
            Self::On { host, path, lane } => (host, path, *lane),
        };
        let words =
            std::iter::once(limit.to_string()).chain(names.iter().map(|name| join(path, name)));
        // A line of length and a newline for each.
        let most = names.len().saturating_mul(limit.saturating_add(32));
        let command = HostCommand::script(Effect::Read, HEADS, words).max_output(most);
        let output = host
            .read(lane, &command)
            .await
            .map_err(|error| error.fault(host.name()))?;
        let mut rest = output.stdout.as_slice();
        let mut heads = Vec::new();
        for name in names {
            let (head, after) = next_head(rest).ok_or_else(|| {
                self.unreadable(&format!("{name} is not there or may not be read"))
            })?;
            heads.push(head.to_vec());
            rest = after;
        }
        Ok(heads)
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

/// The first file in the reply of [`HEADS`], and what follows it.
fn next_head(reply: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = reply.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = reply.split_at(end);
    let length: usize = std::str::from_utf8(line).ok()?.trim().parse().ok()?;
    rest.get(1..)?.split_at_checked(length)
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
    named.sort_by_key(|(parsed, _)| std::cmp::Reverse(parsed.0));
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
        let names: Vec<&str> = point
            .texts()
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        let heads = place.heads(&names, MAX_TEXT + 1).await?;
        let texts: BTreeMap<String, Vec<u8>> = names
            .iter()
            .map(|name| (*name).to_owned())
            .zip(heads)
            .collect();
        point.check_texts(&texts);
        points.push(point);
    }
    Ok(points)
}

/// The bytes of the .vmx in a VM's newest restore point that has one; whether that point is sound
/// makes no difference to whose it is.
///
/// # Errors
/// The backup cannot be read.
pub async fn newest_vmx(backup: &Folder, vm: &str) -> Result<Option<Vec<u8>>, Fault> {
    let folder = backup.join(vm);
    let listed = folder.list().await?.unwrap_or_default();
    let mut named: Vec<_> = listed
        .iter()
        .filter(|entry| !entry.is_file)
        .filter_map(|entry| Some((parse_point_name(&entry.name)?.0, entry.name.as_str())))
        .collect();
    named.sort_by_key(|(stamp, _)| std::cmp::Reverse(*stamp));
    for (_, name) in named.into_iter().take(MAX_POINTS) {
        let place = folder.join(name);
        let listing = place.list().await?.unwrap_or_default();
        let mut files = listing
            .iter()
            .filter(|entry| entry.is_file && entry.name.ends_with(".vmx"));
        if let (Some(vmx), None) = (files.next(), files.next()) {
            return Ok(Some(place.head(&vmx.name, MAX_TEXT).await?));
        }
    }
    Ok(None)
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
            at: name.clone(),
            name,
            bytes,
            sum: None,
            recorded: false,
        })
    });
    Ok(items.collect())
}
