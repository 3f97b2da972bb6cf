//! A VM's .vmx as it lies on a host.

use crate::engine::ProbeAnswer;
use crate::error::Fault;
use crate::host::{HostCommand, Lane};
use crate::hypervisor::DriverFault;
use crate::hypervisor::esxi::{Vmid, commands, vm_inventory};
use crate::hypervisor::shell::{self, FileKind, FileStat, Found};
use crate::vmfiles::{MAX_TEXT, Vmx, VmxError};

use super::answer::blocked;
use super::context::Ctx;
use super::place::VmAt;
use super::replacing::Names;
use super::store;

/// The file, or why there is none that can be worked with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Configuration {
    /// There is no such file; the text says what is there.
    Missing(String),
    /// It is there and no .vmx.
    Unfit {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It was read.
    Read(Box<Content>),
}

/// A .vmx that was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    /// Its path on the host.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they say.
    pub vmx: Vmx,
    /// Permission bits.
    pub mode: u32,
}

impl Configuration {
    /// The content, if it was read.
    pub fn content(&self) -> Option<&Content> {
        match self {
            Self::Read(content) => Some(content),
            Self::Missing(_) | Self::Unfit { .. } => None,
        }
    }

    /// Why nothing can be done with the VM at that place.
    pub fn blocks(&self, at: &VmAt) -> Option<ProbeAnswer> {
        match self {
            Self::Missing(what) => {
                let fault = Fault::new(
                    format!("the .vmx of {} is not there: {what}", at.vm),
                    format!("{}: {}", at.host, at.vmx_path()),
                    "nothing was changed",
                    "bring its files there first (restore, copy_back, or by hand), then retry",
                );
                Some(blocked(
                    what.clone(),
                    fault,
                    &["correct folder, datastore or vmx in the runbook"],
                ))
            }
            Self::Unfit { path, why } => {
                let fault = Fault::new(
                    format!("the .vmx of {} cannot be used: {why}", at.vm),
                    format!("{}: {path}", at.host),
                    "nothing was changed; the file is as it was",
                    "look at that file; mend it or restore another point, then retry",
                );
                Some(blocked(why.clone(), fault, &[]))
            }
            Self::Read(content) => {
                let next = "take all of these lines but one out by hand, then retry";
                duplicate(content).map(|why| refused(at, content, why, next))
            }
        }
    }

    /// Why a host would not take this file into its inventory, or only as an invalid entry.
    pub fn is_refused(&self, at: &VmAt) -> Option<ProbeAnswer> {
        let content = self.content()?;
        let line = *content.vmx.odd_lines().first()?;
        let why = format!("line {line} is neither key = \"value\" nor a comment");
        let next = "mend that line by hand, or restore another point; then retry";
        Some(refused(at, content, why, next))
    }
}

fn refused(at: &VmAt, content: &Content, why: String, next: &str) -> ProbeAnswer {
    let fault = Fault::new(
        format!("the .vmx of {} would be refused: {why}", at.vm),
        format!("{}: {}", at.host, content.path),
        "nothing was changed; the file is as it was",
        next,
    );
    blocked(why, fault, &[])
}

/// VMware refuses a file in which a key stands twice.
fn duplicate(content: &Content) -> Option<String> {
    let (key, lines) = content.vmx.duplicates().into_iter().next()?;
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    Some(format!("{key} stands on lines {}", lines.join(" and ")))
}

/// Reads the VM's .vmx.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn read(ctx: &Ctx, at: &VmAt) -> Result<Configuration, Fault> {
    if at.vmx.is_none() {
        return Ok(Configuration::Missing(format!(
            "{} holds no .vmx, or several",
            at.folder_path()
        )));
    }
    read_file(ctx, at, &at.vmx_path()).await
}

/// Reads the VM's .vmx, which is looked for in its folder where nothing tells its name.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn search(ctx: &Ctx, at: &VmAt) -> Result<Configuration, Fault> {
    read(ctx, &name_vmx(ctx, at.clone()).await?).await
}

/// Reads a file as the VM's .vmx.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn read_file(ctx: &Ctx, at: &VmAt, path: &str) -> Result<Configuration, Fault> {
    let stat = match find(ctx, at, path).await? {
        Found::There(stat) => stat,
        Found::Absent => return Ok(Configuration::Missing(format!("{path} does not exist"))),
        Found::NoFolder => {
            return Ok(Configuration::Missing(format!(
                "there is no folder {}",
                at.folder_path()
            )));
        }
    };
    let unfit = |why: String| {
        Ok(Configuration::Unfit {
            path: path.to_owned(),
            why,
        })
    };
    if stat.kind != FileKind::File {
        return unfit("it is no regular file".into());
    }
    if stat.size > MAX_TEXT as u64 {
        return unfit(
            VmxError::TooLarge {
                bytes: usize::try_from(stat.size).unwrap_or(usize::MAX),
            }
            .to_string(),
        );
    }
    let command = content(path);
    let doing = "reading the .vmx";
    let bytes = ctx
        .read(&at.host, Lane::Control, &command, content_of, doing)
        .await?;
    match Vmx::parse(&bytes) {
        Ok(vmx) => {
            let content = Content {
                path: path.to_owned(),
                bytes,
                vmx,
                mode: stat.mode,
            };
            Ok(Configuration::Read(Box::new(content)))
        }
        Err(error) => unfit(error.to_string()),
    }
}

/// Prints a .vmx; [`content_of`] takes it.
#[must_use]
pub fn content(path: &str) -> HostCommand {
    HostCommand::read(["cat", path])
        .max_output(MAX_TEXT + 1)
        .untold()
}

/// The bytes of a .vmx, as [`content`] prints it.
///
/// # Errors
/// It could not be printed, or not all of it came.
pub fn content_of(output: &crate::host::Output) -> Result<Vec<u8>, DriverFault> {
    if output.status == 0 && !output.truncated {
        return Ok(output.stdout.clone());
    }
    Err(DriverFault::Failed {
        status: output.status,
        text: output.error_text().trim().to_owned(),
    })
}

/// Reads the VM's .vmx, or where it has no such name the one that this run renamed aside last: an
/// edit that ended between its two renames is gone on from there.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn read_or_aside(
    ctx: &Ctx,
    at: &VmAt,
    folder: &[String],
) -> Result<Configuration, Fault> {
    let configuration = read(ctx, at).await?;
    let aside = Names::newest_aside(at, &ctx.run, folder);
    match (&configuration, aside) {
        (Configuration::Missing(_), Some(aside)) => read_file(ctx, at, &aside).await,
        _ => Ok(configuration),
    }
}

/// The answer where somebody holds the .vmx.
pub(super) fn locked(at: &VmAt, who: &str) -> ProbeAnswer {
    let fault = Fault::new(
        format!("the .vmx of {} is locked by {who}", at.vm),
        format!("{}: {}", at.host, at.vmx_path()),
        "nothing was changed",
        "make sure that the VM runs nowhere: find who holds the lock, and stop it there; then retry",
    )
    .passing();
    blocked(format!("locked by {who}"), fault, &[])
}

/// Looks at one path.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn find(ctx: &Ctx, at: &VmAt, path: &str) -> Result<Found, Fault> {
    let doing = format!("looking at {path}");
    ctx.read(
        &at.host,
        Lane::Control,
        &shell::find(path),
        Found::parse,
        &doing,
    )
    .await
}

/// The files of the VM's folder by name; empty where there is no folder.
///
/// # Errors
/// The host could not be asked, or the folder cannot be read.
pub(super) async fn folder(ctx: &Ctx, at: &VmAt) -> Result<Vec<(String, Option<FileStat>)>, Fault> {
    Ok(listed(ctx, at).await?.unwrap_or_default())
}

/// The files of the VM's folder by name; `None` where there is no folder.
///
/// # Errors
/// The host could not be asked, or the folder cannot be read.
pub(super) async fn listed(
    ctx: &Ctx,
    at: &VmAt,
) -> Result<Option<Vec<(String, Option<FileStat>)>>, Fault> {
    listed_at(ctx, at, &at.folder_path()).await
}

/// The files of any folder of the VM's host by name; `None` where there is no folder.
///
/// # Errors
/// The host could not be asked, or the folder cannot be read.
pub(super) async fn listed_at(
    ctx: &Ctx,
    at: &VmAt,
    path: &str,
) -> Result<Option<Vec<(String, Option<FileStat>)>>, Fault> {
    match find(ctx, at, path).await? {
        Found::There(_) => {}
        Found::Absent | Found::NoFolder => return Ok(None),
    }
    let doing = format!("listing {path}");
    let entries = ctx
        .read(
            &at.host,
            Lane::Control,
            &shell::list(path),
            shell::entries,
            &doing,
        )
        .await?;
    let entries = entries.into_iter().filter(|entry| entry.name != b".");
    let named = entries.map(|entry| {
        let name = entry.text().map_or_else(|| entry.display(), str::to_owned);
        (name, entry.stat)
    });
    Ok(Some(named.collect()))
}

/// The place with the .vmx file's name, looked for in the folder where nothing else tells it.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn name_vmx(ctx: &Ctx, mut at: VmAt) -> Result<VmAt, Fault> {
    if at.vmx.is_none() {
        let names = folder(ctx, &at).await?.into_iter().map(|(name, _)| name);
        let mut found = names.filter(|name| name.ends_with(".vmx"));
        at.vmx = match (found.next(), found.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        };
    }
    Ok(at)
}

/// Which of the unreadable entries stands for the VM's file.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn invalid_entry(
    ctx: &Ctx,
    at: &VmAt,
    invalid: &[Vmid],
) -> Result<Option<Vmid>, Fault> {
    let command = commands::vm_inventory();
    let doing = "reading which files are registered";
    // A host that hides this file answers `registervm` with the entry's number all the same.
    let entries = ctx
        .read(
            &at.host,
            Lane::Control,
            &command,
            vm_inventory::parse,
            doing,
        )
        .await;
    for (vmid, path) in entries.unwrap_or_default() {
        if invalid.contains(&vmid) && store::is_own(ctx, at, &path).await? {
            return Ok(Some(vmid));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::blocked as why_blocked;
    use crate::actions::tests::parts::place;

    #[test]
    fn a_file_that_a_host_would_refuse_is_named_with_its_line() {
        let at = place(Some("sql01.vmx"));
        let read = |text: &str| {
            let (bytes, vmx) = (
                text.as_bytes().to_vec(),
                Vmx::parse(text.as_bytes()).unwrap(),
            );
            Configuration::Read(Box::new(Content {
                path: "/x.vmx".into(),
                bytes,
                vmx,
                mode: 0o755,
            }))
        };
        let answer = read("memSize = \"4\"\nno equals sign\n")
            .is_refused(&at)
            .unwrap();
        let fault = why_blocked(&answer);
        assert!(fault.what.contains("line 2"), "{fault}");
        assert_eq!(fault.place, "lee-esx1: /x.vmx");
        assert_eq!(
            read("#!/usr/bin/vmware\nmemSize = \"4\"\n").is_refused(&at),
            None
        );
    }
}
