//! What went wrong with a tool, in words for a person.

use super::super::source::ReadError;
use super::super::target::UNCHANGED;
use super::{RunsOn, Stream};
use crate::error::Fault;
use crate::host::{OutputEnd, Program};

impl Stream {
    pub(super) fn stopped(&self, error: ReadError) -> Fault {
        match (error, &self.backup.on) {
            (ReadError::Link(error), RunsOn::Host(host, _)) => error.fault(host.name()),
            (ReadError::Link(error), RunsOn::Here) => {
                Fault::new(error.to_string(), "this machine", UNCHANGED, "retry")
            }
            (ReadError::Failed(fault), _) => fault,
        }
    }

    pub(super) fn not_understood(&self, program: &Program, why: &str) -> Fault {
        Fault::new(
            format!("what {} printed is not understood: {why}", program.line()),
            self.place(),
            UNCHANGED,
            "run it there by hand and compare with what the runbook's format asks for; correct the backup in the runbook, then retry",
        )
    }

    pub(super) fn failed(&self, program: &Program, end: &OutputEnd) -> Fault {
        let tool = self.backup.tool.file.first().map_or("", String::as_str);
        let said = match end.said.as_str() {
            "" => "it said nothing",
            said => said,
        };
        Fault::new(
            format!(
                "{} ended with status {}: {}",
                program.line(),
                end.status,
                last_lines(said)
            ),
            self.on(),
            "nothing of this restore point was registered; what has arrived stays under a temporary name",
            remedy(tool, end.status, said),
        )
    }

    pub(super) fn other_length(&self, what: String) -> ReadError {
        let name = self.path.last().map_or("", String::as_str);
        ReadError::Failed(Fault::new(
            format!("for {name} the tool {what}"),
            self.place(),
            "what has arrived stays where it is, under a temporary name",
            "make sure that nothing writes to the backup, then retry or choose another restore point",
        ))
    }
}

/// The end of what a tool said: its last lines name the cause.
fn last_lines(said: &str) -> String {
    const LINES: usize = 3;
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let from = lines.len().saturating_sub(LINES);
    lines.get(from..).unwrap_or_default().join(" / ")
}

/// What to do about a tool that failed, where its words are known.
fn remedy(tool: &str, status: i32, said: &str) -> String {
    let said = said.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if status == 127
        || has(&[
            "command not found",
            "no such file or directory (os error 2)",
        ])
    {
        return format!("install {tool} there, or write its whole path in the runbook; then retry");
    }
    if has(&["wrong password", "passphrase supplied", "empty password"]) {
        return "the repository's password is wrong: start again with the right one (the runbook names the secret or the file that holds it), then resume".to_owned();
    }
    if has(&["already locked", " lock"]) {
        return format!(
            "see who else works in that repository, wait for it or end it ({tool} unlock, {tool} break-lock), then retry"
        );
    }
    if has(&["not found", "does not exist", "unable to open"]) {
        return "check repository and path in the runbook, and that the user may read them there; then retry".to_owned();
    }
    format!(
        "the backup may be damaged: run `{tool} check` there; choose another restore point, or mend it, then retry"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_failed_has_a_remedy_of_its_own() {
        for (status, said, expected) in [
            (
                1,
                "Fatal: wrong password or no key found",
                "password is wrong",
            ),
            (
                2,
                "passphrase supplied in BORG_PASSPHRASE is incorrect.",
                "password is wrong",
            ),
            (127, "sh: 1: restic: not found", "install restic"),
            (
                1,
                "unable to create lock: repository is already locked",
                "who else works",
            ),
            (
                1,
                "Fatal: unable to open config file: stat /nope/config",
                "check repository",
            ),
            (
                1,
                "pack 12ab: ciphertext verification failed",
                "restic check",
            ),
        ] {
            let remedy = remedy("restic", status, said);
            assert!(remedy.contains(expected), "{said}: {remedy}");
        }
        assert_eq!(last_lines("a\n\nb\nc\n d \n"), "b / c / d");
    }
}
