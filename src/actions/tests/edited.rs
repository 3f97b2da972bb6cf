//! Somebody else edits a .vmx at the moment that a step is about to replace it.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::world::{World, out};
use crate::engine::{Fact, Performed};
use crate::error::Fault;
use crate::sim::Injection;

const EDIT: &str = "annotation = \"do not lose this\"\n";

fn append(path: &Path) {
    let mut file = std::fs::File::options().append(true).open(path).unwrap();
    file.write_all(EDIT.as_bytes()).unwrap();
}

/// sql01 stands in Leeds before its `network`; gives its .vmx there, too.
async fn before_its_network() -> (World, PathBuf) {
    let world = World::out_to("network").await;
    let path = world.facts().into_iter().rev().find_map(|fact| match fact {
        Fact::FilePlaced { path, .. } if path.ends_with("sql01.vmx") => Some(path),
        _ => None,
    });
    let vmx = world.on("lee-esx1", &path.unwrap());
    (world, vmx)
}

/// Somebody edits the .vmx between the last look and its rename.
fn edited_before_the_rename(world: &World, vmx: &Path, then: impl Fn(&str) + Send + 'static) {
    let vmx = vmx.to_owned();
    let mut is_edited = false;
    *world.keeper.meanwhile.lock().unwrap() = Some(Box::new(move |line: &str| {
        if line.ends_with("-before") && !is_edited {
            append(&vmx);
            is_edited = true;
        }
        then(line);
    }));
}

/// The files beside the .vmx that a run keeps of before.
fn asides(vmx: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(vmx.parent().unwrap()).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().contains("-before"))
        .collect()
}

fn holds_edit(path: &Path) -> bool {
    std::fs::read_to_string(path).unwrap().contains(EDIT)
}

async fn refusal(world: &World) -> Fault {
    world.probe(&out("network")).await;
    match world.perform(&out("network")).await {
        Performed::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

async fn goes_on(world: &World, vmx: &Path) {
    *world.keeper.meanwhile.lock().unwrap() = None;
    let evidence = world.go(&out("network")).await;
    assert!(evidence[0].contains("is joined to"), "{evidence:?}");
    assert!(holds_edit(vmx));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_before_the_renames_is_put_back_and_told_and_stays_in_the_file() {
    for without_sums in [false, true] {
        let (world, vmx) = before_its_network().await;
        world
            .site
            .inject(&"lee-esx1".into(), Injection::WithoutSums(without_sums))
            .unwrap();
        edited_before_the_rename(&world, &vmx, |_| {});
        let fault = refusal(&world).await;
        assert!(fault.what.contains("changed by somebody else"), "{fault}");
        assert!(fault.state.contains("has its name back"), "{fault}");
        assert!(holds_edit(&vmx) && asides(&vmx).is_empty());
        goes_on(&world, &vmx).await;
        assert!(asides(&vmx).iter().all(|path| holds_edit(path)));
        world.undo(&out("network")).await;
        assert!(holds_edit(&vmx) && asides(&vmx).is_empty());
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_whose_name_is_taken_meanwhile_is_kept_beside_what_took_it() {
    let (world, vmx) = before_its_network().await;
    let taken = vmx.clone();
    edited_before_the_rename(&world, &vmx, move |line| {
        if line.contains("-before ") && line.ends_with("sql01.vmx") {
            let aside = asides(&taken).remove(0);
            std::fs::copy(aside, &taken).unwrap();
        }
    });
    let fault = refusal(&world).await;
    assert!(fault.state.contains("-before now"), "{fault}");
    assert!(holds_edit(&asides(&vmx)[0]) && holds_edit(&vmx));
    goes_on(&world, &vmx).await;
    assert_eq!(asides(&vmx).len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_is_in_the_file_though_the_link_dies_at_either_rename_of_it() {
    for ends in ["-before", "sql01.vmx"] {
        let (world, vmx) = before_its_network().await;
        let loss = std::sync::Arc::clone(&world.link.loss);
        edited_before_the_rename(&world, &vmx, move |line| {
            if line.contains("-before") && line.ends_with(ends) {
                loss.arm();
            }
        });
        world.probe(&out("network")).await;
        let performed = world.perform(&out("network")).await;
        assert!(matches!(performed, Performed::Lost), "{performed:?}");
        world.settle(&out("network")).await;
        goes_on(&world, &vmx).await;
        world.end().await;
    }
}
