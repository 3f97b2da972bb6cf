//! What the step's card says.

use jiff::Timestamp;

use crate::actions::answer::{needed, shown};
use crate::actions::arrivals::{self, Arrivals};
use crate::actions::moving;
use crate::actions::words::{count, size};
use crate::engine::{Choice, ProbeAnswer, Proposal, ShownCommand};
use crate::error::Fault;
use crate::hypervisor::shell;
use crate::plan::Risk;
use crate::runbook::model::PointChoice;

use super::pick::Deviation;
use super::source::Use;
use super::{Restore, Seen, points};

impl Restore {
    pub(super) fn outline(&self) -> ProbeAnswer {
        let which = match &self.choice {
            PointChoice::Latest => "the newest sound restore point".to_owned(),
            PointChoice::Stamp(stamp) => format!("restore point {stamp}"),
            PointChoice::Before(time) => format!("the newest sound restore point up to {time}"),
        };
        let changes = vec![
            format!(
                "{which} of {} in {} is brought to {}",
                self.at.vm,
                self.points_at(),
                self.at.host
            ),
            format!("into {}, which must be empty or new", self.at.folder_path()),
            "each file gets its name once its sum is proven there, the .vmx last".into(),
        ];
        let mut changes = changes;
        changes.extend(
            self.disk
                .map(|format| format!("its disks are laid out as {format}")),
        );
        let mut proposal = self.proposal(changes, Vec::new());
        let folder = shell::make_folder(&self.at.folder_path(), shell::Folders::Missing);
        proposal.commands = vec![shown(&self.at.host, &folder)];
        let file = self.at.file_path("‹file›");
        let temporary = format!("{file}.lifeboat-‹run›-part");
        let lines = [
            format!("write ‹file› to {temporary}"),
            shell::rename(&temporary, &file).line(),
        ];
        proposal
            .commands
            .extend(moving::changing(&self.at.host, lines));
        needed("not asked", proposal)
    }

    /// The removal of what makes way for the files of another point.
    pub(super) fn removing(&self, names: &[String]) -> Vec<ShownCommand> {
        let remove = |name: &String| shell::remove_file(&self.at.file_path(name)).line();
        moving::changing(&self.at.host, names.iter().map(remove))
    }

    pub(super) fn proposal(&self, changes: Vec<String>, commands: Vec<ShownCommand>) -> Proposal {
        Proposal {
            changes,
            commands,
            then: format!(
                "every file is in {}, its sum proven there",
                self.at.folder_path()
            ),
            undo: Some("the files that this step placed are removed, each by its name".into()),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    pub(super) fn changes(&self, used: &Use, outage: Option<Timestamp>) -> Vec<String> {
        let point = &used.point;
        let quality = self
            .consistency
            .map_or("not stated how", points::consistency);
        let mut changes = vec![format!(
            "restore point {} ({}, {quality}), {} in {}, {}",
            point.name,
            point.kind.as_str(),
            count(point.files.len(), "file"),
            size(point.bytes()),
            used.mover
        )];
        let on = self
            .place
            .host
            .as_ref()
            .map_or("this machine", |host| host.as_str());
        changes.extend(
            used.printed_by
                .iter()
                .map(|line| format!("read on {on}: {line}")),
        );
        changes.extend(outage.map(|outage| points::loss(point, outage, self.rpo)));
        changes.extend(used.deviation.as_ref().map(Deviation::in_words));
        if !point.verified {
            changes.push(
                "source unverified: no sums were recorded with it, so each file is compared with what is read \
                 from the backup now"
                    .into(),
            );
        }
        changes.extend(point.remarks.iter().cloned());
        changes.extend(points::chain(point));
        changes.extend(
            used.passed_over
                .iter()
                .map(|why| format!("newer, but not usable: {why}")),
        );
        let logs = point.logs.iter().filter(|_| self.logs);
        changes.extend(
            point
                .files
                .iter()
                .chain(logs)
                .map(|file| points::file(point, file)),
        );
        changes.extend(points::renamed(point));
        changes.extend(points::left_behind(point, self.logs));
        let seeding = used.seeding.as_ref();
        changes.extend(seeding.iter().flat_map(|seeding| seeding.lines(point)));
        changes.extend(used.makes.iter().cloned());
        if !used.replaced.is_empty() {
            changes.push(
                "what arrived from the point that was proven corrupt is removed first, each file by its name"
                    .into(),
            );
        }
        if used.begun {
            changes.push("begun with this point; to take another, undo this step first".into());
        }
        changes
    }

    /// The card where nothing can be restored before a person chose a point.
    pub(super) fn open(&self, seen: &Seen, found: String, fault: &Fault) -> ProbeAnswer {
        let mut changes = vec![fault.what.clone()];
        changes.push("nothing is sent before another restore point is chosen".into());
        let mut proposal = self.proposal(changes, Vec::new());
        proposal.choice = self.choice_of(seen, None);
        needed(found, proposal)
    }

    /// What there is to choose from beside what is taken.
    pub(super) fn choice_of(&self, seen: &Seen, taken: Option<String>) -> Option<Choice> {
        points::choice(&seen.points, &seen.corrupt, taken, seen.outage, self.rpo)
    }

    pub(super) fn evidence(&self, arrivals: &Arrivals) -> Vec<String> {
        let sum =
            |placed: &arrivals::Placed| placed.sha256.get(..12).unwrap_or_default().to_owned();
        let lines = arrivals.placed.iter().map(|placed| {
            format!(
                "{} ({}), sum {}… proven there",
                placed.name,
                size(placed.bytes),
                sum(placed)
            )
        });
        lines.collect()
    }
}
