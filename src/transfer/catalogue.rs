//! What a folder holds: the restore points of a VM, or a VM's own files.

use std::io::Read;

use super::chain::{self, Shelved};
use super::deliver::Item;
use super::layout::Layout;
use super::point::Point;
use super::shelf::Name;
use super::source::{Folder, join};
use crate::error::Fault;
use crate::host::{Effect, HostCommand};
use crate::vmfiles::{Descriptor, FileKind, Vmx};

/// Points that are looked at, newest first; older ones are not offered.
const MAX_POINTS: usize = 30;
/// Older points that are read at a time where a file of an increment is still looked for.
const BATCH: usize = 100;
/// How often that is done.
const MAX_BATCHES: usize = 10;

/// Up to `$2` bytes from the beginning of `$1`.
const HEAD: &str = r#"[ -f "$1" ] && [ -r "$1" ] && dd if="$1" bs="$2" count=1 2>/dev/null"#;

impl Folder {
    /// Up to `limit` bytes from a file's beginning.
    pub(super) async fn head(&self, name: &str, limit: usize) -> Result<Vec<u8>, Fault> {
        let (host, path, lane) = match self {
            Self::Here(folder) => {
                let mut bytes = Vec::new();
                let read = std::fs::File::open(folder.join(name))
                    .and_then(|file| file.take(limit as u64).read_to_end(&mut bytes));
                return read
                    .map(|_| bytes)
                    .map_err(|error| self.unreadable(&format!("{name}: {error}")));
            }
            Self::On { host, path, lane } => (host, join(path, name), *lane),
        };
        let words = [path, limit.to_string()];
        // What `dd` says of a file that it cannot open is longer than a small limit.
        let command = HostCommand::script(Effect::Read, HEAD, words).max_output(limit + 1024);
        let output = host
            .read(lane, &command)
            .await
            .map_err(|error| error.fault(host.name()))?;
        if output.status == 0 {
            Ok(output.stdout)
        } else {
            Err(self.unreadable(&format!("{name} is not there or may not be read")))
        }
    }
}

/// The restore points of a VM, newest first: the folders in `<backup>/<vm>`, and that folder itself
/// where it holds a `.vmx`. Each is assessed by its listing, its `SHA256SUMS` and the texts that tell
/// whether it is whole; the sums of disks are proven where they arrive.
///
/// # Errors
/// The backup cannot be read. That a VM has no points is no error.
pub async fn points(backup: &Folder, vm: &str) -> Result<Vec<Point>, Fault> {
    let folder = backup.join(vm);
    let names = folder.names().await?.unwrap_or_default();
    let (wanted, older) = candidates(&names, vm);
    let mut shelf = read(&folder, vm, &wanted).await?;
    let archives = names.iter().filter(|name| !name.is_folder);
    shelf.extend(archives.filter_map(|name| Shelved::archive(&name.text, vm)));
    chain::newest_first(&mut shelf);
    let points = shelf.len().min(MAX_POINTS);
    // An increment may rest on a point that is no longer offered itself.
    let mut batches = older.chunks(BATCH).take(MAX_BATCHES);
    while chain::leaves_open(&shelf, points)
        && let Some(batch) = batches.next()
    {
        shelf.extend(read(&folder, vm, batch).await?);
    }
    let top = folder.path_text();
    let assessed = (0..points).filter_map(|at| chain::assess(&shelf, at, &top));
    Ok(assessed.collect())
}

async fn read(folder: &Folder, vm: &str, names: &[&str]) -> Result<Vec<Shelved>, Fault> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let contents = folder.contents(names).await?;
    let read = names.iter().zip(contents);
    let shelved = read.filter_map(|(name, contents)| Shelved::new(name, vm, contents));
    Ok(shelved.collect())
}

/// Folders that are read: the newest by their names, and some whose names tell no time; then older
/// ones with a stamp, newest first, in which files of increments may lie.
fn candidates<'a>(names: &'a [Name], vm: &str) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut dated = Vec::new();
    let mut others = Vec::new();
    for name in names.iter().filter(|name| name.is_folder) {
        let layout = Layout::of(&name.text, vm);
        match layout.stamp() {
            Some(stamp) => dated.push((stamp, layout, name.text.as_str())),
            None if name.text != "." => others.push(name.text.as_str()),
            None => {}
        }
    }
    dated.sort_by_key(|(stamp, _, _)| std::cmp::Reverse(*stamp));
    let older = dated.split_off(dated.len().min(MAX_POINTS));
    let is_vmx = |name: &Name| !name.is_folder && FileKind::of(&name.text) == FileKind::Vmx;
    let own = names.iter().any(is_vmx).then_some(".");
    let mut wanted: Vec<&str> = dated.iter().map(|(_, _, name)| *name).collect();
    wanted.extend(own);
    wanted.extend(others.into_iter().rev().take(MAX_POINTS));
    let stamped = older
        .into_iter()
        .filter(|(_, layout, _)| matches!(layout, Layout::Stamped { .. }));
    (wanted, stamped.map(|(_, _, name)| name).collect())
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
    let contents = folder.contents(&["."]).await?.pop().unwrap_or_default();
    if let Some(trouble) = &contents.trouble {
        return Err(folder.unreadable(trouble));
    }
    let text_of = |name: &str| {
        let missing = || folder.unreadable(&format!("{name} is not there or may not be read"));
        contents.texts.get(name).ok_or_else(missing)
    };
    let has = |name: &str| contents.entry(name).is_some_and(|entry| entry.is_file);
    let parsed =
        Vmx::parse(text_of(vmx)?).map_err(|why| folder.unreadable(&format!("{vmx}: {why}")))?;
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
    names.extend(beside.into_iter().flatten().filter(|name| has(name)));
    let mut disks = parsed.disk_files();
    while let Some(name) = disks.pop() {
        if names.contains(&name) {
            continue;
        }
        if !has(&name) {
            return Err(folder.unreadable(&format!("the VM's disk {name} is not in this folder")));
        }
        let disk = Descriptor::parse(text_of(&name)?);
        let disk = disk.map_err(|why| folder.unreadable(&format!("{name}: {why}")))?;
        names.push(name.clone());
        disks.extend(disk.parent_hint.clone());
        for file in disk.files() {
            if !has(file) {
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
        let bytes = contents.entry(&name)?.bytes;
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
