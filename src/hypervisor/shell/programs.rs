//! Which programs a host lacks that the scripts of steps run there. What scripts do without where it is
//! missing is none of them, nor is what every shell has in itself.

use super::SHORT;
use crate::host::{Effect, HostCommand, Output};
use crate::hypervisor::DriverFault;
use crate::hypervisor::reply::{succeeded, unexpected};

/// What is done on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Files are found and read there.
    Reading,
    /// They are placed, compared, renamed and removed there, too.
    Placing,
}

impl Use {
    /// The programs that this takes, beside one that sums where files are placed.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Reading => &["ls", "stat", "dd", "wc"],
            Self::Placing => &[
                "ls", "stat", "dd", "wc", "cat", "chmod", "cp", "grep", "mkdir", "mv", "rm",
                "rmdir",
            ],
        }
    }
}

/// Prints each of `$2` … that is missing and, where `$1` asks for it, what sums, if there is nothing.
const LACKING: &str = r#"sums=$1; shift
for p in "$@"; do
  if command -v "$p" >/dev/null 2>&1; then :; else echo "$p"; fi
done
if [ "$sums" = sums ]; then
  if openssl dgst -sha256 </dev/null >/dev/null 2>&1; then :
  elif command -v sha256sum >/dev/null 2>&1; then :
  elif command -v python3 >/dev/null 2>&1; then :
  else echo 'openssl (or sha256sum, or python3)'; fi
fi
echo end"#;

/// Asks which programs are missing for this.
#[must_use]
pub fn lacking(wanted: Use) -> HostCommand {
    let sums = match wanted {
        Use::Reading => "no",
        Use::Placing => "sums",
    };
    let words = [&[sums], wanted.programs()].concat();
    HostCommand::script(Effect::Read, LACKING, words).max_output(SHORT)
}

/// Reads the reply of [`lacking`].
///
/// # Errors
///
/// It could not be asked, or did not answer to the end.
pub fn parse_lacking(output: &Output) -> Result<Vec<String>, DriverFault> {
    succeeded(output, "sh")?;
    let text = output.text();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match lines.pop().as_deref() {
        Some("end") => Ok(lines),
        _ => Err(unexpected("which programs it lacks", &text)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::super::tests::{run, shells, text};
    use super::super::*;
    use super::*;
    use crate::hypervisor::esxi::commands::identities;

    /// A folder with these programs of this machine and no others.
    fn folder_of(programs: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for program in programs {
            let found = run(
                &["sh".into(), "-c".into()],
                &HostCommand::read(["sh", "-c", "command -v \"$1\"", "_", program]),
            );
            let path = found.text().trim().to_owned();
            assert!(path.starts_with('/'), "{program}: {path}");
            symlink(path, dir.path().join(program)).unwrap();
        }
        dir
    }

    /// What a command gives where these are all the programs, with each number as 0.
    fn told(command: &HostCommand, path: &Path) -> (Option<i32>, String) {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &command.line()])
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        // Whoever ends early reads nothing.
        let _ = std::io::Write::write_all(&mut &input, command.input());
        drop(input);
        let output = child.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = words.split(|c: char| c.is_ascii_digit());
        let words: Vec<&str> = words.filter(|part| !part.is_empty()).collect();
        (output.status.code(), words.join("0"))
    }

    /// What the scripts of a restore, of its undoing and of its lock give in a folder of their own.
    fn worked(programs: &[&str]) -> Vec<(Option<i32>, String)> {
        let (path, dir) = (folder_of(programs), tempfile::tempdir().unwrap());
        let top = dir.path().join("datastore");
        std::fs::create_dir(&top).unwrap();
        let at = |name: &str| text(&top.join(name)).to_owned();
        let (folder, lock) = (at("vm"), at("lock"));
        let (part, file, copy) = (at("vm/part"), at("vm/vm.vmx"), at("vm/copy"));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let (folder_of_lock, owner) = (lock.clone(), "run".to_owned());
        let standing = StandingLock {
            folder: folder_of_lock,
            owner,
        };
        let commands = [
            take_lock(&lock, "run"),
            read_lock(&lock),
            make_folder(&folder, Folders::Last),
            make_file(&part, 4096, 0o600),
            set_mode(&part, 0o644),
            find(&part),
            list(&folder),
            copy_sparse(&part, &copy),
            rename(&copy, &file),
            sha256(&file),
            put_file(&part, b"", 0o600),
            place_file(&part, b"", 0o600, empty, &at("vm/placed")),
            block_sums(&file, 1024, std::slice::from_ref(&(0..4))),
            identities(std::slice::from_ref(&at("vm/placed"))),
            remove_file(&file),
            remove_file(&at("vm/placed")),
            remove_file(&part),
            remove_empty_folder(&folder),
            release_lock(&standing, &lock),
        ];
        let told = commands.iter().map(|command| told(command, path.path()));
        told.collect()
    }

    #[test]
    fn the_programs_that_are_named_are_those_that_scripts_run() {
        let sums = ["sh", "openssl"];
        let named = [&sums, Use::Placing.programs()].concat();
        let whole = worked(&named);
        assert!(
            whole.iter().all(|(status, _)| *status == Some(0)),
            "{whole:#?}"
        );
        // It counts what comes of a restore point, which is asked elsewhere.
        let shown = named.iter().filter(|program| **program != "wc");
        for missing in shown.filter(|program| !sums.contains(program)) {
            let rest: Vec<&str> = named.iter().copied().filter(|one| one != missing).collect();
            assert_ne!(worked(&rest), whole, "{missing} is not needed");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for shell in shells() {
            let reply = run(&shell, &lacking(Use::Placing));
            assert_eq!(parse_lacking(&reply), Ok(Vec::new()), "{shell:?}");
        }
        let here = folder_of(&["sh", "ls", "dd", "wc"]);
        let told = |wanted| {
            let line = format!("PATH={}; {}", text(here.path()), lacking(wanted).line());
            let reply = run(
                &["/bin/sh".into(), "-c".into()],
                &HostCommand::read(["/bin/sh", "-c", &line]),
            );
            parse_lacking(&reply).unwrap()
        };
        assert_eq!(told(Use::Reading), ["stat"]);
        let placing = told(Use::Placing);
        assert!(placing.contains(&"mkdir".to_owned()), "{placing:?}");
        assert!(
            placing.last().unwrap().starts_with("openssl"),
            "{placing:?}"
        );
        let cut = Output::of("stat\n");
        assert!(parse_lacking(&cut).is_err(), "a list without its end");
    }
}
