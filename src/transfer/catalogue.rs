//! What the folder of a VM's backup holds: its restore points.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::Read;

use jiff::Timestamp;

use super::chain::{self, Shelved};
use super::layout::{Layout, Stamp};
use super::point::Point;
use super::shelf::{Kind, Name};
use super::source::{Folder, join};
use super::target::{Work, time_for};
use crate::error::Fault;
use crate::host::{Effect, HostCommand};
use crate::runbook::model::PointChoice;
use crate::vmfiles::{FileKind, MAX_TEXT};

/// Points that are looked at, newest first; older ones are not offered, unless they are asked for.
const MAX_POINTS: usize = 30;
/// Older points that are read at a time where a file of an increment is still looked for.
const BATCH: usize = 100;
/// How often that is done.
const MAX_BATCHES: usize = 10;

/// The beginnings of files, each behind a line that says how many bytes of it come: `$1` bytes at
/// most of each of the others, `-` for one that cannot be read, as a
/// file that a running VM holds. One exec, however many files.
const HEADS: &str = r#"most=$1; shift
for file in "$@"; do
  if [ -f "$file" ] && [ -r "$file" ] && true 2>/dev/null <"$file"; then
    dd if="$file" bs="$most" count=1 2>/dev/null | wc -c
    dd if="$file" bs="$most" count=1 2>/dev/null
  else echo -; fi
done"#;

impl Folder {
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
            Self::Stream(stream) => {
                let mut heads = Vec::with_capacity(names.len());
                for name in names {
                    heads.push(stream.head(name, limit).await?);
                }
                return Ok(heads);
            }
        };
        let paths: Vec<String> = names.iter().map(|name| join(path, name)).collect();
        let mut heads = Vec::with_capacity(names.len());
        while let Some(left) = paths.get(heads.len()..).filter(|left| !left.is_empty()) {
            let batch = HostCommand::fitting(left);
            let output = host
                .read(lane, &heads_command(batch.iter().cloned(), limit))
                .await
                .map_err(|error| error.fault(host.name()))?;
            let mut rest = output.stdout.as_slice();
            for _ in batch {
                let (head, after) = next_head(rest).ok_or_else(|| {
                    let name = names.get(heads.len()).copied().unwrap_or_default();
                    self.unreadable(&format!("{name} is not there or may not be read"))
                })?;
                heads.push(head.to_vec());
                rest = after;
            }
        }
        Ok(heads)
    }
}

/// Asks for up to `limit` bytes from the beginnings of files. What is in a VM's files stands on no
/// screen and in no log.
fn heads_command(paths: impl ExactSizeIterator<Item = String>, limit: usize) -> HostCommand {
    // A line of length and a newline for each.
    let most = paths.len().saturating_mul(limit.saturating_add(32));
    let words = std::iter::once(limit.to_string()).chain(paths);
    let command = HostCommand::script(Effect::Read, HEADS, words).max_output(most);
    command.deadline(time_for(most as u64)).untold()
}

impl<W> Work<W> {
    /// Up to `limit` bytes from the beginning of a file of the target, however often the link drops;
    /// `None` where there is no such file.
    pub(super) async fn head(&self, name: &str, limit: usize) -> Result<Option<Vec<u8>>, Fault> {
        let to = &self.to;
        let command = heads_command(std::iter::once(to.path(name)), limit);
        let output = self.look(&to.host, to.lane, &command).await?;
        Ok(next_head(&output.stdout).map(|(head, _)| head.to_vec()))
    }
}

/// The first file in the reply of [`HEADS`], and what follows it.
fn next_head(reply: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = reply.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = reply.split_at(end);
    let length: usize = std::str::from_utf8(line).ok()?.trim().parse().ok()?;
    rest.get(1..)?.split_at_checked(length)
}

/// The restore points of a VM, newest first: the folders in `<backup>/<vm>`, and that folder itself
/// where it holds a `.vmx`. Each is assessed by its listing, its `SHA256SUMS` and the texts that tell
/// whether it is whole; the sums of disks are proven where they arrive.
///
/// # Errors
/// The backup cannot be read. That a VM has no points is no error.
pub async fn points(backup: &Folder, vm: &str) -> Result<Vec<Point>, Fault> {
    points_for(backup, vm, &[]).await
}

/// The same, with those beside the newest that one of these choices could take, however old they are.
///
/// # Errors
/// As of [`points`].
pub async fn points_for(
    backup: &Folder,
    vm: &str,
    wanted: &[PointChoice],
) -> Result<Vec<Point>, Fault> {
    let folder = backup.join(vm);
    let names = folder.names().await?.unwrap_or_default();
    let (read_first, mut older) = candidates(&names, vm, wanted);
    let mut shelf = read(&folder, vm, &read_first).await?;
    let top = shelf.iter().find(|one| one.name() == ".");
    let is_read = read_first.contains(&".");
    let archives = archives(&folder, vm, &names, (top, is_read)).await?;
    shelf.extend(archives);
    let links = names.iter().filter(|name| name.kind == Kind::Link);
    shelf.extend(links.filter_map(|name| Shelved::link(&name.text, vm)));
    chain::newest_first(&mut shelf);
    let offered = looked_at(&shelf, wanted, |one| (one.stamp(), one.name()));
    let offered: BTreeSet<String> = offered
        .into_iter()
        .filter_map(|at| Some(shelf.get(at)?.name().to_owned()))
        .collect();
    // An increment may rest on a point that is not offered itself.
    for _ in 0..MAX_BATCHES {
        let Some(open) = chain::newest_open(&shelf, &offered) else {
            break;
        };
        let first = older.partition_point(|(stamp, _)| *stamp > open);
        let batch = older.drain(first..older.len().min(first + BATCH));
        let batch: Vec<&str> = batch.map(|(_, name)| name).collect();
        if batch.is_empty() {
            break;
        }
        shelf.extend(read(&folder, vm, &batch).await?);
        chain::newest_first(&mut shelf);
    }
    let top = folder.path_text();
    let places = shelf.iter().enumerate();
    let places = places.filter(|(_, one)| offered.contains(one.name()));
    let assessed = places.filter_map(|(at, _)| chain::assess(&shelf, at, &top));
    Ok(assessed.collect())
}

/// The places in a list, newest first, of what is looked at: the newest, and what these choices could
/// take. `of` tells the moment and the name of one.
fn looked_at<T>(
    newest_first: &[T],
    wanted: &[PointChoice],
    of: impl Fn(&T) -> (Stamp, &str),
) -> BTreeSet<usize> {
    let mut places: BTreeSet<usize> = (0..newest_first.len().min(MAX_POINTS)).collect();
    let all = || newest_first.iter().map(&of).enumerate();
    for choice in wanted {
        match choice {
            PointChoice::Latest => {}
            PointChoice::Stamp(text) => {
                let stamp = text.parse().ok();
                let found = all().filter(|(_, (at, name))| Some(*at) == stamp || name == text);
                places.extend(found.map(|(place, _)| place));
            }
            PointChoice::Before(time) => {
                let limit: Option<Timestamp> = time.parse().ok();
                let found =
                    all().filter(|(_, (at, _))| limit.is_some_and(|limit| at.time() <= limit));
                places.extend(found.take(MAX_POINTS).map(|(place, _)| place));
            }
        }
    }
    places
}

async fn read(folder: &Folder, vm: &str, names: &[&str]) -> Result<Vec<Shelved>, Fault> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let contents = folder.contents(names).await?;
    let read = names.iter().zip(contents);
    let mut shelved: Vec<Shelved> = read
        .filter_map(|(name, contents)| Shelved::new(name, vm, contents))
        .collect();
    if matches!(folder, Folder::Stream(_)) {
        // A tool has a point whole or not at all: it needs no sums to say what belongs to it.
        shelved.iter_mut().for_each(Shelved::do_without_sums);
    }
    read_within(folder, &mut shelved).await?;
    Ok(shelved)
}

/// Reads the folders in points that their texts lead to, until none leads any further.
async fn read_within(folder: &Folder, shelved: &mut [Shelved]) -> Result<(), Fault> {
    loop {
        let mut wanted = Vec::new();
        for (at, one) in shelved.iter().enumerate() {
            wanted.extend(
                one.unread()
                    .into_iter()
                    .map(|path| (at, one.at(&path), path)),
            );
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = wanted.iter().map(|(_, name, _)| name.as_str()).collect();
        let contents = folder.contents(&names).await?;
        for ((at, _, path), contents) in wanted.into_iter().zip(contents) {
            if let Some(one) = shelved.get_mut(at) {
                one.put_within(path, contents);
            }
        }
    }
}

/// Points that ghettoVCB packed into one file each. When one was written is asked for where its name
/// does not tell, unless the folder of the VM `is_read`.
async fn archives(
    folder: &Folder,
    vm: &str,
    names: &[Name],
    (top, is_read): (Option<&Shelved>, bool),
) -> Result<Vec<Shelved>, Fault> {
    let is_archive = |name: &&Name| {
        name.kind == Kind::File && matches!(packed(&name.text, vm), Some(Layout::GhettoVcb(_)))
    };
    let named: Vec<&Name> = names.iter().filter(is_archive).collect();
    let tells = |name: &&Name| matches!(packed(&name.text, vm), Some(Layout::GhettoVcb(Some(_))));
    let listed = if is_read || named.iter().all(tells) {
        Vec::new()
    } else {
        folder.contents(&["."]).await?
    };
    let written = |name: &str| {
        let own = top.and_then(|top| top.entry(name));
        let entry = own.or_else(|| listed.iter().find_map(|top| top.entry(name)));
        entry.map(|entry| entry.modified)
    };
    let archive = |name: &Name| Shelved::archive(&name.text, vm, written(&name.text));
    Ok(named.into_iter().filter_map(archive).collect())
}

/// What the name of an archive says of the point in it.
fn packed(name: &str, vm: &str) -> Option<Layout> {
    let name = name.strip_suffix(".gz")?;
    Some(Layout::of(name, vm))
}

/// Folders that are read: the newest by their names, those that these choices could take, and some whose
/// names tell no time; then others with a stamp, newest first, in which files of increments may lie.
fn candidates<'a>(
    names: &'a [Name],
    vm: &str,
    wanted: &[PointChoice],
) -> (Vec<&'a str>, Vec<(Stamp, &'a str)>) {
    let mut dated = Vec::new();
    let mut others = Vec::new();
    for name in names.iter().filter(|name| name.kind == Kind::Folder) {
        let layout = Layout::of(&name.text, vm);
        match layout.stamp() {
            Some(stamp) => dated.push((stamp, layout, name.text.as_str())),
            None if name.text != "." => others.push(name.text.as_str()),
            None => {}
        }
    }
    dated.sort_by_key(|(stamp, _, _)| Reverse(*stamp));
    let looked_at = looked_at(&dated, wanted, |(stamp, _, name)| (*stamp, name));
    let is_vmx = |name: &Name| name.kind == Kind::File && FileKind::of(&name.text) == FileKind::Vmx;
    let own = names.iter().any(is_vmx).then_some(".");
    let mut first: Vec<&str> = Vec::new();
    let mut older = Vec::new();
    for (place, (stamp, layout, name)) in dated.into_iter().enumerate() {
        if looked_at.contains(&place) {
            first.push(name);
        } else if matches!(layout, Layout::Stamped { .. }) {
            older.push((stamp, name));
        }
    }
    first.extend(own);
    let asked = |name: &&str| {
        let asked =
            |choice: &PointChoice| matches!(choice, PointChoice::Stamp(text) if text == name);
        wanted.iter().any(asked)
    };
    let (asked, others): (Vec<&str>, Vec<&str>) = others.into_iter().partition(asked);
    first.extend(asked);
    first.extend(others.into_iter().rev().take(MAX_POINTS));
    (first, older)
}

/// The bytes of the .vmx in a VM's newest restore point that has one; whether that point is sound
/// makes no difference to whose it is.
///
/// # Errors
/// The backup cannot be read.
pub async fn newest_vmx(backup: &Folder, vm: &str) -> Result<Option<Vec<u8>>, Fault> {
    for point in points(backup, vm).await? {
        if let Some(vmx) = vmx_of(backup, vm, &point).await? {
            return Ok(Some(vmx));
        }
    }
    Ok(None)
}

/// The bytes of the .vmx of a restore point of a VM as they come, of one that has exactly one.
///
/// # Errors
/// The backup cannot be read.
pub async fn vmx_of(backup: &Folder, vm: &str, point: &Point) -> Result<Option<Vec<u8>>, Fault> {
    let Some(vmx) = point.vmx().and_then(|name| point.file(name)) else {
        return Ok(None);
    };
    if let Some(text) = &vmx.text {
        return Ok(Some(text.clone()));
    }
    backup.join(vm).head(&vmx.at, MAX_TEXT).await.map(Some)
}

impl Folder {
    /// Its path on its machine, or what stands for one.
    pub(super) fn path_text(&self) -> String {
        match self {
            Self::Here(path) => path.display().to_string(),
            Self::On { path, .. } => path.clone(),
            Self::Stream(stream) => stream.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_reply_has_the_time_that_its_bytes_take_on_a_slow_line() {
        let limit = |files: usize| {
            let paths = (0..files).map(|file| format!("/vmfs/volumes/ds/{file}.vmdk"));
            heads_command(paths, 1 << 20).time_limit()
        };
        assert!(limit(1) > HostCommand::DEADLINE);
        assert!(limit(1000) >= limit(1) + Duration::from_secs(1000));
    }
}
