//! A VM that the run started or registered, and the autostart entry that it took away.

use crate::engine::{AutostartEntry, Fact, ProbeAnswer, Proposal};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::power::PowerState;
use crate::hypervisor::esxi::{Vmid, commands};
use crate::plan::{Close, Risk};

use super::super::action::Action;
use super::super::answer::{Known, blocked, done, needed, shown, shown_for};
use super::super::context::Ctx;
use super::super::link::ActError;
use super::super::place::VmAt;
use super::super::registered::{self, Entry, Registration};
use super::super::{autostart, stopping};
use super::tell_gone;

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
}

impl Seen {
    fn entry(&self) -> Option<&Entry> {
        self.registration.get().and_then(|seen| seen.entry.as_ref())
    }
}

impl<'a> EndVm<'a> {
    /// The step for the VM at that place.
    pub fn new(close: &'a Close, at: VmAt) -> Self {
        Self { close, at }
    }

    fn stop(&self, vmid: Known<Vmid>) -> Proposal {
        let at = &self.at;
        Proposal {
            changes: vec![format!(
                "{} is stopped: its guest is asked first, then it is powered off",
                at.who()
            )],
            commands: vec![
                shown_for(&at.host, &at.vm, vmid, commands::shutdown_guest),
                shown_for(&at.host, &at.vm, vmid, commands::power_off),
            ],
            then: format!("{} is off", at.who()),
            risk: Some(Risk::Disruptive),
            ..Proposal::default()
        }
    }

    fn unregister(&self, vmid: Known<Vmid>) -> Proposal {
        let at = &self.at;
        Proposal {
            changes: vec![format!(
                "{} is taken out of the inventory of {}; its files stay in {} for now",
                at.vm,
                at.host,
                at.folder_path()
            )],
            commands: vec![shown_for(&at.host, &at.vm, vmid, commands::unregister)],
            then: format!("{} does not list it any more", at.host),
            undo: Some(shown(&at.host, &commands::register(&at.vmx_path())).line),
            risk: Some(Risk::Disruptive),
            ..Proposal::default()
        }
    }

    fn autostart(&self, vmid: Known<Vmid>, entry: Option<&AutostartEntry>) -> Proposal {
        let at = &self.at;
        let put = |entry| {
            shown_for(&at.host, &at.vm, vmid, |vmid| {
                autostart::restore(vmid, entry)
            })
        };
        Proposal {
            changes: vec![format!(
                "the autostart entry of {} that the run took away is put back",
                at.who()
            )],
            commands: entry.map(put).into_iter().collect(),
            then: format!("{} starts it with itself again", at.host),
            risk: Some(Risk::Write),
            ..Proposal::default()
        }
    }

    fn proposal(&self, seen: &Seen) -> Proposal {
        let vmid = seen
            .entry()
            .map_or(Known::Not, |entry| Known::Is(entry.vmid));
        match self.close {
            Close::Unregister { .. } => self.unregister(vmid),
            Close::AutostartBack { .. } => self.autostart(vmid, seen.due.as_ref()),
            _ => self.stop(vmid),
        }
    }

    fn runs(&self, found: String) -> ProbeAnswer {
        let fault = Fault::new(
            format!("{} runs, so it stays registered", self.at.who()),
            self.at.host.as_str(),
            format!("{found}; nothing was changed"),
            "stop it there first (retry its stop step, or by hand), then retry",
        );
        blocked(
            found,
            fault,
            &["skip the step: what stays is listed as left over"],
        )
    }
}

impl Action for EndVm<'_> {
    type Observed = Seen;

    fn unknown(&self) -> Seen {
        Seen::default()
    }

    async fn observe(&self, ctx: &Ctx) -> Result<Seen, Fault> {
        let registration = registered::look(ctx, &self.at, Lane::Control).await?;
        let due = match (&registration.entry, self.close) {
            (Some(entry), Close::AutostartBack { .. }) => {
                autostart::due(ctx, &self.at, entry.vmid).await?
            }
            _ => None,
        };
        Ok(Seen {
            registration: Known::Is(registration),
            due,
        })
    }

    fn decide(&self, seen: &Seen) -> ProbeAnswer {
        if matches!(seen.registration, Known::Not) {
            return needed("not asked", self.proposal(seen));
        }
        let Some(entry) = seen.entry() else {
            let found = format!("{} is not registered (getallvms)", self.at.who());
            return done(found.clone(), vec![found]);
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
        let Some(entry) = seen.entry() else {
            return Ok(());
        };
        let at = &self.at;
        match self.close {
            Close::Unregister { .. } => {
                let doing = format!("unregistering {}", at.vm);
                let command = commands::unregister(entry.vmid);
                ctx.order(&at.host, &command, check_silent, &doing).await
            }
            Close::AutostartBack { .. } => match &seen.due {
                Some(due) => autostart::put_back(ctx, at, entry.vmid, due).await,
                None => Ok(()),
            },
            _ => {
                let vmx = entry.inventory_path();
                let how = stopping::stop(
                    ctx,
                    &at.host,
                    &at.vm,
                    &vmx,
                    stopping::Way::GuestFirst(stopping::PATIENCE),
                )
                .await?;
                let (vm, host) = (at.vm.clone(), at.host.clone());
                let at = ctx.clock.now();
                ctx.link.fact(Fact::Stopped { vm, host, how, at }).await
            }
        }
    }

    async fn settle(&self, ctx: &Ctx, _seen: &Seen) -> Result<(), ActError> {
        if matches!(self.close, Close::Stop { .. }) {
            stopping::keep_stopped(ctx, &self.at.vm, &self.at.host, "found off").await?;
        }
        tell_gone(ctx, self.close, |_| false).await
    }
}
