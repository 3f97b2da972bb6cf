//! Adapters of which nobody knows the address: nobody can be asked whether another machine has it.
//! The VM starts with them unplugged (`network` saw to that), and whether they are plugged in is
//! decided by a person, once it runs.
//!
//! The guest's tools may tell the address although the adapter is unplugged. Then it is asked for
//! like any other, and what answers cannot be the VM itself.

use crate::actions::answer::{blocked, needed, shown_for};
use crate::actions::context::Ctx;
use crate::actions::link::ActError;
use crate::actions::ownership::{Heard, Look};
use crate::actions::registered::{self, Entry};
use crate::actions::waiting::Pauses;
use crate::actions::{answer::Known, place::VmAt, reach, view};
use crate::engine::{Answer, Fact, ProbeAnswer, Prompt, Proposal};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::commands;
use crate::hypervisor::esxi::devices::{Adapter, Devices};
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::guest::Guest;
use crate::hypervisor::esxi::power::PowerState;

use super::{PowerOn, SETTLE};

/// Under which the answer gives the decision.
const KEY: &str = "adapters";
/// The answer that plugs them in.
const CONNECT: &str = "connect";
/// The answer that leaves them as they are.
const LEAVE: &str = "leave";

/// Adapters whose address nobody knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Blind {
    /// Unplugged, and nobody has decided that they stay so: to be decided once it runs.
    pub(super) open: Vec<Unplugged>,
    /// Plugged in from the start, whatever becomes of it.
    pub(super) exposed: Vec<String>,
}

/// An adapter that is not plugged in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unplugged {
    /// `ethernet0`.
    pub(super) adapter: String,
    /// The device's key, as the host counts.
    pub(super) key: u64,
    /// What its addresses said, as far as the guest's tools tell any.
    pub(super) looks: Vec<Look>,
}

impl PowerOn {
    /// What the host has of the adapters whose address nobody knows.
    ///
    /// # Errors
    /// The host could not be asked.
    pub(super) async fn look_at_blind(
        &self,
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
    ) -> Result<Blind, Fault> {
        let mut blind = Blind::default();
        // Where nothing gets out, no address can be somebody else's.
        if self.blind.is_empty() || self.isolation.is_some() {
            return Ok(blind);
        }
        let devices = view::devices(ctx, at, entry.vmid).await?;
        let runs = entry.power() == PowerState::On;
        let guest = if runs {
            guest(ctx, at, entry).await?
        } else {
            None
        };
        for name in &self.blind {
            let Some(adapter) = find(&devices, name) else {
                continue;
            };
            let plugged = if runs {
                adapter.connected
            } else {
                adapter.start_connected
            };
            if plugged {
                blind.exposed.push(name.clone());
            } else if !self.is_left(ctx, name) {
                blind.open.push(Unplugged {
                    adapter: name.clone(),
                    key: adapter.key,
                    looks: self.ask_addresses(ctx, adapter, guest.as_ref()).await,
                });
            }
        }
        Ok(blind)
    }

    async fn ask_addresses(&self, ctx: &Ctx, of: &Adapter, guest: Option<&Guest>) -> Vec<Look> {
        let mut looks = Vec::new();
        let adapters = guest.iter().flat_map(|guest| &guest.adapters);
        let own = adapters.filter(|its| its.mac.is_some() && its.mac == of.mac);
        for address in own.flat_map(|its| its.usable_addresses()) {
            looks.push(reach::ask_alone(ctx, self.vm(), address).await);
        }
        looks
    }

    /// Whether a person decided, since it was started, that this one stays unplugged.
    fn is_left(&self, ctx: &Ctx, name: &str) -> bool {
        let mut left = false;
        for fact in ctx.run_facts() {
            match fact {
                Fact::ConnectionDecided {
                    vm,
                    adapter,
                    connected,
                    ..
                } if vm == self.at.vm && adapter == *name => {
                    left = !connected;
                }
                Fact::Stopped { vm, .. } if vm == self.at.vm => left = false,
                _ => {}
            }
        }
        left
    }

    /// Its start leaves something to be decided, or to be said.
    pub(super) fn blind_at_start(&self, blind: &Blind) -> Vec<String> {
        let open = blind.open.iter().map(|one| {
            format!(
                "{} starts disconnected: its address is not known; whether it is connected is asked \
                 once {} runs",
                one.adapter, self.at.vm
            )
        });
        let exposed = blind.exposed.iter().map(|name| {
            format!(
                "{name} starts connected, as the .vmx has it, although its address is not known: \
                 another machine may have it"
            )
        });
        open.chain(exposed).collect()
    }

    /// It runs with adapters unplugged: are they to be plugged in?
    pub(super) fn decide_connecting(
        &self,
        found: &str,
        entry: &Entry,
        open: &[Unplugged],
        mut proposal: Proposal,
    ) -> ProbeAnswer {
        let names: Vec<&str> = open.iter().map(|one| one.adapter.as_str()).collect();
        let names = names.join(", ");
        let looks: Vec<&Look> = open.iter().flat_map(|one| &one.looks).collect();
        let told: Vec<String> = looks.iter().map(|look| look.line()).collect();
        let told = if told.is_empty() {
            "its tools tell no address yet".to_owned()
        } else {
            format!("its tools tell {}", told.join("; "))
        };
        let found = format!("{found}; {names} disconnected, address not known; {told}");
        if let Some(look) = looks.iter().find(|look| look.heard == Heard::Answer) {
            let fault = Fault::new(
                format!(
                    "{} must not be connected: another machine has its address: {}",
                    self.at.who(),
                    look.line()
                ),
                self.at.host.as_str(),
                format!("it runs with {names} disconnected, and nothing was sent"),
                "stop what answers, or change the address inside the guest; then retry",
            );
            return blocked(
                found,
                fault,
                &["leave it so: skip this step, with the reason"],
            );
        }
        proposal.changes.splice(
            0..0,
            [
                format!("{CONNECT}: {names} of {} is plugged in", self.at.who()),
                format!("{LEAVE}: it stays as it is, and nothing is sent"),
                "the .vmx keeps it disconnected at the next start, until that is changed there"
                    .into(),
            ],
        );
        let commands = open.iter().map(|one| {
            shown_for(&self.at.host, self.vm(), Known::Is(entry.vmid), |vmid| {
                commands::connect_device(vmid, one.key)
            })
        });
        proposal.commands.splice(0..0, commands);
        let ask = Prompt::Choose {
            options: vec![CONNECT.to_owned(), LEAVE.to_owned()],
            at_least: 1,
        };
        proposal.ask = [(KEY.to_owned(), ask)].into();
        needed(found, proposal)
    }

    /// Does what was decided about them.
    pub(super) async fn connect(
        &self,
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
        open: &[Unplugged],
    ) -> Result<(), ActError> {
        let connected = self.decision(ctx)?;
        for one in open.iter().filter(|_| connected) {
            ctx.doing(format!("connecting {} of {}", one.adapter, at.vm));
            let vmx = entry.inventory_path();
            let vmid = registered::vmid_of(ctx, &at.host, Lane::Control, &vmx).await?;
            let doing = format!("connecting {}", one.adapter);
            let command = commands::connect_device(vmid, one.key);
            ctx.order(&at.host, &command, check_silent, &doing).await?;
            self.wait_until_connected(ctx, at, entry, one).await?;
        }
        let by = ctx.confirmation.as_ref().map(|said| said.by.clone());
        for one in open {
            let fact = Fact::ConnectionDecided {
                vm: at.vm.clone(),
                host: at.host.clone(),
                adapter: one.adapter.clone(),
                connected,
                by: by.clone().unwrap_or_default(),
            };
            ctx.link.fact(fact).await?;
        }
        Ok(())
    }

    async fn wait_until_connected(
        &self,
        ctx: &Ctx,
        at: &VmAt,
        entry: &Entry,
        one: &Unplugged,
    ) -> Result<(), ActError> {
        let mut pauses = Pauses::within(SETTLE);
        loop {
            let devices = view::devices(ctx, at, entry.vmid).await?;
            if find(&devices, &one.adapter).is_some_and(|adapter| adapter.connected) {
                return Ok(());
            }
            if !pauses.pause().await {
                return Err(ActError::Failed(Fault::new(
                    format!("{} of {} did not get connected", one.adapter, at.who()),
                    at.host.as_str(),
                    "the host took the command, and shows it disconnected still",
                    "retry, or connect it in the host's own client and retry: that is seen",
                )));
            }
        }
    }

    /// Whether they are to be plugged in.
    fn decision(&self, ctx: &Ctx) -> Result<bool, ActError> {
        let answers = ctx.confirmation.as_ref().map(|said| &said.answers);
        match answers.and_then(|answers| answers.get(KEY)) {
            Some(Answer::Chosen(chosen)) if *chosen == [CONNECT] => Ok(true),
            Some(Answer::Chosen(chosen)) if *chosen == [LEAVE] => Ok(false),
            _ => Err(ActError::Failed(Fault::new(
                format!(
                    "whether {} is connected was not chosen, or both ways were",
                    self.at.who()
                ),
                self.at.host.as_str(),
                "it runs as before; nothing was sent",
                format!("retry, and choose one: {CONNECT} or {LEAVE}"),
            ))),
        }
    }
}

fn find<'a>(devices: &'a Devices, name: &str) -> Option<&'a Adapter> {
    devices.adapters.iter().find(|adapter| {
        let its = adapter.vmx_name();
        its.is_some_and(|its| its.eq_ignore_ascii_case(name))
    })
}

/// What the guest's tools tell now.
async fn guest(ctx: &Ctx, at: &VmAt, entry: &Entry) -> Result<Option<Guest>, Fault> {
    let guest = registered::guest(ctx, &at.host, entry.vmid).await?;
    // What they told last is history while they do not run.
    Ok(guest.tools_running.then_some(guest))
}
