//! Giving a .vmx new bytes, so that at any point either the old file or the whole new one can be
//! found, and nothing is overwritten.

use std::path::Path;

use tokio::io::AsyncWriteExt;

use crate::digest::sha256;
use crate::engine::{Fact, ShownCommand};
use crate::error::Fault;
use crate::host::{Effect, HostCommand, Lane, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::shell::{self, Renamed};
use crate::names::own::{Asides, BEFORE};
use crate::names::{HostName, RunId};
use crate::vmfiles::Change;

use super::answer::{console, shown as show};
use super::configuration::{self, Content};
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::view;

/// Permission bits of a .vmx that no file tells (as seen on VMFS).
pub(super) const MODE: u32 = 0o755;

/// The names that a replacement uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The .vmx.
    pub vmx: String,
    /// The new file until it gets that name.
    pub new: String,
    /// The old file by then.
    pub aside: String,
    /// It was renamed so already.
    pub is_aside: bool,
}

impl Names {
    /// The names for a .vmx with its own name in a folder that holds `taken`.
    pub fn new(at: &VmAt, run: &RunId, taken: &[String]) -> Self {
        let file = at.vmx_name();
        let asides = Asides::of(&file, run, BEFORE);
        let aside = asides.free(|name| taken.iter().any(|known| known == name));
        Self {
            vmx: at.file_path(&file),
            new: at.file_path(&format!("{file}{}new", run.mark())),
            aside: at.file_path(&aside),
            is_aside: false,
        }
    }

    /// The names for a .vmx that was read, which this run may have renamed aside before.
    pub fn of_read(at: &VmAt, run: &RunId, taken: &[String], content: &Content) -> Self {
        let names = Self::new(at, run, taken);
        if content.path == names.vmx {
            return names;
        }
        Self {
            aside: content.path.clone(),
            is_aside: true,
            ..names
        }
    }

    /// The newest file that this run renamed aside, where the .vmx itself is not there.
    pub fn newest_aside(at: &VmAt, run: &RunId, present: &[String]) -> Option<String> {
        let asides = Asides::of(at.vmx.as_deref()?, run, BEFORE);
        let newest = asides.last(|name| present.iter().any(|known| known == name));
        newest.map(|name| at.file_path(&name))
    }
}

/// Writes standard input to `$1`, which is this run's own.
const WRITE: &str = r#"cat >"$1""#;

fn write(path: &str, bytes: &[u8]) -> HostCommand {
    HostCommand::script(Effect::Write, WRITE, [path]).stdin(bytes)
}

/// Every command of a replacement, in order.
pub(super) fn shown(host: &HostName, names: &Names, mode: u32) -> Vec<ShownCommand> {
    let mut commands = vec![
        show(host, &write(&names.new, b"")),
        show(host, &shell::sha256(&names.new)),
        show(host, &shell::set_mode(&names.new, mode)),
    ];
    if !names.is_aside {
        commands.push(show(host, &shell::rename(&names.vmx, &names.aside)));
    }
    commands.push(show(host, &shell::sha256(&names.aside)));
    commands.push(show(host, &shell::rename(&names.new, &names.vmx)));
    commands
}

/// An edit as a diff shows it: `- key = "old"`, `+ key = "new"`.
pub(super) fn signed(change: &Change) -> impl Iterator<Item = String> {
    let line = |sign, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(format!("{sign} {} = \"{value}\"", change.key))
    };
    [line('-', &change.before), line('+', &change.after)]
        .into_iter()
        .flatten()
}

/// Every step of [`edit`], in order.
pub(super) fn shown_edit(at: &VmAt, names: &Names, content: &Content) -> Vec<ShownCommand> {
    let copy = copy_name(at, &sha256(&content.bytes));
    let mut commands = vec![console(format!(
        "keep the file as it was in the run's folder: {copy}"
    ))];
    commands.extend(shown(&at.host, names, content.mode));
    commands
}

/// Gives a .vmx that was read new bytes, the old ones being kept in the run's folder.
///
/// # Errors
/// As [`replace`]; or the console's own disk refused the copy, and nothing was changed.
pub(super) async fn edit(
    ctx: &Ctx,
    at: &VmAt,
    names: &Names,
    content: &Content,
    bytes: &[u8],
) -> Result<(), ActError> {
    keep_copy(ctx, at, &content.path, &content.bytes).await?;
    replace(ctx, at, names, bytes, content).await
}

/// Gives the .vmx new bytes.
///
/// # Errors
/// The host refused a part of it (what was done before it stays, and is found by the next look), or
/// a write was lost.
async fn replace(
    ctx: &Ctx,
    at: &VmAt,
    names: &Names,
    bytes: &[u8],
    before: &Content,
) -> Result<(), ActError> {
    let host = &at.host;
    let succeeded = |output: &Output| {
        if output.status == 0 {
            return Ok(());
        }
        Err(DriverFault::Failed {
            status: output.status,
            text: crate::host::sanitise::sanitise(&output.stderr)
                .trim()
                .to_owned(),
        })
    };
    let doing = format!("writing the new .vmx of {}", at.vm);
    ctx.order(host, &write(&names.new, bytes), succeeded, &doing)
        .await?;
    if let Some(why) = unlike(ctx, host, &names.new, bytes, "the new .vmx").await? {
        return Err(ActError::Failed(Fault::new(
            format!("the new .vmx of {} did not arrive whole: {why}", at.vm),
            format!("{host}: {}", names.new),
            "the .vmx itself is as it was",
            "retry; it is written again",
        )));
    }
    ctx.order(
        host,
        &shell::set_mode(&names.new, before.mode),
        succeeded,
        "setting its mode",
    )
    .await?;
    if !names.is_aside {
        rename(ctx, at, &names.vmx, &names.aside).await?;
    }
    still_as_read(ctx, at, names, before).await?;
    // Renamed already, that may not have been told yet.
    let fact = Fact::OriginalKept {
        vm: at.vm.clone(),
        host: host.clone(),
        path: names.vmx.clone(),
        aside: names.aside.clone(),
        bytes: u64::try_from(before.bytes.len()).ok(),
    };
    // Told once, unless its host has read the file since: this is another one.
    if view::last_word(&ctx.run_facts(), &at.vm, host, &names.vmx) != Some(&fact) {
        ctx.link.fact(fact).await?;
    }
    rename(ctx, at, &names.new, &names.vmx).await
}

/// Proves that the file that lies aside is the one that was read: what somebody else wrote to it since
/// would go under with the new one. Else it gets its name back, and the next look reads it.
///
/// # Errors
/// It is another; the host could not be asked; or a write was lost.
async fn still_as_read(
    ctx: &Ctx,
    at: &VmAt,
    names: &Names,
    before: &Content,
) -> Result<(), ActError> {
    let Names { vmx, aside, .. } = names;
    let differs = unlike(
        ctx,
        &at.host,
        aside,
        &before.bytes,
        "the .vmx that was put aside",
    );
    let Some(why) = differs.await.map_err(|fault| Fault {
        state: format!("the .vmx lies aside as {aside}; the next look goes on from there"),
        ..fault
    })?
    else {
        return Ok(());
    };
    let now = if names.is_aside {
        format!("it still lies aside as {aside}")
    } else {
        match rename(ctx, at, aside, vmx).await {
            Ok(()) => "it has its name back, with that edit in it".to_owned(),
            Err(ActError::Failed(fault)) => format!("it is {aside} now ({})", fault.what),
            Err(ended) => return Err(ended),
        }
    };
    let copy = copy_name(at, &sha256(&before.bytes));
    Err(ActError::Failed(Fault::new(
        format!(
            "the .vmx of {} was changed by somebody else while this step was about to replace it: {why}",
            at.vm
        ),
        format!("{}: {vmx}", at.host),
        format!("{now}; as it was before, it is kept in the run's folder: {copy}"),
        "find out who edits it and let them finish; then retry: the file is read anew, and that edit stays in it",
    )))
}

/// How a file on a host differs from what it is to hold: by the host's sum of it, or by reading it back
/// where the host has nothing to sum with.
///
/// # Errors
/// The host could not be asked.
async fn unlike(
    ctx: &Ctx,
    host: &HostName,
    path: &str,
    bytes: &[u8],
    which: &str,
) -> Result<Option<String>, Fault> {
    let lane = Lane::Control;
    let parse = |output: &Output| match shell::Sha256::parse(output) {
        Err(DriverFault::ToolMissing { .. }) => Ok(None),
        told => told.map(Some),
    };
    let doing = format!("summing {which}");
    let sum = ctx
        .read(host, lane, &shell::sha256(path), parse, &doing)
        .await?;
    if let Some(sum) = sum {
        let wanted = sha256(bytes);
        return Ok((sum.hex != wanted).then(|| format!("its sum is {}, not {wanted}", sum.hex)));
    }
    let command = configuration::content(path);
    let doing = format!("reading {which} back");
    let there = ctx
        .read(host, lane, &command, configuration::content_of, &doing)
        .await?;
    Ok((there != bytes).then(|| "what was read back is not what it is to hold".to_owned()))
}

/// Renames a file of the VM's folder, never over another.
///
/// # Errors
/// The new name is taken, there is no such file, or the write was lost.
pub(super) async fn rename(ctx: &Ctx, at: &VmAt, from: &str, to: &str) -> Result<(), ActError> {
    let doing = format!("renaming {from}");
    let what = match ctx
        .order(&at.host, &shell::rename(from, to), Renamed::parse, &doing)
        .await?
    {
        Renamed::Done => return Ok(()),
        Renamed::Taken => format!("{to} is there already"),
        Renamed::Absent => format!("{from} is not there"),
    };
    Err(ActError::Failed(Fault::new(
        format!("{doing} failed: {what}"),
        at.host.as_str(),
        "this command changed nothing",
        "look into the folder; then retry: the step looks again first",
    )))
}

/// Keeps the old bytes in the run's folder, durably, before anything is changed.
///
/// # Errors
/// The console's own disk refused it.
async fn keep_copy(ctx: &Ctx, at: &VmAt, path: &str, bytes: &[u8]) -> Result<(), ActError> {
    let sha256 = sha256(bytes);
    let copy = copy_name(at, &sha256);
    let full = ctx.run_dir.join(&copy);
    keep(&full, bytes).await.map_err(|error| {
        ActError::Failed(Fault::new(
            format!("the old .vmx of {} could not be kept: {error}", at.vm),
            full.display().to_string(),
            "nothing was changed on any host",
            "make room on the console's disk, or mend the folder's permissions; then retry",
        ))
    })?;
    let (vm, host, path) = (at.vm.clone(), at.host.clone(), path.to_owned());
    let fact = Fact::ConfigKept {
        vm,
        host,
        path,
        copy,
        sha256,
    };
    let same = fact.clone();
    ctx.keep_once(fact, |kept| *kept == same).await
}

/// Where the old bytes are kept, relative to the run's folder.
fn copy_name(at: &VmAt, sha256: &str) -> String {
    let short = sha256.get(..12).unwrap_or(sha256);
    format!("output/{}-{}-{short}.vmx", at.vm, at.host)
}

async fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        let mut private = tokio::fs::DirBuilder::new();
        private.recursive(true).mode(0o700).create(folder).await?;
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).await?;
    file.write_all(bytes).await?;
    file.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::tests::parts::place;

    fn at() -> VmAt {
        place(Some("sql01.vmx"))
    }

    #[test]
    fn an_original_never_gets_a_name_that_is_taken() {
        let names = Names::new(&at(), &"r1".into(), &["sql01.vmx".into()]);
        assert_eq!(
            names.aside,
            "/vmfs/volumes/local1/sql01/sql01.vmx.lifeboat-r1-before"
        );
        let taken = [
            "sql01.vmx.lifeboat-r1-before".into(),
            "sql01.vmx.lifeboat-r1-before2".into(),
        ];
        let names = Names::new(&at(), &"r1".into(), &taken);
        assert!(names.aside.ends_with("-before3"));
        assert!(
            Names::newest_aside(&at(), &"r1".into(), &taken)
                .unwrap()
                .ends_with("-before2")
        );
        assert_eq!(Names::newest_aside(&at(), &"r2".into(), &taken), None);
    }

    #[test]
    fn the_old_file_is_aside_before_the_new_one_gets_its_name() {
        let names = Names::new(&at(), &"r1".into(), &[]);
        let lines: Vec<String> = shown(&"lee-esx1".into(), &names, MODE)
            .into_iter()
            .map(|shown| shown.line)
            .collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[0].contains("cat >") && lines[0].ends_with("sql01.vmx.lifeboat-r1-new"));
        assert!(lines[2].starts_with("chmod 755 "));
        assert!(
            lines[3].ends_with("sql01.vmx /vmfs/volumes/local1/sql01/sql01.vmx.lifeboat-r1-before")
        );
        assert!(lines[4].contains("sha256") && lines[4].ends_with("-before"));
        assert!(lines[5].ends_with("-new /vmfs/volumes/local1/sql01/sql01.vmx"));
    }
}
