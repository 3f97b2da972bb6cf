//! Which restore point is taken: the runbook's, or another that a person chose at run time.

use crate::engine::{Choice, Fact};
use crate::names::VmName;
use crate::runbook::model::{Mode, PointChoice};
use crate::transfer::{self, Chosen, NoPoint, Point};

use super::super::context::Ctx;

/// The key of the answer that names a point.
pub(super) const POINT: &str = "point";

/// What is taken.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The point, and what was passed over for it.
    pub(super) chosen: Chosen,
    /// A person's choice, where it is one.
    pub(super) deviation: Option<Deviation>,
}

/// A person chose otherwise than the runbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deviation {
    /// Who.
    pub(super) by: String,
    /// What the runbook would have taken, or why it would have taken none.
    pub(super) instead_of: String,
    /// In the person's words; empty where they gave none.
    pub(super) why: String,
}

impl Deviation {
    pub(super) fn in_words(&self) -> String {
        let why = if self.why.is_empty() {
            "no reason given"
        } else {
            &self.why
        };
        format!(
            "chosen by {} instead of {}: {why}",
            self.by, self.instead_of
        )
    }
}

/// The point that this step began with, by its folder.
pub(super) fn begun(points: &[Point], path: &str) -> Result<Taken, NoPoint> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let found = points.iter().find(|point| point.path == path);
    let Some(point) = found else {
        return Err(NoPoint::Absent {
            stamp: name.to_owned(),
            newest_sound: None,
        });
    };
    if !point.is_sound() {
        return Err(NoPoint::Unsound {
            stamp: point.name.clone(),
            flaws: point.flaws_in_words(),
            newest_sound: None,
        });
    }
    Ok(taken(point, None))
}

fn taken(point: &Point, deviation: Option<Deviation>) -> Taken {
    let chosen = Chosen {
        point: point.clone(),
        passed_over: Vec::new(),
    };
    Taken { chosen, deviation }
}

/// What is taken now: what the confirmation in hand names, else what a person chose before, else what
/// the runbook says. A new choice is kept as a fact before anything comes of it. What is `judged` to be
/// proven corrupt is taken only where it is named now: it may have been mended.
pub(super) async fn take(
    ctx: &Ctx,
    vm: &VmName,
    points: &[Point],
    judged: &[Point],
    choice: &PointChoice,
) -> Result<Taken, NoPoint> {
    let by_runbook = last_state(ctx, vm, transfer::choose(judged, choice));
    let before = ctx
        .run_facts()
        .into_iter()
        .rev()
        .find_map(|fact| match fact {
            Fact::PointPicked {
                vm: of,
                point,
                by,
                instead_of,
                why,
            } if of == *vm => Some((
                point,
                Deviation {
                    by,
                    instead_of,
                    why,
                },
            )),
            _ => None,
        });
    let now = picked_now(ctx, by_runbook.as_ref());
    let current = match (&before, &by_runbook) {
        (Some((name, _)), _) => Some(name.as_str()),
        (None, Ok(chosen)) => Some(chosen.point.name.as_str()),
        (None, Err(_)) => None,
    };
    if let Some((name, deviation)) = now.filter(|(name, _)| Some(name.as_str()) != current)
        && let Some(point) = sound(points, &name)
    {
        let fact = Fact::PointPicked {
            vm: vm.clone(),
            point: name,
            by: deviation.by.clone(),
            instead_of: deviation.instead_of.clone(),
            why: deviation.why.clone(),
        };
        // Where it cannot be kept nobody waits for this action any more.
        let _ = ctx.link.fact(fact).await;
        return Ok(of_choice(point, deviation, by_runbook));
    }
    match before {
        Some((name, deviation)) => match sound(judged, &name) {
            Some(point) => Ok(of_choice(point, deviation, by_runbook)),
            None => transfer::choose(judged, &PointChoice::Stamp(name)).map(|chosen| Taken {
                chosen,
                deviation: Some(deviation),
            }),
        },
        None => by_runbook.map(|chosen| Taken {
            chosen,
            deviation: None,
        }),
    }
}

fn sound<'a>(points: &'a [Point], name: &str) -> Option<&'a Point> {
    let found = points.iter().find(|point| point.name == name);
    found.filter(|point| point.is_sound())
}

/// In a planned run nothing has to be lost: the runbook takes no point from before the VM's stop.
fn last_state(ctx: &Ctx, vm: &VmName, chosen: Result<Chosen, NoPoint>) -> Result<Chosen, NoPoint> {
    let chosen = chosen?;
    let stopped = ctx.state.wrote_until(vm);
    let is_whole = stopped.is_some_and(|stopped| chosen.point.stamp.time() >= stopped);
    if ctx.mode == Mode::Planned && !is_whole {
        let stamp = chosen.point.name;
        return Err(NoPoint::BeforeStop { stamp });
    }
    Ok(chosen)
}

/// A choice that comes to what the runbook says is no deviation.
fn of_choice(point: &Point, deviation: Deviation, by_runbook: Result<Chosen, NoPoint>) -> Taken {
    match by_runbook {
        Ok(chosen) if chosen.point.name == point.name => Taken {
            chosen,
            deviation: None,
        },
        _ => taken(point, Some(deviation)),
    }
}

/// What the confirmation in hand says.
fn picked_now(ctx: &Ctx, by_runbook: Result<&Chosen, &NoPoint>) -> Option<(String, Deviation)> {
    use crate::engine::Answer;
    let confirmation = ctx.confirmation.as_ref()?;
    let shown = ctx.state.steps.get(&ctx.step.id)?.proposal.as_ref()?;
    let name = shown.choice.as_ref()?.answered(&confirmation.answers)?;
    let why = match confirmation.answers.get(Choice::WHY) {
        Some(Answer::Value(why)) => why.trim().to_owned(),
        _ => String::new(),
    };
    let instead_of = match by_runbook {
        Ok(chosen) => chosen.point.name.clone(),
        Err(why) => format!("none ({why})"),
    };
    let by = confirmation.by.clone();
    Some((
        name.to_owned(),
        Deviation {
            by,
            instead_of,
            why,
        },
    ))
}
