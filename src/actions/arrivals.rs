//! What lies in the folder that a VM's files arrive in: what this run put there, what it began, and
//! what is somebody else's.

use crate::engine::{Fact, copy_counts, given_names};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::shell::{self, FileKind, FileStat, Removed};
use crate::transfer::{Observed, Standing, SummedBy};
use crate::vmfiles::is_flat;

use super::configuration;
use super::context::Ctx;
use super::later::{KeptByLater, clearing};
use super::link::ActError;
use super::place::VmAt;
use super::words::count;

/// A file that this run placed under its final name with a proven sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its name in the VM's folder.
    pub name: String,
    /// Its size when it was placed.
    pub bytes: u64,
    /// Its sum when it was placed.
    pub sha256: String,
}

/// What lies in the folder that files are to arrive in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Arrivals {
    /// Whether the folder is there.
    pub folder: bool,
    /// Names and facts of what is in it.
    pub entries: Vec<(String, Option<FileStat>)>,
    /// What this run placed there.
    pub placed: Vec<Placed>,
    /// Final names that this run began to work on: what bears one is summed before it is believed.
    pub begun: Vec<String>,
    /// Those that this step gave, or may have given, to what had arrived.
    pub given: Vec<String>,
    /// This run began to clone a disk into it.
    pub clones: bool,
    /// What marks names of this run's own.
    pub mark: String,
}

impl Arrivals {
    /// The same for a delivery: what this run placed and is there still is whole, for it was proven then.
    pub fn observed(&self) -> Observed {
        let mut observed = Observed::default();
        observed.folder = self.folder;
        for placed in self.placed.iter().filter(|placed| self.is_there(placed)) {
            if let Ok(sum) = placed.sha256.parse() {
                let whole = Standing::Whole(sum, SummedBy::ReadingBack);
                observed.files.insert(placed.name.clone(), whole);
            }
        }
        observed
    }

    /// Looks into the VM's folder, and at what the run knows of it.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn look(ctx: &Ctx, at: &VmAt) -> Result<Self, Fault> {
        Self::among(ctx, at, ctx.run_facts()).await
    }

    /// As [`Arrivals::look`], for a step that brings files over those that are there: what other steps
    /// of the run placed is what it has to replace, and so is what was copied of a VM that ran meanwhile.
    ///
    /// # Errors
    /// The host could not be asked.
    pub async fn of_step(ctx: &Ctx, at: &VmAt) -> Result<Self, Fault> {
        let mut arrivals = Self::among(ctx, at, ctx.step_facts()).await?;
        if !copy_counts(&at.vm, &ctx.run_facts()) {
            arrivals.forget_placed();
        }
        Ok(arrivals)
    }

    async fn among(ctx: &Ctx, at: &VmAt, facts: Vec<Fact>) -> Result<Self, Fault> {
        let listed = configuration::listed(ctx, at).await?;
        let folder = listed.is_some();
        let entries = listed.unwrap_or_default();
        let prefix = format!("{}/", at.folder_path());
        let mark = ctx.run.mark();
        let mut placed: Vec<Placed> = Vec::new();
        for fact in facts {
            if let Fact::FilePlaced {
                vm,
                host,
                path,
                bytes,
                sha256,
                ..
            } = fact
                && vm == at.vm
                && host == at.host
                && let Some(name) = path.strip_prefix(&prefix)
            {
                placed.retain(|known| known.name != name);
                placed.push(Placed {
                    name: name.to_owned(),
                    bytes,
                    sha256,
                });
            }
        }
        let own = || {
            let ops = ctx.state.ops.values();
            ops.filter(|op| op.step == ctx.step.id && op.host == at.host)
        };
        let clone = format!("{mark}clone");
        let clones = own().any(|op| op.command.contains(&clone));
        let begun = own()
            .flat_map(|op| names_in(&op.command, &prefix, &mark))
            .collect();
        let given = own()
            .flat_map(|op| given_names(&ctx.state, op))
            .filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned))
            .collect();
        Ok(Self {
            folder,
            entries,
            placed,
            begun,
            given,
            clones,
            mark,
        })
    }

    /// Whether everything that was placed is still there; disks also with their size. A host
    /// rewrites the small files of a VM as it pleases.
    pub fn missing(&self) -> Vec<String> {
        self.placed
            .iter()
            .filter(|placed| !self.is_there(placed))
            .map(|placed| placed.name.clone())
            .collect()
    }

    fn is_there(&self, placed: &Placed) -> bool {
        self.entries.iter().any(|(name, stat)| {
            *name == placed.name
                && stat.is_some_and(|stat| {
                    stat.kind == FileKind::File
                        && (stat.size == placed.bytes || !is_flat(name, placed.bytes))
                })
        })
    }

    /// Everything that was placed is gone again, as after an undo, or no proof any more: it binds nobody.
    pub fn forget_placed(&mut self) {
        self.placed.clear();
    }

    /// Names of what this step put there, under its final name or a temporary one.
    pub fn own(&self) -> Vec<String> {
        let own = |name: &&String| {
            name.contains(&self.mark) || self.placed.iter().any(|placed| placed.name == **name)
        };
        let names = self.entries.iter().map(|(name, _)| name);
        names.filter(own).cloned().collect()
    }

    /// Names of what this run did not put there.
    pub fn foreign(&self) -> Vec<String> {
        let own = |name: &String| {
            name.contains(&self.mark)
                || self.begun.contains(name)
                || self.placed.iter().any(|placed| placed.name == *name)
        };
        let names = self.entries.iter().map(|(name, _)| name);
        names.filter(|name| !own(name)).cloned().collect()
    }
}

/// Final names that a command of this run worked on: those of which it mentions a temporary one.
fn names_in(command: &str, prefix: &str, mark: &str) -> Vec<String> {
    let words = shell_words::split(command).unwrap_or_default();
    let own = words
        .iter()
        .filter(|word| word.starts_with(prefix) && word.contains(mark));
    let mut names: Vec<String> = Vec::new();
    for word in own {
        let name = word.strip_prefix(prefix).unwrap_or_default();
        let Some((before, after)) = name.split_once(mark) else {
            continue;
        };
        // A clone's temporary name carries the mark before its end: `x.lifeboat-run-part-flat.vmdk`.
        // A folder of this run's own, and what lies in it, stands for no file of the VM.
        if after.starts_with("source") {
            continue;
        }
        let end = after.strip_prefix("part").unwrap_or_default();
        names.push(format!("{before}{end}"));
        if end == ".vmdk" {
            names.push(format!("{before}-flat.vmdk"));
        }
    }
    names
}

/// Files that stand in the way, as a fault.
pub(super) fn foreign_fault(at: &VmAt, foreign: &[String]) -> Fault {
    const SHOWN: usize = 8;
    let mut list = foreign
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if foreign.len() > SHOWN {
        list = format!("{list} and {}", count(foreign.len() - SHOWN, "other"));
    }
    Fault::new(
        format!("the folder holds files that this run did not put there: {list}"),
        format!("{}:{}", at.host, at.folder_path()),
        "nothing was changed; they are not overwritten",
        format!("{}; then retry", clearing(foreign)),
    )
}

/// Files that this run placed and that are not as they were.
pub(super) fn vanished(at: &VmAt, names: &[String]) -> Fault {
    Fault::new(
        format!(
            "files that this run placed are gone or have another size: {}",
            names.join(", ")
        ),
        format!("{}:{}", at.host, at.folder_path()),
        "the other files are as they were placed",
        "find out who changed them; put them back, or undo the step and restore again",
    )
}

/// Removes what this run placed in the VM's folder, each file by its name, then the folder if the run made it and it is empty.
///
/// # Errors
/// The host refused it, or a write was lost.
pub(super) async fn remove_placed(ctx: &Ctx, at: &VmAt) -> Result<Vec<String>, ActError> {
    let arrivals = Arrivals::look(ctx, at).await?;
    let names = arrivals.entries.iter().map(|(name, _)| name.as_str());
    if let Some(kept) = KeptByLater::find(names, ctx.run.as_str()) {
        return Err(ActError::Failed(kept.fault(at, "nothing was removed")));
    }
    let mut evidence = remove_named(ctx, at, &arrivals.own(), &arrivals.mark).await?;
    let folder = at.folder_path();
    let made = ctx.run_facts().into_iter().any(
        |fact| matches!(fact, Fact::FolderMade { host, path } if host == at.host && path == folder),
    );
    if made {
        evidence.push(remove_empty(ctx, at, &folder).await?);
    }
    Ok(evidence)
}

/// Removes files of the VM's folder by their names. A folder stays, unless `mark` says that it is
/// the run's own.
///
/// # Errors
/// The host refused it, or a write was lost.
pub(super) async fn remove_named(
    ctx: &Ctx,
    at: &VmAt,
    names: &[String],
    mark: &str,
) -> Result<Vec<String>, ActError> {
    let mut evidence = Vec::new();
    for name in names {
        let path = at.file_path(name);
        let doing = format!("removing {path}");
        let command = shell::remove_file(&path);
        match ctx
            .order(&at.host, &command, Removed::parse, &doing)
            .await?
        {
            Removed::Done => evidence.push(format!("{path} is removed")),
            Removed::Absent => evidence.push(format!("{path} was gone")),
            Removed::IsFolder if name.contains(mark) => {
                evidence.extend(remove_own_folder(ctx, at, &path).await?);
            }
            Removed::IsFolder | Removed::NoFolder => {
                evidence.push(format!("{path} is no file and stays"));
            }
        }
    }
    Ok(evidence)
}

/// Removes a folder of this run's own, which holds what a disk is made of: each file by its name.
async fn remove_own_folder(ctx: &Ctx, at: &VmAt, folder: &str) -> Result<Vec<String>, ActError> {
    let doing = format!("listing {folder}");
    let command = shell::list(folder);
    let entries = ctx
        .read(&at.host, Lane::Control, &command, shell::entries, &doing)
        .await?;
    let mut evidence = Vec::new();
    for entry in entries.iter().filter_map(shell::Entry::text) {
        if entry == "." {
            continue;
        }
        let path = format!("{folder}/{entry}");
        let doing = format!("removing {path}");
        let command = shell::remove_file(&path);
        let removed = ctx
            .order(&at.host, &command, Removed::parse, &doing)
            .await?;
        if removed == Removed::Done {
            evidence.push(format!("{path} is removed"));
        }
    }
    evidence.push(remove_empty(ctx, at, folder).await?);
    Ok(evidence)
}

/// Removes a folder if it is empty, and says how that went.
///
/// # Errors
/// The host refused it, or the write was lost.
pub(super) async fn remove_empty(ctx: &Ctx, at: &VmAt, folder: &str) -> Result<String, ActError> {
    let command = shell::remove_empty_folder(folder);
    let parse = shell::FolderRemoval::parse;
    let line = match ctx
        .order(&at.host, &command, parse, "removing the folder")
        .await?
    {
        shell::FolderRemoval::Done => "is removed",
        shell::FolderRemoval::Absent => "was gone",
        shell::FolderRemoval::Full => "holds other files and stays",
    };
    Ok(format!("{folder} {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, size: u64) -> (String, Option<FileStat>) {
        let stat = FileStat {
            kind: FileKind::File,
            size,
            mode: 0o600,
            modified: 0,
            allocated: size,
        };
        (name.to_owned(), Some(stat))
    }

    fn placed(name: &str, bytes: u64) -> Placed {
        Placed {
            name: name.into(),
            bytes,
            sha256: String::new(),
        }
    }

    #[test]
    fn own_files_are_told_from_others() {
        let arrivals = Arrivals {
            folder: true,
            entries: vec![
                entry("sql01.vmx", 3000),
                entry("sql01-flat.vmdk", 1 << 20),
                entry("sql01.nvram", 8),
                entry("sql01.vmx.lifeboat-r1-part", 5),
                entry("sql01.vmx.lifeboat-r2-part", 5),
                entry("notes.txt", 1),
            ],
            placed: vec![
                placed("sql01.vmx", 2900),
                placed("sql01-flat.vmdk", 1 << 20),
            ],
            begun: vec!["sql01.nvram".into()],
            given: Vec::new(),
            clones: false,
            mark: ".lifeboat-r1-".into(),
        };
        assert_eq!(
            arrivals.foreign(),
            ["sql01.vmx.lifeboat-r2-part", "notes.txt"]
        );
        assert_eq!(arrivals.missing(), Vec::<String>::new());
        let shrunk = Arrivals {
            placed: vec![placed("sql01-flat.vmdk", 2 << 20), placed("gone", 1)],
            ..arrivals
        };
        assert_eq!(shrunk.missing(), ["sql01-flat.vmdk", "gone"]);
        let proven = Placed {
            sha256: crate::digest::sha256("x"),
            ..placed("sql01.vmx", 2900)
        };
        let vanished = Placed {
            name: "gone".to_owned(),
            ..proven.clone()
        };
        let observed = Arrivals {
            placed: vec![proven, vanished],
            ..shrunk
        }
        .observed();
        let names: Vec<&String> = observed.files.keys().collect();
        assert_eq!(names, ["sql01.vmx"], "what vanished has to come again");
    }

    #[test]
    fn a_command_names_the_files_it_worked_on() {
        let names = |command: &str| names_in(command, "/v/ds/sql01/", ".lifeboat-r1-");
        assert_eq!(
            names("sh -c 'x' _ /v/ds/sql01/sql01.vmx.lifeboat-r1-part /v/ds/sql01/sql01.vmx"),
            ["sql01.vmx"]
        );
        let clone =
            names("vmkfstools -E /v/ds/sql01/sql01.lifeboat-r1-part.vmdk /v/ds/sql01/sql01.vmdk");
        assert_eq!(clone, ["sql01.vmdk", "sql01-flat.vmdk"]);
        assert_eq!(
            names("mkdir /v/ds/sql01/sql01.lifeboat-r1-source"),
            Vec::<String>::new()
        );
        let staged = "mv /v/ds/sql01/x.lifeboat-r1-source/y.lifeboat-r1-part /v/ds/sql01/x";
        assert_eq!(names(staged), Vec::<String>::new());
        assert_eq!(
            names("mv /v/ds/sql01/a /v/ds/sql01/b"),
            Vec::<String>::new()
        );
        assert_eq!(names("x 'unbalanced"), Vec::<String>::new());
    }
}
