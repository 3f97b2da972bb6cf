//! That a VM was off from before the first byte of its files was read until after the last, and has not run
//! there since: what it wrote in between would be lost with the copy.
//!
//! Its hosts tell whether it runs now. That it ran and was stopped again is told by its files: whoever
//! starts a VM changes its .vmx, its .nvram and its disks.

use crate::actions::configuration;
use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::ownership::{Ownership, copy_line};
use crate::actions::place::VmAt;
use crate::actions::sighting;
use crate::engine::{Fact, RestingFile, copy_counts};
use crate::error::Fault;
use crate::hypervisor::shell::{self, FileStat};
use crate::names::{HostName, VmName};
use crate::vmfiles::FileKind;

use super::reached;

/// What lies in the VM's folder while it is to stay off.
pub struct Rest<'a> {
    from: &'a VmAt,
    files: Vec<RestingFile>,
}

impl<'a> Rest<'a> {
    /// Looks at the files before the first of them is read. From here on nothing that was copied of them
    /// counts until [`Rest::held`] has said so.
    ///
    /// # Errors
    /// The host could not be asked, or the run no longer waits for this action.
    pub async fn begin(ctx: &Ctx, from: &'a VmAt) -> Result<Self, ActError> {
        let files = resting(ctx, from, &from.folder_path()).await?;
        let (vm, host) = (from.vm.clone(), from.host.clone());
        ctx.link.fact(Fact::CopyBegan { vm, host }).await?;
        Ok(Self { from, files })
    }

    /// Looks again after the last was read, and keeps that the VM stayed off.
    ///
    /// # Errors
    /// It did not, or that cannot be told: what was copied may be half of one state and half of another.
    pub async fn held(self, ctx: &Ctx) -> Result<(), ActError> {
        let from = self.from;
        let owner = sighting::of_hosts(ctx, &from.vm, from.role).await;
        if let Some(seen) = runs(&owner) {
            return Err(ActError::Failed(woke(from, &seen)));
        }
        reached(&owner, from).map_err(ActError::Failed)?;
        let folder = from.folder_path();
        let files = resting(ctx, from, &folder).await?;
        if let Some(seen) = changed(&self.files, &files) {
            return Err(ActError::Failed(woke(from, &seen)));
        }
        let fact = Fact::CopiedAtRest {
            vm: from.vm.clone(),
            host: from.host.clone(),
            folder,
            files,
        };
        ctx.link.fact(fact).await
    }
}

fn woke(from: &VmAt, seen: &str) -> Fault {
    Fault::new(
        format!(
            "{} did not stay off in {} while its files were copied: {seen}",
            from.vm, from.site
        ),
        from.host.as_str(),
        "what was copied may be half of one state and half of another, so it does not count; nothing was started",
        format!(
            "see to it that {} is off in {} and stays so, then retry: its files are compared again, and what \
             differs is copied",
            from.vm, from.site
        ),
    )
}

/// Where the VM runs, in words.
fn runs(owner: &Ownership) -> Option<String> {
    let (host, copy) = owner.running().next()?;
    Some(format!("on {host} it is {}", copy_line(copy)))
}

/// Looks whether the VM has run where this run copied its files from since they were copied, and keeps that
/// it has. A host that cannot be asked is for those who judge its silence.
pub async fn has_run_since(ctx: &Ctx, at: &VmAt) -> Option<String> {
    let facts = ctx.run_facts();
    let (host, folder, files) = last(&at.vm, &facts)?;
    let there = ctx.runbook.hosts.get(host).map(|host| &host.site);
    if there != Some(&ctx.runbook.site_with(at.role.other())) {
        // It is to start where it was copied from, as on the way back from there.
        return None;
    }
    let source = VmAt {
        host: host.clone(),
        ..at.clone()
    };
    let now = resting(ctx, &source, folder).await.ok()?;
    let seen = changed(files, &now)?;
    let fact = Fact::RanSinceCopied {
        vm: at.vm.clone(),
        host: host.clone(),
        seen: seen.clone(),
    };
    if copy_counts(&at.vm, &facts) {
        // Where the run no longer waits for this look, nothing goes on by it.
        let _ = ctx.link.fact(fact).await;
    }
    Some(format!("on {host} {seen}"))
}

/// The copy of the VM's own files from which it is to start: none where a restore point came after it.
fn last<'a>(vm: &VmName, facts: &'a [Fact]) -> Option<(&'a HostName, &'a str, &'a [RestingFile])> {
    let newest = facts.iter().rev().find(|fact| match fact {
        Fact::CopiedAtRest { vm: of, .. } | Fact::PointChosen { vm: of, .. } => of == vm,
        _ => false,
    });
    match newest? {
        Fact::CopiedAtRest {
            host,
            folder,
            files,
            ..
        } => Some((host, folder, files)),
        _ => None,
    }
}

/// The files in the folder that are the VM: not its logs, its swap or its locks.
async fn resting(ctx: &Ctx, at: &VmAt, folder: &str) -> Result<Vec<RestingFile>, Fault> {
    let listed = configuration::listed_at(ctx, at, folder).await?;
    Ok(of_vm(listed.unwrap_or_default()))
}

fn of_vm(listed: Vec<(String, Option<FileStat>)>) -> Vec<RestingFile> {
    let is_of_vm = |name: &str| {
        !matches!(
            FileKind::of(name),
            FileKind::Log | FileKind::LeftBehind(_) | FileKind::Other
        )
    };
    let known = listed
        .into_iter()
        .filter_map(|(name, stat)| stat.map(|stat| (name, stat)));
    let files = known.filter(|(name, stat)| stat.kind == shell::FileKind::File && is_of_vm(name));
    files
        .map(|(name, stat)| RestingFile {
            name,
            bytes: stat.size,
            modified: stat.modified,
        })
        .collect()
}

/// What is otherwise now, in words.
fn changed(before: &[RestingFile], now: &[RestingFile]) -> Option<String> {
    let absent = |file: &&RestingFile, others: &[RestingFile]| {
        !others.iter().any(|other| other.name == file.name)
    };
    if let Some(gone) = before.iter().find(|file| absent(file, now)) {
        return Some(format!("{} is gone", gone.name));
    }
    if let Some(new) = now.iter().find(|file| absent(file, before)) {
        return Some(format!("{} is new", new.name));
    }
    let other = now.iter().find(|file| !before.contains(file))?;
    Some(format!("{} has changed", other.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, bytes: u64, modified: i64) -> RestingFile {
        RestingFile {
            name: name.to_owned(),
            bytes,
            modified,
        }
    }

    #[test]
    fn a_file_that_changed_came_or_went_tells_that_its_vm_ran() {
        let (vmx, disk) = (file("a.vmx", 9, 100), file("a-flat.vmdk", 4096, 100));
        let before = [vmx.clone(), disk.clone()];
        let stories: [(&[RestingFile], Option<&str>); 5] = [
            (&[disk.clone(), vmx.clone()], None),
            (
                &[vmx.clone(), file("a-flat.vmdk", 4096, 101)],
                Some("a-flat.vmdk has changed"),
            ),
            (
                &[file("a.vmx", 10, 100), disk.clone()],
                Some("a.vmx has changed"),
            ),
            (std::slice::from_ref(&vmx), Some("a-flat.vmdk is gone")),
            (
                &[vmx.clone(), disk.clone(), file("a-000001.vmdk", 300, 100)],
                Some("a-000001.vmdk is new"),
            ),
        ];
        for (now, said) in stories {
            assert_eq!(changed(&before, now).as_deref(), said);
        }
    }

    #[test]
    fn its_logs_its_swap_and_its_locks_tell_nothing() {
        let stat = FileStat {
            kind: shell::FileKind::File,
            size: 9,
            mode: 0o600,
            modified: 1,
            allocated: 9,
        };
        let names = [
            "a.vmx",
            "vmware.log",
            "a-1abca412.vswp",
            "a.vmx.lck",
            "a.nvram",
        ];
        let listed = names.map(|name| (name.to_owned(), Some(stat)));
        let kept: Vec<String> = of_vm(listed.to_vec())
            .into_iter()
            .map(|file| file.name)
            .collect();
        assert_eq!(kept, ["a.vmx", "a.nvram"]);
    }
}
