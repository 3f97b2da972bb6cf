//! Backups: folders, and tools that print what they keep.

use indexmap::IndexMap;

use super::{Names, check_name, optional};
use crate::names::{BackupName, HostName, VariableName};
use crate::runbook::diagnostics::visible;
use crate::runbook::model::{Backup, BackupForm, BackupTool, PointLayout, Prints};
use crate::runbook::reader::{At, Fields, Reader, Shape};
use crate::runbook::template::{self, Part};

pub(in crate::runbook) const BACKUP: Shape = Shape::new(
    "a backup",
    &[],
    &["host", "path", "layout", "restic", "borg", "command"],
);
pub(in crate::runbook) const LAYOUTS: [(&str, PointLayout); 3] = [
    ("full", PointLayout::Full),
    ("incremental", PointLayout::Incremental),
    ("ghettovcb", PointLayout::GhettoVcb),
];
pub(in crate::runbook) const RESTIC: Shape = Shape::new(
    "a restic backup",
    &["repository", "path"],
    &["tag", "password", "password_file"],
);
pub(in crate::runbook) const BORG: Shape = Shape::new(
    "a borg backup",
    &["repository", "path"],
    &["archives", "password"],
);
pub(in crate::runbook) const COMMAND: Shape = Shape::new(
    "a backup that commands print",
    &["points", "files", "file"],
    &["environment"],
);

const FORMS: &str = "write path: /backup, or restic: { repository: …, path: \"/vms/${vm}\" }, borg: { … } or command: { points: […], files: […], file: […] }";

pub(super) fn backups<'a>(
    at: At<'a>,
    names: &Names,
    reader: &mut Reader<'a>,
) -> IndexMap<BackupName, Backup> {
    let mut backups = IndexMap::new();
    for entry in reader.entries(at, "the backups") {
        check_name(&entry, "backup", reader);
        let Some(fields) = reader.fields(entry.at, &BACKUP) else {
            continue;
        };
        let host: Option<HostName> = optional(&fields, "host", reader, |reader, at| {
            reader.reference(at, "host", &names.hosts)
        });
        let given: Vec<&str> = ["path", "restic", "borg", "command"]
            .into_iter()
            .filter(|key| fields.get(key).is_some())
            .collect();
        let key = match given.as_slice() {
            [key] => *key,
            [] => {
                reader.report(entry.key, "a backup of no form", FORMS);
                continue;
            }
            [_, second, ..] => {
                let message = "a backup has one form: `path`, `restic`, `borg` or `command`";
                reader.report(fields.key(second), message, FORMS);
                continue;
            }
        };
        let Some(at) = fields.get(key) else { continue };
        let form = match key {
            "path" => folder(at, &fields, reader).map(BackupForm::Folder),
            _ => {
                runs_a_tool(&fields, names, reader);
                let read = match key {
                    "restic" => restic(at, names, reader),
                    "borg" => borg(at, names, reader),
                    _ => command(at, names, reader),
                };
                read.filter(|tool| tells_vms_apart(at, tool, reader))
                    .map(BackupForm::Tool)
            }
        };
        let layout = optional(&fields, "layout", reader, |reader, at| {
            reader.one_of(at, "layout", &LAYOUTS, &[])
        });
        if key != "path" && fields.get("layout").is_some() {
            let message = "only a folder of restore points has a layout";
            reader.report(
                fields.key("layout"),
                message,
                "leave it out: the tool knows",
            );
        }
        if let Some(form) = form {
            backups.insert(BackupName::from(entry.name), Backup { host, form, layout });
        }
    }
    backups
}

fn folder<'a>(at: At<'a>, fields: &Fields<'a>, reader: &mut Reader<'a>) -> Option<String> {
    let path = reader.text(at)?;
    if fields.get("host").is_some() && !path.starts_with('/') {
        let message = "a folder on a host is an absolute path";
        reader.report(at.node, message, "begin it with `/`");
    }
    Some(path)
}

/// An ESXi host has none of these tools, and no room for them.
fn runs_a_tool<'a>(fields: &Fields<'a>, names: &Names, reader: &mut Reader<'a>) {
    let Some(at) = fields.get("host") else { return };
    if let Some(host) = at.value.as_str()
        && names.hosts.contains(host)
        && !names.posix_hosts.contains(host)
    {
        let message = format!("{host} is an ESXi host: no backup tool runs there");
        let hint =
            "name the posix host that has the tool; the files are relayed through the console";
        reader.report(at.node, message, hint);
    }
}

/// What a word of a command may name.
type Known = &'static [&'static str];
const POINTS: Known = &["vm"];
const FILES: Known = &["vm", "point"];
const FILE: Known = &["vm", "point", "file"];

fn restic<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<BackupTool> {
    let fields = reader.fields(at, &RESTIC)?;
    let text = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| word(at, POINTS, reader))
    };
    let (repository, path) = (text("repository", reader), text("path", reader));
    let (tag, file) = (text("tag", reader), text("password_file", reader));
    let secret = secret(&fields, names, reader);
    if fields.get("password").is_some() == fields.get("password_file").is_some() {
        let hint =
            "write password: \"${vault_password}\", or password_file: /root/.vault on the host";
        let message = "restic needs one of `password` and `password_file`";
        reader.report(at.node, message, hint);
    }
    if let (Some(path), Some(at)) = (&path, fields.get("path"))
        && !path.starts_with('/')
    {
        let message = "a folder in a restic snapshot is an absolute path";
        reader.report(
            at.node,
            message,
            "begin it with `/`, as `restic ls` shows it",
        );
    }
    let mut tool = BackupTool::restic(&repository?, &path?, tag.as_deref(), file.as_deref());
    tool.environment
        .extend(secret.map(|secret| ("RESTIC_PASSWORD".to_owned(), secret)));
    Some(tool)
}

fn borg<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<BackupTool> {
    let fields = reader.fields(at, &BORG)?;
    let text = |key: &str, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| word(at, POINTS, reader))
    };
    let (repository, path) = (text("repository", reader), text("path", reader));
    let archives = text("archives", reader);
    let secret = secret(&fields, names, reader);
    if let (Some(path), Some(at)) = (&path, fields.get("path"))
        && path.starts_with('/')
    {
        let message = "borg keeps paths without a leading `/`";
        reader.report(at.node, message, "leave it out, as `borg list` shows it");
    }
    let mut tool = BackupTool::borg(&repository?, &path?, archives.as_deref());
    tool.environment
        .extend(secret.map(|secret| ("BORG_PASSPHRASE".to_owned(), secret)));
    Some(tool)
}

fn secret<'a>(fields: &Fields<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<VariableName> {
    let at = fields.get("password")?;
    super::sites::secret(at, names, reader)
}

fn command<'a>(at: At<'a>, names: &Names, reader: &mut Reader<'a>) -> Option<BackupTool> {
    let fields = reader.fields(at, &COMMAND)?;
    let words = |key: &str, known: Known, reader: &mut Reader<'a>| {
        optional(&fields, key, reader, |reader, at| argv(at, known, reader))
    };
    let points = words("points", POINTS, reader);
    let files = words("files", FILES, reader);
    let file = words("file", FILE, reader);
    let environment = optional(&fields, "environment", reader, |reader, at| {
        Some(environment(at, names, reader))
    });
    let (points, files, file) = (points?, files?, file?);
    for (key, words, needed) in [
        ("files", &files, &["${point}"][..]),
        ("file", &file, &["${point}", "${file}"]),
    ] {
        for name in needed {
            if !words.iter().any(|word| word.contains(name)) {
                let message = format!("`{key}` prints the same whatever `{name}` is");
                let at = fields.get(key).map_or(at.node, |at| at.node);
                reader.report(at, message, &format!("write {name} in one of its words"));
            }
        }
    }
    Some(BackupTool {
        prints: Prints::Lines,
        points,
        files,
        file,
        environment: environment.unwrap_or_default(),
    })
}

fn tells_vms_apart<'a>(at: At<'a>, tool: &BackupTool, reader: &mut Reader<'a>) -> bool {
    let mut words = [&tool.points, &tool.files, &tool.file]
        .into_iter()
        .flatten();
    let apart = words.any(|word| word.contains("${vm}"));
    if !apart {
        let hint = "write ${vm} where the VM's name belongs";
        reader.report(at.node, "every VM would get the same files from it", hint);
    }
    apart
}

fn argv<'a>(at: At<'a>, known: Known, reader: &mut Reader<'a>) -> Option<Vec<String>> {
    if at.value.is_string() {
        let hint = "write its words apart: [zcat, \"/srv/${vm}/${point}/${file}.gz\"]";
        reader.report(
            at.node,
            "a command is a list of words: no shell reads it",
            hint,
        );
        return None;
    }
    let items = reader.list(at, "words")?;
    if items.is_empty() {
        reader.report(at.node, "a command without words", "");
        return None;
    }
    items
        .into_iter()
        .map(|at| word(at, known, reader))
        .collect()
}

/// A word in which the names of `known` alone are replaced.
fn word<'a>(at: At<'a>, known: Known, reader: &mut Reader<'a>) -> Option<String> {
    let text = reader.raw_text(at)?;
    let Ok(parts) = template::parts(text) else {
        let hint = "write ${vm}, or $${ for a plain ${";
        reader.report(at.node, "`${` without a name and `}`", hint);
        return None;
    };
    for part in parts {
        if let Part::Name(name, _) = part
            && !known.contains(&name)
        {
            let named: Vec<String> = known.iter().map(|name| format!("${{{name}}}")).collect();
            let message = format!("`${{{}}}` has no meaning here", visible(name));
            reader.report(at.node, message, &format!("there is {}", named.join(", ")));
            return None;
        }
    }
    Some(text.to_owned())
}

fn environment<'a>(
    at: At<'a>,
    names: &Names,
    reader: &mut Reader<'a>,
) -> Vec<(String, VariableName)> {
    let mut environment = Vec::new();
    for entry in reader.entries(at, "the environment") {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !entry.name.chars().all(fits) || entry.name.starts_with(|c: char| c.is_ascii_digit()) {
            let hint = "letters, digits and underscores, for example VAULT_PASSWORD";
            reader.report(entry.key, "this cannot be the name of a variable", hint);
            continue;
        }
        let secret = super::sites::secret(entry.at, names, reader);
        environment.extend(secret.map(|secret| (entry.name, secret)));
    }
    environment
}
