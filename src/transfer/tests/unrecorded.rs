//! Sources that nobody recorded a sum of: read once, and still known to have held still.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::site::{Journal, Site, noise, put_vm};
use crate::runbook::model::Driver;
use crate::transfer::{Against, Delivery, Folder, Item, Landing, Phase, Progress, Tell};

const DISK: &str = "web01-flat.vmdk";

/// The VM's files in a folder, their sums forgotten.
fn put_unsummed(folder: &Path) -> Vec<Item> {
    let mut items = put_vm(folder);
    for item in &mut items {
        (item.sum, item.recorded) = (None, false);
    }
    items
}

/// The phases that a delivery went through, each with its file.
type Phases = Arc<Mutex<Vec<(Phase, String)>>>;

/// Keeps what is told, and does something with it.
fn telling(then: impl Fn(&Progress) + Send + Sync + 'static) -> (Phases, Tell) {
    let phases = Phases::default();
    let sink = phases.clone();
    let tell = move |progress: Progress| {
        then(&progress);
        let mut phases = sink.lock().unwrap();
        phases.push((progress.phase, progress.file));
    };
    (phases, Arc::new(tell))
}

fn summed_beforehand(phases: &Phases) -> usize {
    let mut phases = phases.lock().unwrap().clone();
    phases.dedup();
    let reading = |(phase, _): &&(Phase, String)| *phase == Phase::Reading;
    phases.iter().filter(reading).count()
}

fn assert_arrived(site: &Site, from: &str) {
    for name in super::site::names(&site.path(from)) {
        let read = |folder: &str| std::fs::read(site.path(folder).join(&name)).unwrap();
        assert_eq!(read(from), read("target/vm"), "{name}");
    }
}

#[tokio::test]
async fn a_folder_is_read_once_and_what_is_there_already_is_summed_to_compare() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    for from in ["here", "there"] {
        let items = put_unsummed(&site.path(from));
        let source = match from {
            "here" => Folder::Here(site.path(from)),
            _ => site.on("bk1", from),
        };
        let delivery = site.delivery(source, items, Landing::Fresh);
        let (phases, tell) = telling(|_| {});
        let landed = delivery.bring(&Journal::new(), tell).await.unwrap();
        assert_eq!(summed_beforehand(&phases), 0, "{from}");
        assert!(landed.iter().all(|file| file.against == Against::Source));
        assert_arrived(&site, from);

        let again = Journal::new();
        let (phases, tell) = telling(|_| {});
        let landed = delivery.bring(&again, tell).await.unwrap();
        assert!(landed.iter().all(|file| file.was_there));
        assert_eq!(again.announced(), [""; 0]);
        assert_eq!(summed_beforehand(&phases), landed.len());
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

/// Writes to the disk's beginning, once it has been read and the host takes its sum.
fn once_sent(disk: PathBuf, bytes: Vec<u8>) -> (Phases, Tell) {
    telling(move |progress| {
        if (progress.phase, progress.file.as_str()) == (Phase::Proving, DISK) {
            let file = std::fs::OpenOptions::new().write(true).open(&disk);
            file.unwrap().write_all_at(&bytes, 0).unwrap();
        }
    })
}

#[tokio::test]
async fn a_source_that_changes_behind_the_reader_is_found() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    for from in ["here", "there"] {
        let items = put_unsummed(&site.path(from));
        let disk = site.path(from).join(DISK);
        // What a host tells has no fractions of a second.
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        let file = std::fs::OpenOptions::new().write(true).open(&disk).unwrap();
        file.set_modified(long_ago).unwrap();
        let source = match from {
            "here" => Folder::Here(site.path(from)),
            _ => site.on("bk1", from),
        };
        let delivery = site.delivery(source, items, Landing::Fresh);
        let (_, tell) = once_sent(disk.clone(), noise(64, 99));
        let error = delivery.bring(&Journal::new(), tell).await.unwrap_err();
        let fault = error.fault();
        let begins = format!("{DISK} changed while it was copied: its sum was ");
        assert!(fault.what.starts_with(&begins), "{fault}");
        assert!(!site.arrived().contains(&DISK.to_owned()));

        // Touched only: it is read for its sum once more, and is what it was.
        file.set_modified(long_ago).unwrap();
        let mut same = vec![0; 64];
        file_of(&disk).read_exact_at(&mut same, 0).unwrap();
        let (phases, tell) = once_sent(disk, same);
        delivery.bring(&Journal::new(), tell).await.unwrap();
        let phases = phases.lock().unwrap().clone();
        assert!(phases.contains(&(Phase::Reading, DISK.to_owned())));
        assert_arrived(&site, from);
        std::fs::remove_dir_all(site.path("target/vm")).unwrap();
    }
}

fn file_of(path: &Path) -> std::fs::File {
    std::fs::File::open(path).unwrap()
}

#[tokio::test]
async fn a_file_that_grew_since_it_was_listed_is_named() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_unsummed(&site.path("here"));
    let disk = std::fs::OpenOptions::new()
        .append(true)
        .open(site.path("here").join(DISK));
    std::io::Write::write_all(&mut disk.unwrap(), b"more").unwrap();
    let delivery = site.delivery(Folder::Here(site.path("here")), items, Landing::Fresh);
    let (_, tell) = telling(|_| {});
    let error = delivery.bring(&Journal::new(), tell).await.unwrap_err();
    assert_eq!(
        error.fault().what,
        format!("{DISK} has 31457284 bytes and had 31457280 when the step looked: it changed")
    );
}

/// A console that is killed in mid-file: what it had hashed is gone, and the next one compares.
#[tokio::test]
async fn after_a_crash_the_comparison_gives_the_sum() {
    let Some(site) = Site::start(Driver::Esxi, "") else {
        return;
    };
    let items = put_unsummed(&site.path("here"));
    let delivery: Delivery = site.delivery(Folder::Here(site.path("here")), items, Landing::Fresh);
    site.link.cut_every(2 << 20, 1);
    let mut impatient = delivery.clone();
    impatient.patience.total = std::time::Duration::ZERO;
    let (_, tell) = telling(|_| {});
    impatient.bring(&Journal::new(), tell).await.unwrap_err();
    let part = format!("{DISK}.lifeboat-20260102-030405-test-part");
    assert!(site.arrived().contains(&part));
    let (phases, tell) = telling(|_| {});
    delivery.bring(&Journal::new(), tell).await.unwrap();
    let phases = phases.lock().unwrap().clone();
    assert!(
        !phases.contains(&(Phase::Reading, DISK.to_owned())),
        "{phases:?}"
    );
    assert_arrived(&site, "here");
}
