//! The way out: London is dark, sql01 comes up in Leeds.

use super::needed;
use super::world::{World, is_done};
use crate::engine::Fact;
use crate::runbook::model::SiteRole;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_is_brought_up_where_the_other_site_is_dark() {
    let world = World::new().await;
    world.site.go_dark(SiteRole::Protected);

    let fence = world.probe("sql01/fence").await;
    let proposal = needed(&fence);
    assert!(proposal.attest.is_some() && proposal.commands.is_empty(), "{proposal:?}");
    let evidence = world.go("sql01/fence").await;
    assert!(evidence[0].contains("attested, not proven"), "{evidence:?}");

    for verb in ["restore", "register", "network", "power_on", "ready"] {
        let evidence = world.go(&format!("failover/recover/sql01/{verb}")).await;
        assert!(!evidence.is_empty(), "{verb}");
        println!("{verb}: {evidence:#?}");
    }
    let facts = world.facts();
    let has = |is: &dyn Fn(&Fact) -> bool| facts.iter().any(is);
    assert!(has(&|fact| matches!(fact, Fact::Attested { .. })));
    assert!(has(&|fact| matches!(fact, Fact::PointChosen { verified: true, .. })));
    assert!(has(&|fact| matches!(fact, Fact::FilePlaced { path, .. } if path.ends_with("sql01-flat.vmdk"))));
    assert!(has(&|fact| matches!(fact, Fact::Registered { uuid_bios, .. } if uuid_bios.len() == 32)));
    assert!(has(&|fact| matches!(fact, Fact::PortGroupMade { vlan: 20, .. })));
    assert!(has(&|fact| matches!(fact, Fact::AdapterJoined { .. })));
    assert!(has(&|fact| matches!(fact, Fact::AddressProbed { answered: false, .. })));
    assert!(has(&|fact| matches!(fact, Fact::OwnershipEvidence { whole: false, .. })));
    assert!(has(&|fact| matches!(fact, Fact::PoweredOn { .. })));
    assert!(has(&|fact| matches!(fact, Fact::Serves { .. })));

    // Everything is looked at once more, and nothing is sent.
    let before = world.all_writes();
    for verb in ["fence", "restore", "register", "network", "power_on", "ready"] {
        let answer = world.probe(&format!("failover/recover/sql01/{verb}")).await;
        assert!(is_done(&answer), "{verb}: {answer:?}");
    }
    assert_eq!(world.all_writes(), before);
    world.end().await;
}
