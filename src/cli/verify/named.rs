//! What of a run's folder is missing beside its journal: files whose sums the journal names, and reports.
//!
//! A journal that was passed on alone is checked by its chain alone, and that is said. Beside anything
//! else of its run, a file whose sum the journal names has to be there as it was. Reports can be made
//! anew, so that one is missing is said and no more.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path};

use crate::digest::sha256;
use crate::engine::{Fact, RunEvent};
use crate::journal::{ReadJournal, RunFolder};
use crate::names::listed;
use crate::report::Format;

/// Where hosts' output and old configurations lie.
const OUTPUT: &str = "output";

/// Says what is missing. With `compared` a report has told of the folder's files already. Whether nothing
/// is missing, or changed, whose sum the journal names.
///
/// # Errors
/// When `out` cannot be written.
pub(super) fn compare(
    folder: &RunFolder,
    journal: &ReadJournal,
    compared: bool,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let is_there = |name: &str| folder.path.join(name).exists();
    let missing = Format::ALL.map(Format::file).into_iter();
    let missing: Vec<&str> = missing.filter(|name| !is_there(name)).collect();
    let has_report = missing.len() < Format::ALL.len();
    let named = named(folder, journal);
    if !has_report && !folder.runbook().exists() && !is_there(OUTPUT) {
        if !named.is_empty() {
            writeln!(
                out,
                "  it lies here alone: of its run's folder nothing was compared, {} whose sums it names among that",
                listed(&named.keys().map(String::as_str).collect::<Vec<_>>())
            )?;
        }
        return Ok(true);
    }
    let is_whole = compared || say_of_files(&folder.path, &named, out)?;
    let sums = sums_of_output(journal);
    if sums > 0 && !is_there(OUTPUT) {
        writeln!(
            out,
            "  {OUTPUT}/ is missing: what hosts printed, of which the journal has {sums} sums, cannot be compared"
        )?;
    }
    let ends = |event: &RunEvent| matches!(event, RunEvent::RunFinished { .. });
    if !has_report && !journal.entries.iter().any(|entry| ends(&entry.event)) {
        writeln!(
            out,
            "  the run has not come to an end, and has no report: nothing here shows whether lines were cut off"
        )?;
        return Ok(is_whole);
    }
    for name in &missing {
        writeln!(
            out,
            "  {name} is missing: `lifeboat report` makes it anew from the journal"
        )?;
    }
    if !has_report {
        writeln!(
            out,
            "  without a report nothing here shows whether lines were cut off the journal's end"
        )?;
    }
    Ok(is_whole)
}

/// The files whose sums the journal names, by their paths in the run's folder.
fn named(folder: &RunFolder, journal: &ReadJournal) -> BTreeMap<String, String> {
    let in_folder = |path: &Path| {
        let path = path.strip_prefix(&folder.path).ok()?;
        let is_below = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        is_below.then(|| path.display().to_string())
    };
    let mut named = BTreeMap::new();
    for entry in &journal.entries {
        let (path, sum) = match &entry.event {
            RunEvent::RunStarted(info) => (folder.runbook(), &info.runbook_sha256),
            RunEvent::RunbookCorrected { file, sha256, .. } => (folder.version(file), sha256),
            RunEvent::FactFound(Fact::ConfigKept { copy, sha256, .. }) => {
                (folder.path.join(copy), sha256)
            }
            _ => continue,
        };
        if let Some(path) = in_folder(&path).filter(|_| !sum.is_empty()) {
            named.insert(path, sum.clone());
        }
    }
    named
}

fn say_of_files(
    folder: &Path,
    named: &BTreeMap<String, String>,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let mut is_whole = true;
    for (path, sum) in named {
        let how = match fs::read(folder.join(path)) {
            Ok(bytes) if sha256(&bytes) == *sum => continue,
            Ok(_) => "was changed".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
            Err(error) => format!("cannot be read ({error})"),
        };
        is_whole = false;
        writeln!(
            out,
            "  {} {how}: the journal names its sum, {sum}",
            path.escape_debug()
        )?;
    }
    Ok(is_whole)
}

/// How many sums of what hosts printed the journal has.
fn sums_of_output(journal: &ReadJournal) -> usize {
    let has_sum = |event: &RunEvent| {
        matches!(
            event,
            RunEvent::WriteFinished {
                output_sha256: Some(_),
                ..
            }
        )
    };
    let entries = journal.entries.iter();
    entries.filter(|entry| has_sum(&entry.event)).count()
}

#[cfg(test)]
mod tests {
    use crate::cli::exit::Exit;
    use crate::cli::runs::tests::{RUNBOOK, keep_as};
    use crate::cli::verify::verify;
    use crate::digest::sha256;
    use crate::engine::{Fact, RunEvent, RunInfo, RunResult};
    use crate::journal::Store;
    use crate::runbook::model::{Mode, Section};
    use std::fs;

    const KEPT: &str = "output/sql01-lee-esx1-0120ba55fc43.vmx";

    #[test]
    fn what_is_missing_beside_a_journal_is_named() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path());
        let info = RunInfo {
            mode: Some(Mode::Failover),
            sections: vec![Section::Failover],
            runbook_sha256: sha256(RUNBOOK),
            ..RunInfo::default()
        };
        let kept = Fact::ConfigKept {
            vm: "sql01".into(),
            host: "lee-esx1".into(),
            path: "/vmfs/volumes/local1/sql01/sql01.vmx".to_owned(),
            copy: KEPT.to_owned(),
            sha256: sha256("old"),
        };
        let over = RunEvent::RunFinished {
            result: RunResult::default(),
        };
        let run = keep_as(&store, info, vec![RunEvent::FactFound(kept), over]);
        let folder = store.find(run.as_str()).unwrap();
        let verified = || {
            let mut out = Vec::new();
            let asked = folder.journal().display().to_string();
            let exit = verify(&store, &asked, &mut out).unwrap();
            (exit, String::from_utf8(out).unwrap())
        };
        // Passed on without the rest.
        let (exit, said) = verified();
        assert_eq!(exit, Exit::Clean, "{said}");
        assert!(said.contains("it lies here alone"), "{said}");
        fs::write(folder.runbook(), RUNBOOK).unwrap();
        let (exit, said) = verified();
        assert_eq!(exit, Exit::Findings, "{said}");
        for name in [KEPT, "report.md", "report.html", "report.json"] {
            assert!(said.contains(&format!("{name} is missing")), "{said}");
        }
        fs::create_dir_all(folder.path.join("output")).unwrap();
        fs::write(folder.path.join(KEPT), "other").unwrap();
        let (exit, said) = verified();
        assert_eq!(exit, Exit::Findings, "{said}");
        assert!(said.contains(&format!("{KEPT} was changed")), "{said}");
        // Reports can be made anew.
        fs::write(folder.path.join(KEPT), "old").unwrap();
        let (exit, said) = verified();
        assert_eq!(exit, Exit::Clean, "{said}");
        assert!(said.contains("report.html is missing"), "{said}");
        assert!(said.contains("cut off the journal's end"), "{said}");
    }
}
