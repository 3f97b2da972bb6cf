//! Making a .vmx fit the host before it is entered: what is asked of the host, and how the changes
//! are shown.

use crate::actions::answer::blocked;
use crate::actions::configuration::Content;
use crate::actions::context::Ctx;
use crate::actions::place::VmAt;
use crate::actions::replacing;
use crate::engine::{Fact, ProbeAnswer};
use crate::error::Fault;
use crate::host::{HostCommand, Lane, Output};
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::version::Version;
use crate::hypervisor::shell::{self, FileStat};
use crate::runbook::model::{Adapter, Runbook, SiteRole};
use crate::vmfiles::{
    Apart, Descriptor, Fitting, Runnable, Severity, Surroundings, Vmx, fit_to_host, path_on_host,
};

/// A descriptor is a few hundred bytes; what is larger holds data, and is no pointer.
const DESCRIPTOR: u64 = 64 << 10;

/// Asks for what decides whether the host could run the VM. Sends reads only.
///
/// # Errors
/// The host could not be asked.
pub(in crate::actions) async fn surroundings(
    ctx: &Ctx,
    at: &VmAt,
    vmx: &Vmx,
    folder: &[(String, Option<FileStat>)],
) -> Result<Surroundings, Fault> {
    let came = at.role == SiteRole::Recovery;
    let apart = apart(&ctx.runbook, at);
    let mut there = there(ctx, at, vmx).await?;
    // What others have is not there for a drill.
    there.retain(|path| apart.as_ref().is_none_or(|apart| apart.is_own(path)));
    Ok(Surroundings {
        host: match apart {
            Some(_) => format!("a drill on {}", at.host),
            None => at.host.to_string(),
        },
        folder: folder.iter().map(|(name, _)| name.clone()).collect(),
        brought: brought(ctx, at),
        there,
        pointers: if came {
            pointers(ctx, at, vmx, folder).await?
        } else {
            Vec::new()
        },
        newest_hardware: newest_hardware(ctx, at).await,
        came,
        apart,
    })
}

/// Files of the VM's folder that this run brought there.
fn brought(ctx: &Ctx, at: &VmAt) -> Vec<String> {
    let folder = format!("{}/", at.folder_path());
    let placed = ctx.run_facts().into_iter().filter_map(|fact| match fact {
        Fact::FilePlaced { host, path, .. } if host == at.host => {
            path.strip_prefix(&folder).map(str::to_owned)
        }
        _ => None,
    });
    placed.collect()
}

/// What a drill makes of the VM; `None` in any other run.
pub(in crate::actions) fn apart(runbook: &Runbook, at: &VmAt) -> Option<Apart> {
    let isolation = runbook.isolation.as_ref()?;
    let site = runbook.recovery_site();
    let adapters = runbook
        .vms
        .get(&at.vm)
        .into_iter()
        .flat_map(|vm| &vm.adapters);
    let group = |(name, adapter): (&String, &Adapter)| {
        let group = runbook.networks.get(&adapter.network)?.at.get(&site)?;
        Some((name.clone(), group.name.clone()))
    };
    Some(Apart {
        name: at.display_name().to_owned(),
        folder: at.folder.clone(),
        groups: adapters.filter_map(group).collect(),
        spare: isolation.spare.name.clone(),
    })
}

/// Which paths outside the folder the host has.
async fn there(ctx: &Ctx, at: &VmAt, vmx: &Vmx) -> Result<Vec<String>, Fault> {
    let mut paths = vmx.outside_paths();
    if paths.is_empty() {
        return Ok(paths);
    }
    let folder = at.folder_path();
    let on_host: Vec<String> = paths
        .iter()
        .map(|path| path_on_host(path, &folder))
        .collect();
    let doing = "looking for the files that the .vmx names";
    let parse = |output: &Output| shell::parse_which(output, on_host.len());
    let command = shell::which(&on_host);
    let answers = ctx
        .read(&at.host, Lane::Control, &command, parse, doing)
        .await?;
    let mut answers = answers.into_iter();
    paths.retain(|_| answers.next() == Some(true));
    Ok(paths)
}

/// Which disks of the folder only point to a device.
async fn pointers(
    ctx: &Ctx,
    at: &VmAt,
    vmx: &Vmx,
    folder: &[(String, Option<FileStat>)],
) -> Result<Vec<String>, Fault> {
    let mut pointers = Vec::new();
    for file in vmx.disk_files() {
        let name = file.rsplit('/').next().unwrap_or(&file);
        let stat = folder.iter().find(|(its, _)| its == name);
        let small = stat.and_then(|(_, stat)| stat.as_ref());
        if small.is_none_or(|stat| stat.size > DESCRIPTOR) {
            continue;
        }
        let path = at.file_path(name);
        let command = HostCommand::read(["cat", &path]);
        let doing = format!("reading {path}");
        let read = |output: &Output| Ok(Descriptor::parse(&output.stdout).ok());
        let descriptor = ctx
            .read(&at.host, Lane::Control, &command, read, &doing)
            .await?;
        if descriptor.is_some_and(|disk| disk.runnable() == Runnable::PointsToDevice) {
            pointers.push(name.to_owned());
        }
    }
    Ok(pointers)
}

/// `None` where the host does not tell a release that is known here: it is then left to the host.
async fn newest_hardware(ctx: &Ctx, at: &VmAt) -> Option<u32> {
    let doing = "asking for its release";
    let version = ctx
        .read(
            &at.host,
            Lane::Control,
            &commands::version(),
            Version::parse,
            doing,
        )
        .await;
    version.ok()?.newest_hardware()
}

/// A .vmx as it is to be, with what was found.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    /// What changes, and why.
    pub fitting: Fitting,
    /// Its new bytes.
    pub bytes: Vec<u8>,
}

impl Fitted {
    /// The .vmx made fit; `Err` is the answer where it can't be.
    pub fn new(at: &VmAt, content: &Content, around: &Surroundings) -> Result<Self, ProbeAnswer> {
        let fitting = fit_to_host(&content.vmx, around);
        let refused = |what: &str, next: &str| {
            let fault = Fault::new(
                format!("the .vmx of {} does not fit {}: {what}", at.vm, at.host),
                format!("{}: {}", at.host, content.path),
                "nothing was changed; the file is as it was",
                next,
            );
            blocked(what, fault, &[])
        };
        if let Some(obstacle) = fitting.obstacles.first() {
            return Err(refused(&obstacle.what, &obstacle.next));
        }
        match fitting.apply(&content.vmx) {
            Ok(vmx) => Ok(Self {
                fitting,
                bytes: vmx.to_bytes(),
            }),
            Err(error) => Err(refused(
                &error.to_string(),
                "mend that line by hand, then retry",
            )),
        }
    }

    /// Whether the file must be written: its bytes change, or it has lost its name to an edit that
    /// ended between its two renames.
    pub fn is_edit(&self, at: &VmAt, content: &Content) -> bool {
        self.bytes != content.bytes || content.path != at.vmx_path()
    }

    /// The diff with its reasons, for the step card.
    pub fn changes(&self, at: &VmAt) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut part, mut reason) = (None, "");
        for fix in &self.fitting.fixes {
            if part != Some(fix.severity) {
                part = Some(fix.severity);
                lines.push(match fix.severity {
                    Severity::Must => format!(
                        "its .vmx is changed first, because {} could not run it as it is:",
                        at.host
                    ),
                    Severity::Should => "what misleads is taken out of its .vmx first:".to_owned(),
                });
            }
            if reason != fix.why {
                reason = &fix.why;
                lines.push(fix.why.clone());
            }
            lines.extend(replacing::signed(&fix.change));
        }
        lines
    }
}
