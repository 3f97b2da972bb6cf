//! The runbooks that home offers.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::load::{LoadError, load_bundled, load_runbook};
use crate::runbook::Loaded;
use crate::runbook::model::{Runbook, SiteRole};
use crate::tui::RunbookEntry;

/// No more files of a folder are looked at.
const MOST_FILES: usize = 200;

/// A runbook that was found.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    /// The runbook, or the first line of what is wrong with it.
    loaded: Result<Loaded, String>,
}

/// The runbooks here and in `./runbooks`, then the bundled one.
pub(super) fn offered() -> Vec<RunbookEntry> {
    let mut found: Vec<Found> = [".", "runbooks"]
        .iter()
        .flat_map(|folder| in_folder(Path::new(folder)))
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    let bundled = load_bundled().ok();
    let bundled = bundled.map(|loaded| described(&loaded.runbook, None));
    found.into_iter().map(entry_of).chain(bundled).collect()
}

fn entry_of(found: Found) -> RunbookEntry {
    match found.loaded {
        Ok(loaded) => described(&loaded.runbook, Some(found.path)),
        Err(problem) => RunbookEntry {
            name: found.path.display().to_string(),
            path: Some(found.path),
            problem: Some(problem),
            ..RunbookEntry::default()
        },
    }
}

fn described(runbook: &Runbook, path: Option<PathBuf>) -> RunbookEntry {
    let site = |role| {
        runbook
            .sites
            .get(&runbook.site_with(role))
            .map(|site| site.title.clone())
    };
    RunbookEntry {
        path,
        name: runbook.name.clone(),
        title: runbook.title.clone(),
        sites: [SiteRole::Protected, SiteRole::Recovery].map(|role| site(role).unwrap_or_default()),
        vms: runbook.recoverable_vms().count(),
        rto: runbook.objectives.rto,
        rpo: runbook.objectives.rpo,
        failback: !runbook.failback.is_empty(),
        problem: None,
        drill_every: runbook.drill.every,
        last_drill: None,
    }
}

/// YAML files that mean to be runbooks: those that begin with the format's key.
fn in_folder(folder: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .take(MOST_FILES)
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_file()
                && path
                    .extension()
                    .is_some_and(|end| end == "yaml" || end == "yml")
        })
        .filter_map(|path| {
            let loaded = match load_runbook(&path) {
                Ok(loaded) => Ok(loaded),
                Err(error) if means_to_be_one(&path) => Err(first_line(&error)),
                Err(_) => return None,
            };
            let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
            Some(Found { path, loaded })
        })
        .collect()
}

fn means_to_be_one(path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| {
        String::from_utf8_lossy(&bytes[..bytes.len().min(64 << 10)])
            .lines()
            .any(|line| line.starts_with("lifeboat:"))
    })
}

fn first_line(error: &LoadError) -> String {
    error
        .render(false)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::runs::tests::RUNBOOK;

    #[test]
    fn runbooks_are_found_and_other_yaml_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("good.yaml", RUNBOOK);
        write("bad.yml", "lifeboat: 1\nnmae: x\n");
        write("compose.yaml", "services: {}\n");
        write("notes.txt", "lifeboat: 1\n");
        let mut found = in_folder(folder.path());
        found.sort_by(|a, b| a.path.cmp(&b.path));
        let entries: Vec<RunbookEntry> = found.into_iter().map(entry_of).collect();
        assert_eq!(entries.len(), 2, "{entries:?}");
        assert!(
            entries[0]
                .problem
                .as_ref()
                .is_some_and(|problem| !problem.is_empty()),
            "{entries:?}"
        );
        assert_eq!((entries[1].vms, entries[1].failback), (3, true));
        assert_eq!(entries[1].sites, ["London".to_owned(), "Leeds".to_owned()]);
        assert!(in_folder(Path::new("/no/such/folder")).is_empty());
    }
}
