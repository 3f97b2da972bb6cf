//! The autostart entry that `fence` took away: whether it is due back, and putting it back.

use crate::engine::{AutostartEntry, Fact, ShownCommand};
use crate::error::Fault;
use crate::host::Lane;
use crate::hypervisor::esxi::faults::check_silent;
use crate::hypervisor::esxi::{Vmid, commands};

use super::answer::{Known, shown_for};
use super::context::Ctx;
use super::link::ActError;
use super::place::VmAt;
use super::registered;

/// The entry that `fence` took away on this host, if it is not back.
///
/// # Errors
/// The host could not be asked.
pub(super) async fn due(ctx: &Ctx, at: &VmAt, vmid: Vmid) -> Result<Option<AutostartEntry>, Fault> {
    let removed = ctx.facts().find_map(|fact| match fact {
        Fact::AutostartRemoved { vm, host, entry } if *vm == at.vm && *host == at.host => {
            Some(entry)
        }
        _ => None,
    });
    let Some(removed) = removed else {
        return Ok(None);
    };
    let parse = AutostartEntry::parse_all;
    let doing = "reading the start order";
    let entries = ctx
        .read(
            &at.host,
            Lane::Control,
            &commands::autostart(),
            parse,
            doing,
        )
        .await?;
    let there = entries
        .iter()
        .any(|(its, entry)| *its == vmid && entry.starts());
    Ok((!there).then(|| removed.clone()))
}

/// In which forms it is put back, one after the other until the host's list has it: whether the options are
/// ended before it. What a `vim-cmd` makes of that end is seen from its list alone.
fn forms(entry: &AutostartEntry) -> &'static [bool] {
    if entry.has_dash() {
        &[true, false]
    } else {
        &[false]
    }
}

/// The commands that put it back; the second is sent only where the host's list lacks it after the first.
pub(super) fn shown(at: &VmAt, vmid: Known<Vmid>, entry: &AutostartEntry) -> Vec<ShownCommand> {
    let shown = |ends: &bool| {
        shown_for(&at.host, &at.vm, vmid, |vmid| {
            commands::update_autostart_restore(vmid, entry, *ends)
        })
    };
    forms(entry).iter().map(shown).collect()
}

/// Puts it back, once the host has told by which number it knows the VM now.
///
/// # Errors
/// As [`put_back`], and where the host could not be asked.
pub(super) async fn put_back_by_vmx(
    ctx: &Ctx,
    at: &VmAt,
    vmx: &str,
    entry: &AutostartEntry,
) -> Result<(), ActError> {
    let vmid = registered::vmid_of(ctx, &at.host, Lane::Control, vmx).await?;
    put_back(ctx, at, vmid, entry).await?;
    ctx.link
        .fact(Fact::AutostartRestored {
            vm: at.vm.clone(),
            host: at.host.clone(),
        })
        .await
}

/// Puts it back.
///
/// # Errors
/// The host refused it in every form, which the first refusal tells of, or the write was lost.
pub(super) async fn put_back(
    ctx: &Ctx,
    at: &VmAt,
    vmid: Vmid,
    entry: &AutostartEntry,
) -> Result<(), ActError> {
    let doing = format!("putting back the autostart entry of {}", at.vm);
    one_by_one(forms(entry), |ends| {
        let command = commands::update_autostart_restore(vmid, entry, ends);
        let doing = &doing;
        async move {
            match ctx.order(&at.host, &command, check_silent, doing).await {
                Ok(()) => Ok(Ok(due(ctx, at, vmid).await?.is_none())),
                Err(ActError::Failed(refusal)) => Ok(Err(refusal)),
                Err(error) => Err(error),
            }
        }
    })
    .await
}

/// Sends one form after the other until the list has the entry, as `send` tells unless the host refused it.
async fn one_by_one<F>(forms: &[bool], mut send: impl FnMut(bool) -> F) -> Result<(), ActError>
where
    F: Future<Output = Result<Result<bool, Fault>, ActError>>,
{
    let mut refused = None;
    for form in forms {
        match send(*form).await? {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    refused.map_or(Ok(()), |refusal| Err(refusal.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sent = Result<bool, Fault>;

    fn refusal(what: &str) -> Sent {
        Err(Fault::new(what, "lee-esx1", "", ""))
    }

    /// What comes of two forms to which the host says this, and how many were sent.
    async fn put(said: [Sent; 2]) -> (Result<(), String>, usize) {
        let mut left = said.into_iter();
        let next = |_| std::future::ready(Ok(left.next().unwrap()));
        let put = one_by_one(&[true, false], next).await;
        let put = put.map_err(|error| match error {
            ActError::Failed(fault) => fault.what,
            other => format!("{other:?}"),
        });
        (put, 2 - left.len())
    }

    #[tokio::test]
    async fn the_second_form_is_sent_only_where_the_list_lacks_it_and_the_first_refusal_is_told() {
        let second = || refusal("unrecognized option '--'");
        assert_eq!(put([Ok(true), second()]).await, (Ok(()), 1));
        assert_eq!(put([Ok(false), Ok(true)]).await, (Ok(()), 2));
        assert_eq!(put([second(), Ok(true)]).await, (Ok(()), 2));
        let told = |what: &str| (Err(what.to_owned()), 2);
        let first = || refusal("the VM is being migrated");
        assert_eq!(
            put([first(), second()]).await,
            told("the VM is being migrated")
        );
        assert_eq!(
            put([first(), Ok(false)]).await,
            told("the VM is being migrated")
        );
        assert_eq!(
            put([Ok(false), second()]).await,
            told("unrecognized option '--'")
        );
        // What is seen next tells that it is not there.
        assert_eq!(put([Ok(false), Ok(false)]).await, (Ok(()), 2));
    }
}
