//! What a run that came later keeps in a folder: it has put files of its own in the place of those
//! that lay there, so that their names no longer tell whose they are.

use crate::error::Fault;
use crate::names::RunId;
use crate::names::own::KEPT;

use super::place::VmAt;

/// A file that another run keeps under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptByLater {
    /// Its name.
    pub aside: String,
    /// Which run.
    pub run: RunId,
}

impl KeptByLater {
    /// The first file in a folder that a run keeps which was started after this one.
    pub fn find<'a>(names: impl IntoIterator<Item = &'a str>, own: &str) -> Option<Self> {
        let kept = names.into_iter().filter_map(|name| {
            let run = run_of(name).filter(|run| *run > own)?;
            let (aside, run) = (name.to_owned(), RunId::from(run));
            Some(Self { aside, run })
        });
        kept.min_by(|a, b| (&a.run, &a.aside).cmp(&(&b.run, &b.aside)))
    }

    /// That nothing in the folder is removed or renamed, as a fault.
    pub fn fault(&self, at: &VmAt, state: impl Into<String>) -> Fault {
        let Self { aside, run } = self;
        Fault::new(
            format!(
                "run {run} has put files of its own into {} since, and keeps there what lay in their \
                 place ({aside})",
                at.folder_path()
            ),
            at.host.as_str(),
            state,
            format!(
                "roll that run back first (lifeboat rollback {run}), then retry; if what it brought is to \
                 stay, skip this step, and remove the files of this run by hand"
            ),
        )
    }
}

/// The next move where files lie in a folder that a VM is to come to. What a failover restored stays
/// there when a failback took the VM home. It may be the newest there is of that VM: nothing is told to
/// be deleted before the VM runs elsewhere.
#[must_use]
pub fn clearing(names: &[String]) -> String {
    let run = names.iter().filter_map(|name| run_of(name)).max();
    let told = run.map_or_else(String::new, |run| {
        format!("`lifeboat brief {run}` tells of a run that worked there; ")
    });
    format!(
        "{told}if the VM was restored there once and taken home since, these files are as it was then, which may be \
         newer than the restore point: rename the folder, and delete it only once the VM runs and is proven; else \
         look whose they are, and move them away or give this VM another folder in the runbook"
    )
}

/// The run that keeps a file under this name.
fn run_of(name: &str) -> Option<&str> {
    let (_, own) = name.rsplit_once(".lifeboat-")?;
    let (run, suffix) = own.rsplit_once('-')?;
    let word = suffix.trim_end_matches(|digit: char| digit.is_ascii_digit());
    KEPT.contains(&word).then_some(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_way_is_told_with_the_run_that_left_it() {
        let clearing = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            clearing(&names)
        };
        let next = clearing(&["sql01.vmx", "notes.txt"]);
        assert!(
            !next.contains("  ") && next.contains("only once the VM runs"),
            "{next}"
        );
        assert!(
            next.starts_with("if the VM was restored there once and taken home"),
            "{next}"
        );
        let next = clearing(&[
            "sql01.vmx.lifeboat-20260101-235959-zzzz-before",
            "sql01.vmx.lifeboat-20260102-030405-k7qd-before",
        ]);
        assert!(
            next.starts_with("`lifeboat brief 20260102-030405-k7qd` tells"),
            "{next}"
        );
    }

    #[test]
    fn what_a_later_run_keeps_is_told_from_what_this_and_earlier_ones_do() {
        let find = |names: &[&str]| {
            let found = KeptByLater::find(names.iter().copied(), "20260102-030405-k7qd");
            found.map(|kept| (kept.run.to_string(), kept.aside))
        };
        let names = [
            "sql01.vmx",
            "sql01.vmx.lifeboat-20260102-030405-k7qd-before",
            "sql01.vmx.lifeboat-20260101-235959-zzzz-original",
            "sql01.vmx.lifeboat-20260103-000000-aaaa-part",
        ];
        assert_eq!(find(&names), None);
        for suffix in ["original", "original2", "before", "before11"] {
            let aside = format!("a b.vmx.lifeboat-20260102-030406-aaaa-{suffix}");
            let found = find(&[names[1], &aside]);
            assert_eq!(found, Some(("20260102-030406-aaaa".to_owned(), aside)));
        }
    }
}
