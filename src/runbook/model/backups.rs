//! Where restore points are kept: a folder, or a tool that prints what it keeps.

use crate::names::{HostName, VariableName};
use crate::runbook::template;

/// Where the restore points of VMs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The host that holds it, or that its tool runs on; `None` is the console's own machine.
    pub host: Option<HostName>,
    /// How its files are had.
    pub form: BackupForm,
    /// How its points are made, for whoever reads the runbook; practice makes them like that. What a
    /// restore finds is told from what lies there.
    pub layout: Option<PointLayout>,
}

/// How a backup lays out its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointLayout {
    /// Each point holds the whole VM.
    Full,
    /// A full one, then increments that hold what has changed.
    Incremental,
    /// As ghettoVCB does.
    GhettoVcb,
}

/// How the files of a backup are had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupForm {
    /// They lie in a folder. Absolute on a host; on the console's machine relative to the runbook's
    /// folder, or absolute.
    Folder(String),
    /// A tool prints them.
    Tool(BackupTool),
}

impl Backup {
    /// The folder, of a backup that is one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match &self.form {
            BackupForm::Folder(path) => Some(path),
            BackupForm::Tool(_) => None,
        }
    }

    /// The tool, of a backup that is read by one.
    #[must_use]
    pub fn tool(&self) -> Option<&BackupTool> {
        match &self.form {
            BackupForm::Folder(_) => None,
            BackupForm::Tool(tool) => Some(tool),
        }
    }
}

/// Commands that print a backup's points, a point's files, and a file. `${vm}`, `${point}` and
/// `${file}` are still in their words; nothing of them passes through a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupTool {
    /// The form of what is printed.
    pub prints: Prints,
    /// Prints the points of `${vm}`.
    pub points: Vec<String>,
    /// Prints the files of `${point}` with their sizes.
    pub files: Vec<String>,
    /// Prints the content of `${file}`.
    pub file: Vec<String>,
    /// Secrets that the tool finds in its environment, by the name that they have there.
    pub environment: Vec<(String, VariableName)>,
}

/// In what form a tool prints its points and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prints {
    /// As restic does with `--json`.
    Restic,
    /// As borg 1 does with `--json` and `--json-lines`.
    Borg,
    /// Lines: `TIME [ID]` for a point, `BYTES NAME` for a file.
    Lines,
}

/// What a tool is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// The points of a VM.
    Points,
    /// The files of the point with this id.
    Files(&'a str),
    /// The content of a file of the point with this id.
    File(&'a str, &'a str),
}

impl BackupTool {
    /// restic: every snapshot (with a tag, if one is given) is a point, and the VM's files lie in
    /// one folder of it. The repository is not locked, so that nothing there changes.
    #[must_use]
    pub fn restic(repository: &str, path: &str, tag: Option<&str>, key: Option<&str>) -> Self {
        let command = |rest: &[&str]| {
            let head = ["restic", "--no-lock", "-r", repository];
            let key = key.map(|file| ["--password-file", file]);
            words(head.iter().chain(key.iter().flatten()).chain(rest))
        };
        let mut points = vec!["snapshots", "--json"];
        points.extend(tag.into_iter().flat_map(|tag| ["--tag", tag]));
        Self {
            prints: Prints::Restic,
            points: command(&points),
            files: command(&["ls", "--json", "${point}", path]),
            file: command(&["dump", "${point}", &below(path)]),
            environment: Vec::new(),
        }
    }

    /// borg 1: every archive (whose name fits, if a pattern is given) is a point, and the VM's files
    /// lie in one folder of it. The repository is not locked, so that nothing there changes.
    #[must_use]
    pub fn borg(repository: &str, path: &str, archives: Option<&str>) -> Self {
        let command = |rest: &[&str]| words(["borg", "--bypass-lock"].iter().chain(rest));
        // It tells times without their zone.
        let in_utc = |rest: &[&str]| words(["env", "TZ=UTC"].iter().chain(rest));
        let archive = format!("{repository}::${{point}}");
        let mut points = vec!["borg", "--bypass-lock", "list", "--json"];
        points.extend(
            archives
                .into_iter()
                .flat_map(|glob| ["--glob-archives", glob]),
        );
        points.push(repository);
        Self {
            prints: Prints::Borg,
            points: in_utc(&points),
            files: command(&["list", "--json-lines", &archive, path]),
            file: command(&["extract", "--stdout", &archive, &below(path)]),
            environment: Vec::new(),
        }
    }

    /// The words of a command, each with its names filled in.
    #[must_use]
    pub fn words(&self, vm: &str, asked: Asked<'_>) -> Vec<String> {
        let (words, point, file) = match asked {
            Asked::Points => (&self.points, None, None),
            Asked::Files(point) => (&self.files, Some(point), None),
            Asked::File(point, file) => (&self.file, Some(point), Some(file)),
        };
        let value_of = |name: &str| match name {
            "vm" => Some(vm),
            "point" => point,
            "file" => file,
            _ => None,
        };
        // A name without a meaning was refused when the runbook was read.
        let fill = |word: &String| template::fill(word, value_of).unwrap_or_else(|_| word.clone());
        words.iter().map(fill).collect()
    }
}

fn words<'a>(words: impl Iterator<Item = &'a &'a str>) -> Vec<String> {
    words.map(|word| (*word).to_owned()).collect()
}

/// The place of `${file}` in a folder.
fn below(path: &str) -> String {
    format!("{}/${{file}}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_tools_are_asked_without_locking_anything() {
        let restic = BackupTool::restic("/srv/repo", "/vms/${vm}/", Some("${vm}"), Some("/k"));
        let line = |tool: &BackupTool, asked| tool.words("sql01", asked).join(" ");
        assert_eq!(
            line(&restic, Asked::Points),
            "restic --no-lock -r /srv/repo --password-file /k snapshots --json --tag sql01"
        );
        assert_eq!(
            line(&restic, Asked::File("6fc5", "a b.vmdk")),
            "restic --no-lock -r /srv/repo --password-file /k dump 6fc5 /vms/sql01/a b.vmdk"
        );
        let borg = BackupTool::borg("/srv/attic", "vms", Some("${vm}-*"));
        assert_eq!(
            line(&borg, Asked::Points),
            "env TZ=UTC borg --bypass-lock list --json --glob-archives sql01-* /srv/attic"
        );
        assert_eq!(
            line(&borg, Asked::Files("sql01-1")),
            "borg --bypass-lock list --json-lines /srv/attic::sql01-1 vms"
        );
        assert_eq!(
            line(&borg, Asked::File("sql01-1", "x")),
            "borg --bypass-lock extract --stdout /srv/attic::sql01-1 vms/x"
        );
    }

    #[test]
    fn names_are_values_and_never_templates() {
        let restic = BackupTool::restic("/r", "/${vm}", None, None);
        let words = restic.words("sql01", Asked::File("${vm}", "${point}"));
        assert_eq!(words.last().map(String::as_str), Some("/sql01/${point}"));
        assert!(words.contains(&"${vm}".to_owned()));
    }
}
