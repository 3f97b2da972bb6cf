mod apart;

use proptest::prelude::*;

use super::super::layout::Dated;
use super::super::shelf::{Contents, text_limit};
use super::super::tests::LIKE_DATA;
use super::*;

const VMX: &str = "displayName = \"web01\"\nnvram = \"web01.nvram\"\nscsi0.present = \"TRUE\"\n\
    scsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"web01.vmdk\"\n";
const DISK: &str = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\n\
    createType=\"vmfs\"\nRW 8 VMFS \"web01-flat.vmdk\"\n";
const FULL: &str = "20260102T030405Z";

/// A folder with files, and what its sums say.
#[derive(Clone)]
struct Folder {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
    sums: Option<BTreeMap<String, String>>,
}

impl Folder {
    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            files: BTreeMap::new(),
            sums: Some(BTreeMap::new()),
        }
    }

    fn sound(name: &str) -> Self {
        let mut folder = Self::empty(name);
        folder.put("web01.vmx", VMX);
        folder.put("web01.vmdk", DISK);
        folder.put("web01.nvram", "nvram");
        folder.put("web01-flat.vmdk", &"x".repeat(4096));
        folder
    }

    /// As ghettoVCB and copies by hand leave them.
    fn without_sums(name: &str) -> Self {
        let mut folder = Self::sound(name);
        folder.sums = None;
        folder
    }

    fn put(&mut self, name: &str, text: &str) {
        self.files.insert(name.to_owned(), text.into());
        self.record(name, text);
    }

    fn record(&mut self, name: &str, text: &str) {
        let sum = Sum::of(text.as_bytes()).to_string();
        if let Some(sums) = &mut self.sums {
            sums.insert(name.to_owned(), sum);
        }
    }

    fn with(mut self, name: &str, text: &str) -> Self {
        self.put(name, text);
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.files.remove(name).unwrap();
        self
    }

    /// As it is read: folders in it when its texts lead there.
    fn shelved(&self) -> Option<Shelved> {
        let mut folders = self.folders();
        let own = folders.remove("").unwrap_or_default();
        let mut shelved = Shelved::new(&self.name, "web01", own)?;
        while let Some(path) = shelved.unread().pop() {
            shelved.put_within(path.clone(), folders.remove(&path).unwrap());
        }
        Some(shelved)
    }

    fn folders(&self) -> BTreeMap<String, Contents> {
        let mut folders: BTreeMap<String, Contents> = BTreeMap::new();
        let mut files = self.files.clone();
        if let Some(sums) = &self.sums {
            let line = |(name, sum): (&String, &String)| format!("{sum}  {name}\n");
            let text: String = sums.iter().map(line).collect();
            files.insert("SHA256SUMS".to_owned(), text.into_bytes());
        }
        for (path, bytes) in files {
            for (at, _) in path.match_indices('/') {
                let folder = &path[..at];
                if folders
                    .insert(
                        folder.to_owned(),
                        folders.get(folder).cloned().unwrap_or_default(),
                    )
                    .is_some()
                {
                    continue;
                }
                let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
                let above = folders.entry(above.to_owned()).or_default();
                above.entries.push(Listed {
                    name: base(folder).to_owned(),
                    is_folder: true,
                    ..Listed::default()
                });
            }
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let contents = folders.entry(folder.to_owned()).or_default();
            let entry = Listed {
                name: name.to_owned(),
                bytes: bytes.len() as u64,
                allocated: bytes.len() as u64,
                modified: 1_767_322_800,
                is_file: true,
                is_folder: false,
            };
            if text_limit(&entry).is_some() {
                contents.keep(&entry, bytes);
            }
            contents.entries.push(entry);
        }
        folders
    }
}

fn points(folders: &[Folder]) -> Vec<Point> {
    let mut shelf: Vec<Shelved> = folders.iter().filter_map(Folder::shelved).collect();
    newest_first(&mut shelf);
    (0..shelf.len())
        .filter_map(|at| assess(&shelf, at, "/b/web01"))
        .collect()
}

fn point(folder: Folder) -> Point {
    points(&[folder]).pop().unwrap()
}

fn names(point: &Point) -> Vec<&str> {
    point.files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn a_whole_point_is_sound_and_only_its_own() {
    let folder = Folder::sound(FULL)
        .with("web01.vswp", "swap")
        .with("vmware.log", "log")
        .with("notes.txt", "not a VM's");
    let point = point(folder);
    assert_eq!(point.flaws, []);
    let files = ["web01-flat.vmdk", "web01.nvram", "web01.vmdk", "web01.vmx"];
    assert_eq!(names(&point), files);
    assert_eq!(
        (point.vmx(), point.kind),
        (Some("web01.vmx"), PointKind::Full)
    );
    let left: Vec<&str> = point
        .left_behind
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(left, ["notes.txt", "web01.vswp"]);
    assert_eq!(point.logs[0].name, "vmware.log");
    assert_eq!(point.bytes(), 4096 + 5 + (VMX.len() + DISK.len()) as u64);
    assert_eq!(point.path, format!("/b/web01/{FULL}"));
}

/// The same folder of a VM of another name.
fn called(folder: &Folder, vm: &str) -> Folder {
    let put = |mut new: Folder, (name, bytes): (&String, &Vec<u8>)| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        new.put(&name.replace("web01", vm), &text.replace("web01", vm));
        new
    };
    let mut empty = Folder::empty(&folder.name);
    empty.sums = folder.sums.as_ref().map(|_| BTreeMap::new());
    folder.files.iter().fold(empty, put)
}

#[test]
fn a_vm_whose_name_ends_as_data_does_keeps_its_disks() {
    for vm in LIKE_DATA {
        for folder in [Folder::sound(FULL), Folder::without_sums("copy")] {
            let point = point(called(&folder, vm));
            assert_eq!(point.flaws, [], "{vm}");
            let mut files =
                ["-flat.vmdk", ".nvram", ".vmdk", ".vmx"].map(|end| format!("{vm}{end}"));
            files.sort();
            assert_eq!(names(&point), files);
            assert_eq!(point.left_behind, []);
            // What its descriptor says counts.
            let short = called(&folder, vm).with(&format!("{vm}-flat.vmdk"), "short");
            let flaws = super::tests::point(short).flaws_in_words();
            assert!(flaws.contains("is shorter than its descriptor"), "{flaws}");
        }
        // The disk's own file lies in the earlier point alone.
        let whole = |name: &str| {
            let mut folder = called(&Folder::sound(FULL), vm);
            folder.name = name.to_owned();
            folder
        };
        let increment = ["-flat.vmdk", ".vmdk"]
            .iter()
            .fold(whole("20260103T030405Z-incr"), |folder, end| {
                folder.without(&format!("{vm}{end}"))
            });
        let shelf = [increment.shelved().unwrap()];
        let asked = [increment.name.clone()].into();
        assert!(newest_open(&shelf, &asked).is_some(), "{vm}");
        let found = points(&[whole(FULL), increment]);
        assert_eq!(found[0].flaws, [], "{vm}");
        assert_eq!(found[0].leans_on(), [(FULL, 2)]);
    }
}

#[test]
fn a_map_of_changed_blocks_that_was_not_copied_is_looked_for_in_no_older_point() {
    let open = |change: fn(&mut Folder)| {
        let mut folder = Folder::sound(FULL);
        change(&mut folder);
        let asked = [folder.name.clone()].into();
        newest_open(&[folder.shelved().unwrap()], &asked).is_some()
    };
    assert!(!open(|folder| folder.record("web01-ctk.vmdk", "map")));
    assert!(open(|folder| folder.record("web02-ctk.vmdk", "a disk")));
    assert!(open(|folder| folder.record("web02-flat.vmdk", "data")));
}

#[test]
fn what_is_named_as_a_disk_and_is_data_is_named() {
    let data = Folder::without_sums("copy")
        .with("web01.vmx", &VMX.replace("web01.vmdk", "web01-flat.vmdk"));
    assert_eq!(
        point(data).flaws_in_words(),
        "web01-flat.vmdk cannot be read: it is no disk descriptor of at most 64 KiB"
    );
}

#[test]
fn each_flaw_is_named() {
    let sound = || Folder::sound(FULL);
    let sum = |text: &str| short(&Sum::of(text.as_bytes()));
    let flat = sum(&"x".repeat(4096));
    let mut flipped = sound();
    flipped
        .files
        .insert("web01.vmx".into(), VMX.replace("web01\"", "web02\"").into());
    let mut none = sound();
    none.sums = None;
    let mut nothing = sound();
    nothing.sums = Some(BTreeMap::new());
    let mut torn = sound();
    torn.sums.as_mut().unwrap().remove("web01.nvram");
    for (folder, expected) in [
        (
            sound().without("web01-flat.vmdk"),
            format!(
                "web01-flat.vmdk (sum {flat}…) is named in SHA256SUMS but is not in the folder"
            ),
        ),
        (
            sound().with("web01-flat.vmdk", "short"),
            "web01-flat.vmdk is shorter than its descriptor says: 5 bytes, not 4096".into(),
        ),
        (
            sound().with("web01-flat.vmdk", &"x".repeat(5000)),
            "web01-flat.vmdk is longer than its descriptor says: 5000 bytes, not 4096".into(),
        ),
        (
            sound().with("second.vmx", VMX),
            "it has several .vmx files: second.vmx, web01.vmx".into(),
        ),
        (
            sound().with("web01.vmx", "\0"),
            "web01.vmx cannot be read: not a text file: a zero byte on line 1".into(),
        ),
        (
            sound().with("web01.vmdk", "hello"),
            "web01.vmdk cannot be read: not a disk descriptor".into(),
        ),
        (
            sound().with(
                "web01.vmx",
                &VMX.replace("web01.vmdk", "/vmfs/volumes/x/o.vmdk"),
            ),
            "web01.vmx needs /vmfs/volumes/x/o.vmdk, which the point does not hold".into(),
        ),
        (
            sound().with("web01.vmdk", &DISK.replace("web01-flat", "other-flat")),
            "web01.vmdk needs other-flat.vmdk, which the point does not hold".into(),
        ),
        (
            sound().with(
                "web01.vmdk",
                &DISK.replace("\"vmfs\"", "\"custom\""),
            ),
            "web01.vmdk is of the type custom, which an ESXi host cannot run, and cannot convert as it is"
                .into(),
        ),
        (
            sound().with(
                "web01.vmdk",
                &DISK.replace("\"vmfs\"", "\"vmfsRawDeviceMap\""),
            ),
            "web01.vmdk points to a device of the other site: its data is not in the backup".into(),
        ),
        (
            flipped,
            "web01.vmx has changed since the backup: its sum is not the recorded one".into(),
        ),
        (
            none,
            "it has no SHA256SUMS (is the backup still being written?)".into(),
        ),
        (nothing, "SHA256SUMS names no file".into()),
        (
            torn,
            "web01.vmx needs web01.nvram, which SHA256SUMS does not name (is it torn?)".into(),
        ),
    ] {
        assert_eq!(point(folder).flaws_in_words(), expected);
    }
    let mut shelf = [Folder::sound(FULL).shelved().unwrap()];
    for entry in &mut shelf[0].contents.entries {
        entry.is_file &= entry.name != "web01-flat.vmdk";
    }
    let linked = assess(&shelf, 0, "/b").unwrap();
    assert_eq!(
        linked.flaws_in_words(),
        "web01-flat.vmdk is not a plain file"
    );
    shelf[0].contents = Contents {
        trouble: Some("it holds more than 2000 names".into()),
        ..Contents::default()
    };
    let crowded = assess(&shelf, 0, "/b").unwrap();
    assert!(
        crowded
            .flaws_in_words()
            .starts_with("its folder cannot be read: it holds more")
    );
}

/// A full point, and increments that hold the second disk's data of their own.
fn week() -> Vec<Folder> {
    let vmx = format!("{VMX}scsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"data.vmdk\"\n");
    let day = |day: u32, suffix: &str| {
        Folder::sound(&format!("2026010{day}T030405Z-{suffix}"))
            .with("web01.vmx", &vmx)
            .with("data.vmdk", &DISK.replace("web01-flat", "data-flat"))
            .with("data-flat.vmdk", &format!("{day}").repeat(4096))
    };
    let rests = |folder: Folder| {
        ["web01.vmdk", "web01-flat.vmdk", "data.vmdk"]
            .iter()
            .fold(folder, |f, n| f.without(n))
    };
    vec![day(1, "full"), rests(day(2, "incr")), rests(day(3, "incr"))]
}

#[test]
fn an_increment_takes_what_did_not_change_from_the_newest_point_that_has_it() {
    let found = points(&week());
    let newest = &found[0];
    assert_eq!(newest.flaws, []);
    assert_eq!(newest.kind, PointKind::Incremental);
    let at = |name: &str| newest.file(name).unwrap().at.as_str();
    assert_eq!(
        at("web01-flat.vmdk"),
        "20260101T030405Z-full/web01-flat.vmdk"
    );
    assert_eq!(at("data-flat.vmdk"), "20260103T030405Z-incr/data-flat.vmdk");
    assert_eq!(newest.leans_on(), [("20260101T030405Z-full", 3)]);
    // A copy that lies nearer is taken.
    let mut nearer = week();
    nearer[1].put("web01-flat.vmdk", &"x".repeat(4096));
    assert_eq!(points(&nearer)[0].leans_on().len(), 2);
    // Without a suffix it is what it holds.
    let mut bare = week();
    bare[2].name = "20260103T030405Z".into();
    assert_eq!(points(&bare)[0].kind, PointKind::Incremental);
    assert_eq!(points(&bare)[2].kind, PointKind::Full);
    bare[2].name = "20260103T030405Z-full".into();
    let called_full = &points(&bare)[0];
    assert!(called_full.is_sound() && called_full.remarks[0].contains("calls itself full"));
}

#[test]
fn a_broken_chain_is_named_with_file_sum_and_where_it_was_looked_for() {
    let sum = short(&Sum::of("x".repeat(4096).as_bytes()));
    let flaws = |folders: &[Folder]| points(folders)[0].flaws_in_words();
    let mut gone = week();
    gone[0].files.remove("web01-flat.vmdk");
    assert_eq!(
        flaws(&gone),
        format!(
            "web01-flat.vmdk (sum {sum}…) is named in SHA256SUMS but is not in the folder, nor with that \
             sum in the 2 earlier points back to 20260101T030405Z-full; 20260102T030405Z-incr names it and \
             does not hold it"
        )
    );
    let mut changed = week();
    changed[0].put("web01-flat.vmdk", &"y".repeat(4096));
    changed[1].sums = None;
    let words = flaws(&changed);
    assert!(
        words.contains("; in 20260101T030405Z-full its sum is "),
        "{words}"
    );
    assert!(
        words.contains("; 20260102T030405Z-incr could not serve: it has no SHA256SUMS"),
        "{words}"
    );
    // What is wrong with a file of another point says where it lies.
    let mut short = week();
    short[0]
        .files
        .insert("web01-flat.vmdk".into(), b"short".to_vec());
    assert!(flaws(&short).starts_with("web01-flat.vmdk in 20260101T030405Z-full is shorter than"));
    let mut rotten = week();
    rotten[0]
        .files
        .insert("web01.vmdk".into(), DISK.replace("=1", "=2").into());
    assert!(flaws(&rotten).starts_with("web01.vmdk in 20260101T030405Z-full has changed"));
    // A later point never serves an earlier one.
    let mut first = week();
    first[0].files.remove("web01-flat.vmdk");
    first[2].put("web01-flat.vmdk", &"x".repeat(4096));
    let all = points(&first);
    assert_eq!(all[0].flaws, []);
    assert!(!all[1].is_sound() && !all[2].is_sound());
}

#[test]
fn of_two_points_of_one_second_the_increment_rests_on_the_full_one() {
    let mut both = week();
    both[1].name = "20260101T030405Z-incr".into();
    both.truncate(2);
    let found = points(&both);
    assert_eq!(found[0].name, "20260101T030405Z-incr");
    assert_eq!(found[0].flaws, []);
    assert_eq!(found[1].name, "20260101T030405Z-full");
}

#[test]
fn ghettovcb_says_how_it_went() {
    const NAME: &str = "web01-2026-01-02_03-04-05";
    let with = |status: &str, text: &str| point(Folder::without_sums(NAME).with(status, text));
    let ok = with("STATUS.ok", "Successfully completed backup\n");
    assert_eq!((ok.flaws_in_words().as_str(), ok.verified), ("", false));
    assert_eq!(ok.stamp.to_string(), FULL);
    assert_eq!((ok.kind, ok.files.len()), (PointKind::GhettoVcb, 4));
    assert!(ok.remarks[0].contains("taken as UTC"), "{:?}", ok.remarks);
    assert_eq!(
        with(
            "STATUS.error",
            "ERROR: Unable to backup web01 due to error in VMDK backup\n"
        )
        .flaws_in_words(),
        "ghettoVCB reported in STATUS.error: ERROR: Unable to backup web01 due to error in VMDK backup"
    );
    let warned = with("STATUS.warn", "WARN: web01 has some Independent VMDKs\n");
    assert!(warned.is_sound() && warned.remarks[1].contains("Independent VMDKs"));
    let running = point(Folder::without_sums(NAME));
    assert!(running.flaws_in_words().contains("has not finished it"));
    let renamed = |status: &str| {
        point(Folder::without_sums("web01-2026-01-02").with(status, "ERROR: no room"))
    };
    assert_eq!(renamed("STATUS.error").kind, PointKind::Plain);
    assert!(
        renamed("STATUS.error")
            .flaws_in_words()
            .contains("STATUS.error: ERROR: no room")
    );
    assert!(renamed("STATUS.ok").is_sound());
    let numbered = point(Folder::without_sums("web01-0").with("STATUS.ok", "ok"));
    assert_eq!(numbered.dated, Dated::Configuration);
    let archive = Shelved::archive(&format!("{NAME}.gz"), "web01", None).unwrap();
    let unpacked = Folder::without_sums(NAME).shelved().unwrap();
    let both = [unpacked, archive.clone()];
    let unpacked = assess(&both, 0, "/b").unwrap();
    assert!(unpacked.is_sound(), "{}", unpacked.flaws_in_words());
    assert!(unpacked.remarks[1].contains("does not say how the backup went"));
    let packed = assess(&[archive], 0, "/b").unwrap();
    assert!(
        packed
            .flaws_in_words()
            .contains("tar -xzf web01-2026-01-02_03-04-05.gz")
    );
    let numbered = Shelved::archive("web01-0.gz", "web01", Some(1_767_322_800)).unwrap();
    let numbered = assess(&[numbered], 0, "/b").unwrap();
    assert_eq!(numbered.stamp.to_string(), "20260102T030000Z");
    let undated = Shelved::archive("web01-0.gz", "web01", None).unwrap();
    let undated = assess(&[undated], 0, "/b").unwrap();
    assert!(undated.remarks[0].contains("counts as the oldest"));
    for other in ["web01.gz", "notes.txt", "20260102T030405Z.gz"] {
        assert!(
            Shelved::archive(other, "web01", Some(0)).is_none(),
            "{other}"
        );
    }
}

#[test]
fn a_plain_folder_is_what_its_vmx_names() {
    let folder = Folder::without_sums("before-upgrade")
        .with("old.vmdk", DISK)
        .with("web01-ctk.vmdk", "map")
        .with("vmware.log", "log");
    let plain = point(folder);
    assert_eq!(plain.flaws, []);
    assert_eq!((plain.verified, plain.kind), (false, PointKind::Plain));
    assert_eq!(plain.dated, Dated::Configuration);
    assert_eq!(plain.stamp.to_string(), "20260102T030000Z");
    assert_eq!(
        names(&plain),
        ["web01-flat.vmdk", "web01.nvram", "web01.vmdk", "web01.vmx"]
    );
    let left: Vec<&str> = plain
        .left_behind
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(left, ["old.vmdk", "web01-ctk.vmdk"]);
    let own = point(Folder::without_sums("."));
    assert_eq!(
        (own.path.as_str(), own.files[0].at.as_str()),
        ("/b/web01", "web01-flat.vmdk")
    );
    let flaws = |folder: Folder| point(folder).flaws_in_words();
    assert!(
        flaws(Folder::without_sums(".").without("web01-flat.vmdk"))
            .contains("needs web01-flat.vmdk")
    );
    assert!(flaws(Folder::without_sums(".").with("web01-flat.vmdk", "x")).contains("is shorter"));
    assert!(flaws(Folder::without_sums(".").with("b.vmx", VMX)).contains("several .vmx"));
    let bare = point(Folder::without_sums(".").without("web01.nvram"));
    assert!(
        bare.is_sound() && bare.remarks[1].contains("makes a new one"),
        "{:?}",
        bare.remarks
    );
    assert!(Folder::empty("lost+found").shelved().is_none());
}

#[test]
fn a_disk_from_another_datastore_is_the_one_beside_the_others() {
    let elsewhere = format!(
        "{VMX}scsi0:1.present = \"TRUE\"\nscsi0:1.fileName = \"/vmfs/volumes/d2/web01/data.vmdk\"\n"
    );
    let data = DISK.replace("web01-flat", "data-flat");
    let with = |name: &str, vmx: &str| {
        Folder::without_sums(name)
            .with("web01.vmx", vmx)
            .with("data.vmdk", &data)
            .with("data-flat.vmdk", &"x".repeat(4096))
    };
    let plain = point(with(".", &elsewhere));
    assert_eq!(plain.flaws, []);
    assert!(plain.file("data.vmdk").is_some() && plain.file("data-flat.vmdk").is_some());
    // Of two of one name nobody knows which lies there.
    let twice = elsewhere.replace("data.vmdk", "web01.vmdk");
    assert!(
        point(with(".", &twice))
            .flaws_in_words()
            .contains("needs /vmfs/volumes/d2/web01/web01.vmdk")
    );
}

#[test]
fn snapshots_must_fit_each_other() {
    let link = |parent: &str, cid: u32, below: u32, file: &str| {
        DISK.replace(
            "parentCID=ffffffff",
            &format!("parentCID={below:08x}\nparentFileNameHint=\"{parent}\""),
        )
        .replace("\nCID=00000001", &format!("\nCID={cid:08x}"))
        .replace("web01-flat", file)
    };
    let vm = |middle: &str, top: &str| {
        Folder::sound(FULL)
            .with("web01.vmx", &VMX.replace("web01.vmdk", "web01-000002.vmdk"))
            .with("web01-000001.vmdk", middle)
            .with("web01-000001-delta.vmdk", &"d".repeat(4096))
            .with("web01-000002.vmdk", top)
            .with("web01-000002-delta.vmdk", &"d".repeat(4096))
    };
    let middle = link("web01.vmdk", 2, 1, "web01-000001-delta");
    let top = link("web01-000001.vmdk", 3, 2, "web01-000002-delta");
    let flaws = |folder: Folder| point(folder).flaws_in_words();
    assert_eq!(flaws(vm(&middle, &top)), "");
    let mut unlisted = vm(&middle, &top);
    unlisted.sums = None;
    unlisted.name = ".".into();
    assert_eq!(
        point(unlisted).files.len(),
        8,
        "every disk below is brought"
    );
    assert_eq!(
        flaws(vm(
            &middle,
            &link("web01-000001.vmdk", 3, 9, "web01-000002-delta")
        )),
        "web01-000002.vmdk is a snapshot of web01-000001.vmdk with content id 00000009, but that one has \
         00000002: the chain is broken there"
    );
    assert!(flaws(vm(&middle, &top).without("web01.vmdk")).contains("web01.vmdk (sum"));
    let circle = link("web01-000002.vmdk", 2, 3, "web01-000001-delta");
    assert!(flaws(vm(&circle, &top)).contains("is a snapshot of itself"));
    let orphan = DISK
        .replace("parentCID=ffffffff", "parentCID=00000001")
        .replace("web01-flat", "web01-000001-delta");
    assert!(flaws(vm(&orphan, &top)).contains("does not say of which disk"));
    let mut lost = vm(&middle, &top);
    lost.sums.as_mut().unwrap().remove("web01.vmdk");
    assert!(
        flaws(lost).contains("web01-000001.vmdk needs web01.vmdk, which SHA256SUMS does not name")
    );
    let hosted = |text: &str| text.replace("\"vmfs\"", "\"twoGbMaxExtentSparse\"");
    assert_eq!(
        flaws(vm(&hosted(&middle), &top).with("web01.vmdk", &hosted(DISK))),
        "web01-000001.vmdk is a snapshot of the type twoGbMaxExtentSparse, which no ESXi host runs: where the VM comes \
         from, delete its snapshots or make one disk of the chain (vmware-vdiskmanager -r web01-000001.vmdk -t 0 …), \
         and back it up anew"
    );
    assert_eq!(
        flaws(vm(&middle, &top).with("web01.vmdk", &hosted(DISK))),
        "web01.vmdk is of the type twoGbMaxExtentSparse, which an ESXi host must convert, but web01-000001.vmdk is a \
         snapshot of it and would no longer fit it: delete the snapshot where the VM comes from, and back it up anew"
    );
}

proptest! {
    /// Against the rule itself: each file lies in the newest point, not younger than the one that names
    /// it, that records the same sum and holds the file; else the point is not sound.
    #[test]
    fn chains_are_resolved_by_the_rule(
        plan in proptest::collection::vec(proptest::collection::vec((0..3_u8, any::<bool>()), 4), 1..7),
        torn in proptest::collection::vec(any::<bool>(), 7),
    ) {
        let files = ["web01.vmx", "web01.vmdk", "web01-flat.vmdk", "web01.nvram"];
        let text = |file: usize, version: u8| match file {
            0 => format!("{VMX}# {version}\n"),
            1 => DISK.replace("version=1", &format!("version={version}")),
            2 => format!("{version}").repeat(4096),
            _ => format!("{version}"),
        };
        let folders: Vec<Folder> = plan.iter().zip(&torn).enumerate().map(|(day, (held, torn))| {
            let mut folder = Folder::empty(&format!("202601{:02}T030405Z-incr", day + 1));
            for (file, (version, here)) in held.iter().enumerate() {
                folder.record(files[file], &text(file, *version));
                if *here {
                    folder.put(files[file], &text(file, *version));
                }
            }
            if *torn && day > 0 {
                folder.sums = None;
            }
            folder
        }).collect();
        for (found, day) in points(&folders).iter().rev().zip(0..) {
            if folders[day].sums.is_none() {
                prop_assert_eq!(&found.flaws, &[Flaw::NoSums]);
                continue;
            }
            let holder = |file: usize| (0..=day).rev().find(|&earlier| {
                let (version, here) = plan[earlier][file];
                folders[earlier].sums.is_some() && here && version == plan[day][file].0
            });
            for (file, name) in files.iter().enumerate() {
                let expected = holder(file).map(|at| format!("{}/{name}", folders[at].name));
                prop_assert_eq!(found.file(name).map(|file| file.at.clone()), expected);
            }
            prop_assert_eq!(found.is_sound(), (0..4).all(|file| holder(file).is_some()), "{}", found.flaws_in_words());
        }
    }

    #[test]
    fn no_text_is_too_odd(
        vmx in "[a-z0-9:.= \"\n\\PC]{0,200}",
        disk in "(# Disk DescriptorFile\n)?(RW 8 VMFS \"[a-z.-]{0,9}\"\n|parentCID=[0-9a-g]{1,9}\n|[\\PC]{0,9}\n){0,6}",
        sums in "([0-9a-f]{64}  [./a-z]{0,9}\n|[\\PC]{0,9}\n){0,4}",
    ) {
        for name in [FULL, "web01-0", "x", "."] {
            let mut folder = Folder::without_sums(name).with("web01.vmx", &vmx).with("web01.vmdk", &disk);
            let _ = points(&[folder.clone()]);
            folder.files.insert("SHA256SUMS".into(), sums.clone().into());
            for point in points(&[folder]) {
                prop_assert!(point.files.iter().all(|file| !file.name.contains('/')));
            }
        }
    }
}
