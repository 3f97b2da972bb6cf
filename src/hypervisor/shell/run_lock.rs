//! A run's lock beside a VM's folder: a folder of its own with one file in it that names its owner.
//!
//! `mkdir` is what decides: it either makes the folder or fails, in one act, on VMFS, on every NFS
//! and locally (an exclusive create of a file is not one act on every NFS, hard links are missing on
//! VMFS, `set -C` and `ln` would follow what stands there). A lock is never taken away from its
//! owner: whoever breaks it makes the folder `next` within it, so of two that break the same lock
//! one wins, nobody breaks another lock than the one that was seen, and a lock that is being broken
//! cannot vanish, because a folder that is not empty is not removed. The innermost folder rules.
//!
//! A lock without a name may be one that its maker is about to name, held up between the two. So
//! whoever names a folder looks for `next` in it afterwards, and whoever breaks a lock makes `next`
//! before it reads the name: of the two at least one sees the other, and never do both have it.
//!
//! Each script ends with status 0 only if it has changed something; with 2 where a lock lost its name
//! and stays.

use super::{SHORT, operand};
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{said, succeeded, unexpected, whole};

/// Makes the folder `$1` and names `$2` as its owner; inside a lock only while `$3` owns that.
pub(super) const TAKE: &str = r#"if e=$(mkdir "$1" 2>&1); then
  if [ $# -gt 2 ] && [ "$(cat "${1%/next}/owner" 2>/dev/null)" != "$3" ]; then
    rmdir "$1"; echo changed; exit 1
  fi
  printf '%s\n' "$2" >"$1/owner"
  if [ "$(cat "$1/owner" 2>/dev/null)" = "$2" ]; then
    if [ -d "$1/next" ]; then echo held; exit 1; fi
    echo taken; exit 0
  fi
  rm -f "$1/owner"; rmdir "$1"
  echo unwritten; exit 1
fi
if [ -d "$1" ]; then echo held; exit 1; fi
printf '%s\n' "$e" >&2
exit 1"#;

/// Shows each folder from `$1` inwards with its owner.
const READ: &str = r#"d=$1
while [ -d "$d" ]; do
  printf 'lock %s\n%s\n' "$d" "$(cat "$d/owner" 2>/dev/null)"
  d=$d/next
done
echo end"#;

/// Removes the folder `$1`, if `$2` owns it, and those around it up to `$3`.
pub(super) const RELEASE: &str = r#"if [ ! -d "$1" ]; then echo absent; exit 1; fi
if [ "$(cat "$1/owner" 2>/dev/null)" != "$2" ]; then echo other; exit 1; fi
d=$1
while rm -f "$d/owner" && rmdir "$d"; do
  if [ "$d" = "$3" ]; then echo released; exit 0; fi
  d=${d%/next}
done
exit 2"#;

/// A lock as it stands: the innermost of its folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingLock {
    /// That folder.
    pub folder: String,
    /// What names its owner, as it stands there; empty where nothing does.
    pub owner: String,
}

/// What became of an attempt to take a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockTaken {
    /// It is ours.
    Done,
    /// Somebody else has it, or is about to break it.
    Held,
    /// The lock that was to be broken has another owner by now.
    Changed,
}

/// Takes the lock `folder` that nobody has; `owner` is one line.
#[must_use]
pub fn take_lock(folder: &str, owner: &str) -> HostCommand {
    HostCommand::script(Effect::Write, TAKE, [operand(folder), owner.to_owned()])
}

/// Takes a lock in its owner's stead.
#[must_use]
pub fn break_lock(standing: &StandingLock, owner: &str) -> HostCommand {
    let folder = format!("{}/next", standing.folder);
    let words = [operand(&folder), owner.to_owned(), standing.owner.clone()];
    HostCommand::script(Effect::Write, TAKE, words)
}

impl LockTaken {
    /// Reads the reply of [`take_lock`] or [`break_lock`].
    ///
    /// # Errors
    /// The lock could not be made: the host's own words.
    pub fn parse(output: &Output) -> Result<Self, DriverFault> {
        match (output.status, output.text().trim()) {
            (0, "taken") => Ok(Self::Done),
            (1, "held") => Ok(Self::Held),
            (1, "changed") => Ok(Self::Changed),
            (1, "unwritten") => Err(DriverFault::Failed {
                status: 1,
                text: format!("nothing could be written into its folder: {}", said(output)),
            }),
            (0, text) => Err(unexpected("what became of the lock", text)),
            _ => succeeded(output, "mkdir").map(|()| Self::Held),
        }
    }
}

/// Looks at the lock that begins at `folder`.
#[must_use]
pub fn read_lock(folder: &str) -> HostCommand {
    HostCommand::script(Effect::Read, READ, [operand(folder)]).max_output(SHORT)
}

impl StandingLock {
    /// Reads the reply of [`read_lock`]; `None` where there is no lock.
    ///
    /// # Errors
    /// The reply is cut or not one of that script.
    pub fn parse(output: &Output) -> Result<Option<Self>, DriverFault> {
        succeeded(output, "cat")?;
        whole(output)?;
        let text = output.text();
        let Some(body) = text.strip_suffix("end\n") else {
            return Err(unexpected("the end of the lock", &text));
        };
        let mut standing: Option<Self> = None;
        let mut next = None;
        for line in body.lines() {
            let here = line.strip_prefix("lock ");
            match (here, &mut standing) {
                (Some(folder), _) if next.as_deref().is_none_or(|next| next == folder) => {
                    next = Some(format!("{folder}/next"));
                    standing = Some(Self {
                        folder: folder.to_owned(),
                        owner: String::new(),
                    });
                }
                (_, Some(lock)) => {
                    if !lock.owner.is_empty() {
                        lock.owner.push('\n');
                    }
                    lock.owner.push_str(line);
                }
                (_, None) => return Err(unexpected("the lock's folder", line)),
            }
        }
        Ok(standing)
    }
}

/// Looks whether the login may write into a folder: status 0 if so.
#[must_use]
pub fn is_writable(folder: &str) -> HostCommand {
    HostCommand::read(["test", "-w", &operand(folder)])
}

/// Gives back a lock that begins at `folder`, if it stands as seen.
#[must_use]
pub fn release_lock(standing: &StandingLock, folder: &str) -> HostCommand {
    let words = [
        operand(&standing.folder),
        standing.owner.clone(),
        operand(folder),
    ];
    HostCommand::script(Effect::Write, RELEASE, words)
}

#[cfg(test)]
mod tests;
