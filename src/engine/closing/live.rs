//! How a drill's disks get to serve a failover. Its copies never run live with the data that they
//! changed; what a cleanup keeps of them is what the restores of a failover start from.

use jiff::Timestamp;

use super::super::event::{FromDrill, KeptFolder};
use super::super::fact::Fact;
use super::super::ledger::{Item, Ledger, Thing};
use super::super::stage::Stage;
use super::super::state::RunState;
use super::{Opening, cleanup, refused};
use crate::names::{RunId, VmName, listed};
use crate::runbook::model::Mode;

/// What becomes of the wish to clean a run up but for its disks.
pub(super) fn keeping(mode: Option<Mode>, run: &RunId, state: &RunState) -> Opening {
    if mode != Some(Mode::Drill) {
        return refused(
            "only the disks of a drill are kept: what other runs bring is in use, or taken back",
            format!("leave --keep-disks out: lifeboat cleanup {run}"),
        );
    }
    if let Stage::DisksKept { .. } = Stage::of(state) {
        return Opening::Nothing("its disks are kept, and nothing else of it is left".to_owned());
    }
    if folders(&Ledger::of(state)).next().is_none() {
        return refused(
            "it has no disks that could be kept",
            format!("restore whole: {}", real(state)),
        );
    }
    cleanup(mode, run, state)
}

/// The command that does for real what a drill did.
fn real(state: &RunState) -> String {
    let path = state.info.as_ref().map(|info| info.runbook_path.as_str());
    let path = path.filter(|path| !path.is_empty());
    let path = path.map_or("RUNBOOK".into(), shell_words::quote);
    format!("lifeboat run {path}")
}

/// The commands by which a live restore starts from a drill's disks.
pub(super) fn commands(run: &RunId, state: &RunState) -> String {
    let live = format!("{} --from-drill {run}", real(state));
    match Stage::of(state) {
        Stage::DisksKept { .. } => live,
        _ => format!("lifeboat cleanup {run} --keep-disks, then {live}"),
    }
}

impl FromDrill {
    /// `from the disks that drill X kept of sql01, web01`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let vms: Vec<&VmName> = self.kept.iter().map(|kept| &kept.vm).collect();
        format!(
            "from the disks that drill {} kept of {}",
            self.run,
            listed(&vms)
        )
    }
}

/// Whether a failover that starts from a drill's disks may yet need them: it has steps of its own left.
#[must_use]
pub fn may_need_disks(state: &RunState) -> bool {
    let stage = Stage::of(state);
    state.own_end.is_none() && (stage.is_walked() || stage.is_begun())
}

/// What to know who wants a drill's VMs for real, as long as it has them: the decision is another run.
#[must_use]
pub fn going_live(run: &RunId, state: &RunState) -> Option<String> {
    let mode = state.info.as_ref()?.mode;
    let over = matches!(
        Stage::of(state),
        Stage::CleaningUp | Stage::FindingsDue | Stage::Closed { .. }
    );
    (mode == Some(Mode::Drill) && !over).then(|| {
        let commands = commands(run, state);
        format!("these copies do not go live; a live restore starts from their disks: {commands}")
    })
}

/// The folders with disks that a drill's cleanup kept; none before it came to its end, or once another
/// one was begun.
#[must_use]
pub fn kept_disks(state: &RunState) -> Vec<KeptFolder> {
    let Stage::DisksKept { .. } = Stage::of(state) else {
        return Vec::new();
    };
    let ledger = Ledger::of(state);
    let kept = folders(&ledger).filter_map(|(item, folder)| {
        let vm = item.vm.clone()?;
        Some(KeptFolder {
            point: point(&vm, state),
            vm,
            host: item.host.clone(),
            folder: folder.to_owned(),
        })
    });
    kept.collect()
}

fn folders(ledger: &Ledger) -> impl Iterator<Item = (&Item, &str)> {
    ledger.standing().filter_map(|item| match &item.thing {
        Thing::Folder(folder) => Some((item, folder.as_str())),
        _ => None,
    })
}

/// The restore point that the drill brought.
fn point(vm: &VmName, state: &RunState) -> Option<(String, Timestamp)> {
    let mut chosen = state.facts_of(|fact| match fact {
        Fact::PointChosen {
            vm: of,
            stamp,
            taken,
            ..
        } if of == vm => Some((stamp.clone(), *taken)),
        _ => None,
    });
    chosen.next()
}
