//! Some lines of many .vmx files, read at once: [`commands::identities`](super::commands::identities),
//! [`commands::joined`](super::commands::joined).

use crate::host::Output;
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{excerpt, said, succeeded, unexpected, whole};
use crate::vmfiles::{Vmx, VmxError};

/// Why a file's lines are not known, in the host's words: it had no such name at that moment, another
/// host holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread(pub String);

/// The mark before the lines of each file, and at the end.
const FILE: &str = "file\n";
/// What stands in place of the lines of a file that could not be read, before the reason.
const UNREAD: &str = "unread ";

/// Reads lines of that many .vmx files in their order; `None` is a file without any of them.
///
/// # Errors
///
/// The reply is not whole.
pub(super) fn lines_of<T>(
    output: &Output,
    files: usize,
    what: &'static str,
    read: impl Fn(Option<&Vmx>) -> T,
) -> Result<Vec<Result<T, Unread>>, DriverFault> {
    succeeded(output, "sh")?;
    whole(output)?;
    let text = output.text();
    let mut parts: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match parts.last_mut() {
            _ if line == FILE => parts.push(String::new()),
            Some(part) => part.push_str(line),
            None => break,
        }
    }
    // The last is the mark of the end, and has no lines.
    if parts.pop().is_none_or(|last| !last.is_empty()) || parts.len() != files {
        return Err(unexpected(what, &said(output)));
    }
    let parts = parts.iter();
    Ok(parts.map(|part| of_part(part, &read)).collect())
}

fn of_part<T>(part: &str, read: impl Fn(Option<&Vmx>) -> T) -> Result<T, Unread> {
    if let Some(why) = part.strip_prefix(UNREAD) {
        // `grep: /vmfs/volumes/a/b.vmx: Device or resource busy`.
        let reason = why.trim().rsplit(": ").next().unwrap_or_default();
        return Err(Unread(excerpt(reason)));
    }
    match Vmx::parse(part.as_bytes()) {
        Ok(vmx) => Ok(read(Some(&vmx))),
        Err(VmxError::NoEntries) => Ok(read(None)),
        Err(error) => Err(Unread(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, remove_file, set_permissions, write};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::host::HostCommand;
    use crate::hypervisor::esxi::commands;

    const LINES: &str = "ethernet0.present = \"TRUE\"\nethernet0.networkName = \"VM Network\"\n\
        ethernet0.address = \"00:50:56:01:02:0A\"\n";

    /// How many adapters each file has, as a real shell finds it. Whenever that waits, `renamed` gets its
    /// name.
    fn adapters(dir: &Path, command: &HostCommand, files: usize) -> Vec<Result<usize, Unread>> {
        let sleep = dir.join("sleep");
        let comes = format!("#!/bin/sh\ncd '{}'\ncp lines renamed\n", dir.display());
        write(&sleep, comes).unwrap();
        set_permissions(&sleep, Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &command.line()])
            .env("PATH", format!("{}:{path}", dir.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(command.input()).unwrap();
        drop(stdin);
        let stdout = child.wait_with_output().unwrap().stdout;
        let output = Output::of(&String::from_utf8(stdout).unwrap());
        let count = |vmx: Option<&Vmx>| vmx.map_or(0, |vmx| vmx.adapters().len());
        lines_of(&output, files, "lines", count).unwrap()
    }

    fn shown(paths: &[PathBuf]) -> Vec<String> {
        let paths = paths.iter();
        paths.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn the_paths_of_a_host_with_many_vms_do_not_make_its_line_longer() {
        let dir = tempfile::tempdir().unwrap();
        let paths = (0..600).map(|n| dir.path().join(format!(" pool-{n:060}\\ .vmx")));
        let paths: Vec<PathBuf> = paths.collect();
        for path in &paths {
            write(path, "displayName = \"x\"\n").unwrap();
        }
        write(&paths[0], LINES).unwrap();
        write(&paths[599], LINES).unwrap();
        for command in [
            commands::identities(&shown(&paths)),
            commands::joined(&shown(&paths)),
        ] {
            assert!(command.line().len() < 1000);
            let read = adapters(dir.path(), &command, 600);
            let found: Vec<usize> = (0..600).filter(|at| read[*at] == Ok(1)).collect();
            assert_eq!(found, [0, 599]);
            assert_eq!(read[1], Ok(0));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_tried_again_and_then_told_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let [gone, renamed, whole] = ["gone", "renamed", "lines"].map(|name| dir.path().join(name));
        write(&whole, LINES).unwrap();
        let paths = shown(&[gone, renamed.clone(), whole]);
        for command in [commands::identities(&paths), commands::joined(&paths)] {
            let read = adapters(dir.path(), &command, 3);
            let Err(Unread(why)) = &read[0] else {
                panic!("{read:?}")
            };
            assert_eq!(why, "No such file or directory");
            assert_eq!(read[1..], [Ok(1), Ok(1)]);
            remove_file(&renamed).unwrap();
        }
    }

    #[test]
    fn what_a_file_holds_is_never_taken_for_a_mark() {
        let read = |text: &str, files| {
            lines_of(&Output::of(text), files, "lines", |vmx| {
                vmx.map(|vmx| vmx.get("ethernet0.networkName").unwrap_or_default())
            })
        };
        let bare = "file\nethernet0.networkName = profile\nfile\n";
        assert_eq!(read(bare, 1).unwrap(), [Ok(Some("profile".into()))]);
        assert_eq!(
            read("file\nunread \nfile\n", 1).unwrap(),
            [Err(Unread(String::new()))]
        );
        for torn in ["", "x\nfile\n", "file\nfile", "file\nunread grep", "file\n"] {
            assert!(read(torn, 1).is_err(), "{torn}");
        }
    }
}
