//! Chapters: at some moment somebody ends the run by taking it back, and what it did goes, whatever
//! was under way.

use std::sync::OnceLock;

use super::super::*;
use super::World;
use super::jobs::Act;
use super::looks::Seen;
use super::promises::{Broken, ensure};
use super::shapes::{HOSTS, Kind, Shape, VMS, Work, find, shapes};
use super::site::{Flight, Site, Write};
use crate::engine::{Chapter, RunEvent, Status};
use crate::names::OpId;
use crate::plan::{Close, Placed, then_closed};

/// The same plans with the steps that take them back.
pub(super) fn closing_shapes() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| shapes().iter().enumerate().map(closing).collect())
}

/// Whatever has changed something is taken back, the last of each VM first; every other plan is
/// agreed to as a whole before.
fn closing((index, own): (usize, &Shape)) -> Shape {
    let (mut steps, mut work) = (Vec::new(), own.work.clone());
    let mut before: [Vec<usize>; 2] = Default::default();
    if index % 2 == 0 {
        let agree = Close::Agree {
            question: "all of it?".to_owned(),
            lines: Vec::new(),
        };
        add(
            own,
            &mut steps,
            &mut work,
            (0, Kind::Agree),
            agree,
            Vec::new(),
        );
        before = [vec![0], vec![0]];
    }
    for (of, done) in own.work.iter().enumerate().rev() {
        let (vm, host, vmx) = (VMS[done.vm].into(), HOSTS[done.host].into(), String::new());
        let close = match done.kind {
            Kind::PowerOn => Close::Stop { vm, host, vmx },
            Kind::Write => Close::Unregister { vm, host, vmx },
            Kind::Copy => {
                let placed = Placed::default();
                Close::RemoveFiles { vm, host, placed }
            }
            Kind::Prompt | Kind::Fence | Kind::Agree | Kind::Back => continue,
        };
        let after = std::mem::replace(&mut before[done.vm], vec![steps.len()]);
        add(own, &mut steps, &mut work, (of, Kind::Back), close, after);
    }
    let plan = Arc::new(then_closed(Plan::clone(&own.plan), steps));
    Shape {
        starts: find(&work, Kind::PowerOn),
        fences: find(&work, Kind::Fence),
        plan,
        work,
    }
}

fn add(
    own: &Shape,
    steps: &mut Vec<Step>,
    work: &mut Vec<Work>,
    (of, kind): (usize, Kind),
    close: Close,
    after: Vec<usize>,
) {
    let like = &own.plan.steps[of];
    let subject = match kind {
        Kind::Agree => Subject::Run,
        _ => like.subject.clone(),
    };
    let verb = close.verb();
    steps.push(Step {
        id: format!("rollback/x/{}/{verb}.{}", subject.as_str(), steps.len())
            .as_str()
            .into(),
        phase: "Take down".to_owned(),
        subject,
        action: ActionSpec::Close(close),
        side: SiteRole::Recovery,
        after,
        retries: 0,
        on_failure: OnFailure::Ask,
        gate: kind == Kind::Agree,
        typed: None,
        people: 1,
        transfer: false,
        datastore: None,
        ..like.clone()
    });
    work.push(Work {
        kind,
        parts: 0,
        of,
        ..own.work[of].clone()
    });
}

impl World {
    /// The plan that the journal stands for, and what the run is taken up with: now and then somebody
    /// ends it.
    pub(super) fn take_up(&mut self) -> Vec<RunEvent> {
        let opened = self.folded.chapter().is_some();
        let opens = !opened && self.dice.one_in(6);
        let plans = if opened || opens {
            closing_shapes()
        } else {
            shapes()
        };
        self.shape = &plans[self.shape_index];
        if !opens {
            return Vec::new();
        }
        vec![RunEvent::ChapterOpened {
            chapter: Chapter::Rollback,
            by: "bob".to_owned(),
            plan: self.shape.plan.fingerprint.clone(),
            keeping: None,
            despite: None,
        }]
    }

    /// A step that takes another one back finds a command of that one still under way, which a person
    /// settled by hand.
    pub(super) fn may_still_come(&self, step: usize) -> bool {
        let work = &self.shape.work[step];
        let late = |flight: &Flight| {
            let bulk = self.shape.work[flight.step].kind == Kind::Copy;
            let known = self.folded.ops.contains_key(&OpId(flight.op));
            flight.step == work.of && known && !(bulk && matches!(flight.write, Write::Set(_)))
        };
        work.kind == Kind::Back && self.site.flights.iter().any(late)
    }

    /// As the steps do that take another one back.
    pub(super) fn look_back(&mut self, step: usize) -> Seen {
        let work = self.shape.work[step].clone();
        if self.shape.work[work.of].kind == Kind::Copy {
            // What fed late bulk data is gone by then, and so is the file that it went into.
            let late =
                |flight: &Flight| flight.step == work.of && matches!(flight.write, Write::Set(_));
            self.site.flights.retain(|flight| !late(flight));
        }
        let parts = self.site.standing(self.shape, work.of).rev();
        let mut acts: Vec<Act> = parts
            .map(|part| Act::Send(Write::Take(work.of, part)))
            .collect();
        let stopped = self.stopped(work.vm, HOSTS[work.host]);
        let starts = self.shape.work[work.of].kind == Kind::PowerOn;
        if acts.is_empty() {
            let runs = self.folded.started_on(&VMS[work.vm].into()).is_some();
            return Seen::done(if starts && runs {
                vec![stopped]
            } else {
                Vec::new()
            });
        }
        if starts {
            acts.push(Act::Keep(stopped));
        }
        Seen::needed("take back", acts)
    }
}

/// What a chapter's end has to leave: nothing that its steps took back.
pub(super) fn ended(shape: &Shape, site: &Site, before: &RunState) -> Result<(), Broken> {
    for (step, work) in shape.plan.steps.iter().zip(&shape.work) {
        let taken = matches!(before.status(&step.id), Status::Done | Status::AlreadyDone);
        let gone = work.kind != Kind::Back || !taken || site.is_gone(shape, work.of);
        ensure(gone, 2, || {
            format!("{} is over, and what it took back is there", step.id)
        })?;
    }
    Ok(())
}
