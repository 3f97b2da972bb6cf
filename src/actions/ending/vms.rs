//! A VM that the run started or registered, and the autostart entry that it took away.

use crate::engine::{AutostartEntry, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::plan::{Close, Risk};
use crate::runbook::model::Mode;

use super::super::action::Action;
use super::super::answer::{Known, blocked, done, needed, shown_for};
use super::super::context::Ctx;
use super::super::link::ActError;
use super::super::place::VmAt;
use super::super::registered::{self, Entry, Registration};
use super::super::stop_lost::nothing_comes;
use super::super::stopping::Way;
use super::super::{autostart, stopping, unregister};
use super::{LEFT, tell_gone};

/// The step about one VM.
pub(in crate::actions) struct EndVm<'a> {
    close: &'a Close,
    at: VmAt,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(in crate::actions) struct Seen {
    pub(super) registration: Known<Registration>,
    /// The autostart entry that is due back.
    pub(super) due: Option<AutostartEntry>,
    /// A drill made it: nobody keeps what it has written.
    pub(super) is_drills: bool,
}

impl Seen {
    fn entry(&self) -> Option<&Entry> {
        self.registration.get().and_then(|seen| seen.entry.as_ref())
    }

    fn vmid(&self) -> Option<Vmid> {
        self.registration.get().and_then(Registration::vmid)
    }

    fn tools(&self) -> bool {
        self.entry().is_none_or(|entry| entry.summary.tools_running)
    }

    fn way(&self) -> Way {
        if self.is_drills && !self.tools() {
            Way::AtOnce("its guest's tools did not run")
        } else {
            Way::GuestFirst(stopping::PATIENCE)
        }
    }
}

impl<'a> EndVm<'a> {
    /// The step for the VM at that place.
    pub fn new(close: &'a Close, at: VmAt) -> Self {
        Self { close, at }
    }

    fn stop(&self, seen: &Seen, vmid: Known<Vmid>) -> Proposal {
        let at = &self.at;
        let shown = |make: fn(_) -> _| shown_for(&at.host, &at.vm, vmid, make);
        let (how, commands) = match seen.way() {
            Way::AtOnce(_) => (
                "its guest's tools do not run, and what a drill made is not kept: it is powered off at once".to_owned(),
                vec![shown(commands::power_off)],
            ),
            Way::GuestFirst(patience) | Way::Asked(patience) => (
                stopping::guest_first(seen.tools(), patience),
                vec![shown(commands::shutdown_guest), shown(commands::power_off)],
            ),
        };
        Proposal {
            changes: vec![format!("{} is stopped: {how}", at.who())],
            commands,
            then: format!("{} is off", at.who()),
            risk: Some(Risk::Disruptive),
            ..Proposal::default()
        }
    }

    fn autostart(&self, vmid: Known<Vmid>, entry: Option<&AutostartEntry>) -> Proposal {
        let at = &self.at;
        Proposal {
            changes: vec![format!(
                "the autostart entry of {} that the run took away is put back",
                at.who()
            )],
            commands: entry.map_or_else(Vec::new, |entry| autostart::shown(at, vmid, entry)),
            then: format!("{} starts it with itself again", at.host),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn proposal(&self, seen: &Seen) -> Proposal {
        let vmid = seen.vmid().map_or(Known::Not, Known::Is);
        match self.close {
            Close::Unregister { .. } => unregister::proposal(&self.at, vmid),
            Close::AutostartBack { .. } => self.autostart(vmid, seen.due.as_ref()),
            _ => self.stop(seen, vmid),
        }
    }

    fn runs(&self, found: String) -> ProbeAnswer {
        let fault = Fault::new(
            format!("{} runs, so it stays registered", self.at.who()),
            self.at.host.as_str(),
            format!("{found}; nothing was changed"),
            "stop it there first (retry its stop step, or by hand), then retry",
        );
        blocked(found, fault, &[LEFT])
    }
}

impl EndVm<'_> {
    /// That the list has no row for it proves neither that it has no entry nor that it is off.
    fn unlisted(&self, registration: &Registration, seen: &Seen) -> ProbeAnswer {
        if let Some(answer) = registration.unlisted.blocks(&self.at, LEFT) {
            return answer;
        }
        let Some(vmid) = registration.vmid() else {
            let found = registration.is_none(&self.at);
            return done(found.clone(), vec![found]);
        };
        let found = registered::unreadable(vmid);
        match self.close {
            Close::Unregister { .. } => needed(found, self.proposal(seen)),
            Close::AutostartBack { .. } => {
                let fault = Fault::new(
                    format!(
                        "the file of {} cannot be read there, so its autostart entry waits",
                        self.at.who()
                    ),
                    self.at.host.as_str(),
                    format!("{found}; nothing was changed"),
                    "make its .vmx readable to the host again, then retry",
                );
                blocked(found, fault, &[])
            }
            _ => {
                let off = format!("{} does not run (esxcli vm process list)", self.at.who());
                done(found.clone(), vec![found, off])
            }
        }
    }
}

impl Action for EndVm<'_> {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        nothing_comes(ctx, &self.at).await?;
        let registration = registered::look_past(ctx, &self.at).await?;
        let due = match (&registration.entry, self.close) {
            (Some(entry), Close::AutostartBack { .. }) => {
                autostart::due(ctx, &self.at, entry.vmid).await?
            }
            _ => None,
        };
        Ok(Seen {
            registration: Known::Is(registration),
            due,
            is_drills: ctx.mode == Mode::Drill,
        })
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        let Known::Is(registration) = &seen.registration else {
            return needed("not asked", self.proposal(seen));
        };
        let Some(entry) = &registration.entry else {
            return self.unlisted(registration, seen);
        };
        let found = format!(
            "registered as vmid {}, power state {}",
            entry.vmid,
            entry.power()
        );
        let is_on = entry.power() == PowerState::On;
        match self.close {
            Close::Unregister { .. } if is_on => self.runs(found),
            Close::Unregister { .. } => needed(found, self.proposal(seen)),
            Close::AutostartBack { .. } if seen.due.is_none() => {
                let evidence = format!("{} has its autostart entry", self.at.who());
                done(evidence.clone(), vec![evidence])
            }
            Close::AutostartBack { .. } => needed(
                format!("{found}, without autostart entry"),
                self.proposal(seen),
            ),
            _ if is_on => needed(found, self.proposal(seen)),
            _ => done(found.clone(), vec![found]),
        }
    }

    async fn act(&self, ctx: &Ctx, seen: &Seen) -> Result<(), ActError> {
        let at = &self.at;
        match (self.close, seen.vmid(), seen.entry()) {
            (Close::Unregister { .. }, Some(vmid), _) => {
                let doing = format!("unregistering {}", at.vm);
                let command = commands::unregister(vmid);
                ctx.order(&at.host, &command, check_silent, &doing).await
            }
            (Close::AutostartBack { .. }, Some(vmid), _) => match &seen.due {
                Some(due) => autostart::put_back(ctx, at, vmid, due).await,
                None => Ok(()),
            },
            (Close::Stop { .. }, _, Some(entry)) => {
                let vmx = entry.inventory_path();
                stopping::stop(ctx, &at.host, &at.vm, &vmx, seen.way()).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn settle(&self, ctx: &Ctx, _seen: &Seen) -> Result<(), ActError> {
        if matches!(self.close, Close::Stop { .. }) {
            stopping::keep_stopped(ctx, &self.at.vm, &self.at.host, "found off").await?;
        }
        tell_gone(ctx, self.close, |_| false).await
    }
}
