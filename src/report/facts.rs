//! A fact of the run in a line for people, wherever the run is followed.

use crate::clock::utc;
use crate::engine::Fact;

use super::text::bytes as size;

/// The fact in words.
#[must_use]
pub fn fact_in_words(fact: &Fact) -> String {
    match fact {
        Fact::DatastoreSeen { host, label, uuid } => {
            format!("datastore {label} of {host} is volume {uuid}")
        }
        Fact::PointChosen {
            vm,
            backup,
            stamp,
            verified,
            ..
        } => {
            let sums = if *verified { "" } else { ", source unverified" };
            format!("{vm} is restored from {backup} {stamp}{sums}")
        }
        Fact::PointCorrupt { .. } => fact.corrupt().unwrap_or_default(),
        Fact::LockWanted { vm, host, path } => {
            let what = Fact::locked(vm.as_ref(), host);
            format!("{what} is locked for this run: {path}")
        }
        Fact::LockBroken {
            vm,
            host,
            holder,
            by,
            reason,
            ..
        } => {
            let what = Fact::locked(vm.as_ref(), host);
            format!("{by} had the lock on {what} broken, held by {holder}: {reason}")
        }
        Fact::LockReleased {
            vm,
            host,
            path,
            how,
        } => format!(
            "the lock on {} {how}: {path}",
            Fact::locked(vm.as_ref(), host)
        ),
        Fact::FilesChosen {
            vm,
            host,
            backup,
            stamp,
            quiesced,
            ..
        } => format!("{vm}: files of {backup} {stamp} for {host}; quiesced: {quiesced}"),
        Fact::WaitBegan { until, .. } => format!("waits until {}", utc(*until)),
        Fact::HandedOff { to, .. } => format!("handed off to {to}"),
        Fact::PointPicked { .. } => fact.pick().unwrap_or_default(),
        Fact::FilePlaced {
            host,
            path,
            bytes,
            sha256,
            proof,
            ..
        } => {
            format!(
                "placed {path} on {host}, {}, sha256 {sha256}, proven by {proof}",
                size(*bytes)
            )
        }
        Fact::RoomCounted {
            vm,
            host,
            label,
            bytes,
            swap,
        } => {
            format!(
                "{vm} takes {} of {label} on {host}, and {} of swap at power-on",
                size(*bytes),
                size(*swap)
            )
        }
        Fact::Seeded {
            vm,
            drill,
            file,
            bytes,
            sent,
            ..
        } => format!(
            "{file} of {vm} made from the disk that drill {drill} kept: {} of {} sent",
            size(*sent),
            size(*bytes)
        ),
        Fact::DisksKept { vm, host, folder } => {
            format!("the disks of {vm} are kept on {host} for going live: {folder}")
        }
        Fact::FolderMade { host, path } => format!("folder {path} made on {host}"),
        Fact::OriginalKept {
            host, path, aside, ..
        } => {
            format!("{path} on {host} kept aside as {aside}")
        }
        Fact::ConfigKept { path, copy, .. } => format!("old bytes of {path} kept as {copy}"),
        Fact::ConfigRead { host, path, .. } => format!("{host} has read {path} again"),
        Fact::Registered { vm, host, vmx, .. } => format!("{vm} registered on {host}: {vmx}"),
        Fact::PortGroupMade {
            host,
            name,
            vswitch,
            vlan,
        } => {
            format!("port group {name} made on {vswitch} of {host}, VLAN {vlan}")
        }
        Fact::AdapterJoined {
            vm,
            adapter,
            before,
            after,
            ..
        } => {
            let before = before.as_deref().unwrap_or("nothing");
            format!("{adapter} of {vm} joined to {after}, before to {before}")
        }
        Fact::AutostartRestored { vm, host } => {
            format!("autostart entry of {vm} put back on {host}")
        }
        Fact::AutostartRemoved { vm, host, .. } => {
            format!("autostart entry of {vm} removed on {host}")
        }
        Fact::ProtectedAgain { vm, backup, point } => {
            format!("{vm} is protected again, by {point} in {backup}")
        }
        Fact::Gone { host, what } => format!("no longer on {host}: {what}"),
        Fact::StopWanted { vm, host, .. } => format!("{vm} runs on {host} and is to be stopped"),
        Fact::ShutdownUnheeded { vm, host, why, .. } => format!("{vm} on {host} still runs: {why}"),
        Fact::CapacityFreed {
            host, name, how, ..
        } => format!("{name} on {host} makes room: {how}"),
        Fact::Stopped { vm, host, how, .. } => format!("{vm} on {host}: {how}"),
        Fact::OwnershipEvidence {
            vm, lines, whole, ..
        } => {
            let whole = if *whole { "whole" } else { "not whole" };
            format!(
                "evidence that {vm} runs nowhere else, {whole}: {}",
                lines.join("; ")
            )
        }
        Fact::Attested {
            by,
            words,
            statement,
            ..
        } => {
            format!("{by} attested, not proven, that {statement}: {words}")
        }
        Fact::Contradicted {
            statement, seen, ..
        } => {
            format!("what was vouched for ({statement}) does not hold: {seen}; it ends for good")
        }
        Fact::AddressProbed {
            address,
            by,
            answered,
            unasked,
            ..
        } => match (answered, unasked) {
            (true, _) => format!("{address} ANSWERED, asked by {by}"),
            (false, true) => format!("{address}: nobody could tell, asked by {by}"),
            (false, false) => format!("{address} silent, asked by {by}"),
        },
        Fact::PoweredOn { vm, host } => format!("{vm} is on, on {host}"),
        Fact::RungReached { vm, rung, seen } => format!("{vm} reached {rung}: {seen}"),
        Fact::Serves { vm } => format!("{vm} serves"),
        Fact::HostReturned { .. }
        | Fact::SplitBrain { .. }
        | Fact::RunsElsewhere { .. }
        | Fact::RanSinceCopied { .. } => fact.alarm().unwrap_or_default(),
        Fact::CopyBegan { vm, host } => format!("{vm}'s own files begin to be copied from {host}"),
        Fact::CopiedAtRest { vm, host, .. } => {
            format!("{vm} was off on {host} while its files were copied")
        }
        Fact::SplitBrainEnded { vm, how } => format!("{vm} runs at one site again: {how}"),
        Fact::TakenHome(taken) => taken.in_words(),
        Fact::ConnectionDecided { .. } => fact.connection().unwrap_or_default(),
        Fact::SurvivorChosen { vm, site, by } => format!("{by} chose that {vm} lives in {site}"),
        Fact::VswitchMade { host, name } => format!("virtual switch {name} was made on {host}"),
        Fact::IsolationSeen { vm, host, .. } => {
            format!("{vm} is isolated on {host}: no uplink, nothing else joined")
        }
        Fact::RungNotProvable { vm, rung } => {
            format!("{vm}: {rung} is not provable in the isolation")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nobody_could_ask_is_not_called_silent() {
        let probed = |answered, unasked| {
            fact_in_words(&Fact::AddressProbed {
                vm: "sql01".into(),
                address: "192.0.2.50".into(),
                by: "the console (ping): so it said".into(),
                answered,
                unasked,
            })
        };
        for (answered, unasked, want) in [
            (true, false, "192.0.2.50 ANSWERED"),
            (false, false, "192.0.2.50 silent"),
            (false, true, "192.0.2.50: nobody could tell"),
        ] {
            let said = probed(answered, unasked);
            assert!(said.starts_with(want), "{said}");
        }
    }
}
