//! What stands for a backup that a tool reads: the points of a folder, each file packed with gzip,
//! and a list of their sizes. The tools themselves are not imitated.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::names::BackupName;
use crate::runbook::model::{BackupTool, Prints};
use crate::sim::gzip;

/// Sizes and names of what is packed in a point.
const LIST: &str = "FILES";

/// The folder on the backup's host.
pub(crate) fn folder(backup: &BackupName) -> String {
    format!("/srv/packed/{backup}")
}

/// The commands that read it.
pub(crate) fn tool(backup: &BackupName) -> BackupTool {
    let folder = folder(backup);
    let words = |tool: &str, rest: &str| vec![tool.to_owned(), format!("{folder}/{rest}")];
    BackupTool {
        prints: Prints::Lines,
        points: words("ls", "${vm}"),
        files: words("cat", &format!("${{vm}}/${{point}}/{LIST}")),
        file: words("zcat", "${vm}/${point}/${file}.gz"),
        environment: Vec::new(),
    }
}

/// Packs every point below the folder of a VM.
///
/// # Errors
/// As the file system's.
pub(crate) fn points(vm: &Path) -> io::Result<()> {
    for point in fs::read_dir(vm)? {
        let point = point?.path();
        let mut names = Vec::new();
        for entry in fs::read_dir(&point)? {
            names.push(entry?.file_name());
        }
        names.sort();
        let mut list = String::new();
        for name in names {
            let path = point.join(&name);
            let name = name.to_string_lossy();
            list.push_str(&format!("{} {name}\n", path.metadata()?.len()));
            let mut packed = BufWriter::new(File::create(point.join(format!("{name}.gz")))?);
            gzip::pack(File::open(&path)?, &mut packed)?;
            packed.flush()?;
            fs::remove_file(&path)?;
        }
        fs::write(point.join(LIST), list)?;
    }
    Ok(())
}
