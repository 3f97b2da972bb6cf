//! Everything at once: the console is killed, its journal torn as by a power cut, links drop, hosts
//! start again, hostd goes away, all at random moments of a failover and a failback. Afterwards the
//! hosts' own logs must show that nothing took effect twice and that no VM ever had two owners.
//!
//! `LIFEBOAT_KILLS=300` weathers until the console was killed so often; `LIFEBOAT_STORM=SEED` runs
//! one storm again, `LIFEBOAT_STORM_SSHD=1` takes OpenSSH's server in front of the hosts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use lifeboat::names::HostName;
use lifeboat::sim::{Injection, Site, SiteOptions};

use crate::cable::Cable;
use crate::kill::real_answers;
use crate::openssh::{Behind, Front};
use crate::program::{Place, headless};
use crate::site::{RUNBOOK, answers};

const HOSTS: [&str; 3] = ["lon-esx1", "lee-esx1", "lee-bk1"];
/// How many storms the ordinary suite weathers: one, with so many kills.
const ORDINARY: u64 = 6;
/// Kills of one storm.
const EACH: u64 = 10;
/// After the last fault the run must come to its end in so many starts.
const CALM: usize = 8;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Killed,
    PowerCut,
    LinkCut,
    HostReset,
    HostdDown,
}

/// Numbers that a seed decides (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

#[test]
fn killed_cut_and_shaken_at_random_everything_takes_effect_once() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let sshd = std::env::var_os("LIFEBOAT_STORM_SSHD").is_some();
    if let Some(seed) = number("LIFEBOAT_STORM") {
        let tally = Storm::new(seed, sshd).weather(EACH);
        eprintln!("storm {seed}: {tally:?}");
        return;
    }
    let wanted = number("LIFEBOAT_KILLS").unwrap_or(ORDINARY);
    let mut sum: BTreeMap<Fault, u64> = BTreeMap::new();
    let began = Instant::now();
    for seed in 1.. {
        let killed = kills(&sum);
        if killed >= wanted {
            break;
        }
        eprintln!("storm {seed}: {killed} of {wanted} kills so far");
        for (fault, times) in Storm::new(seed, sshd).weather((wanted - killed).min(EACH)) {
            *sum.entry(fault).or_default() += times;
        }
    }
    eprintln!("good endings after {sum:?}, in {:.0?}", began.elapsed());
}

fn kills(tally: &BTreeMap<Fault, u64>) -> u64 {
    [Fault::Killed, Fault::PowerCut]
        .iter()
        .filter_map(|fault| tally.get(fault))
        .sum()
}

/// A site, a console and what happens to them.
struct Storm {
    seed: u64,
    dice: Dice,
    place: Place,
    runtime: tokio::runtime::Runtime,
    site: Site,
    dir: PathBuf,
    cables: Vec<Cable>,
    _fronts: Vec<Front>,
    runbook: String,
    answers: String,
    tally: BTreeMap<Fault, u64>,
    /// The folder of the run that came to its end: nothing of it is unsynced any more.
    ended: Option<PathBuf>,
}

impl Storm {
    fn new(seed: u64, sshd: bool) -> Self {
        let place = Place::new();
        let dir = place.path().join("site");
        let text = std::fs::read_to_string(RUNBOOK).expect("the runbook");
        let loaded = lifeboat::runbook::load("runbook", &text, &Default::default()).expect("valid");
        let options = SiteOptions {
            scale: 2 << 20,
            seed,
            speed: 20.0,
            rekey_bytes: Some(4 << 20),
            ..SiteOptions::new(&dir)
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let site = runtime
            .block_on(Site::start(&loaded.runbook, options))
            .expect("a site");
        let emitted = site.emit(&text).expect("a runbook");
        let mut document: serde_yaml::Value = serde_yaml::from_str(&emitted).expect("YAML");
        let (mut cables, mut fronts) = (Vec::new(), Vec::new());
        for name in HOSTS {
            let endpoint = site.endpoint(&HostName::from(name)).expect("an endpoint");
            let host = &mut document["hosts"][name];
            let mut behind = endpoint.address;
            if sshd {
                let front = Front::start(place.path(), name, &Behind::of(endpoint));
                host["host_key"] = front.fingerprint.clone().into();
                host["user"] = crate::openssh::user().into();
                behind = front.address;
                fronts.push(front);
            }
            let cable = Cable::to(behind);
            host["address"] = cable.address.to_string().into();
            cables.push(cable);
        }
        let runbook = place.path().join("storm.yaml");
        std::fs::write(&runbook, serde_yaml::to_string(&document).expect("YAML")).expect("written");
        let answers = answers(&place, &real_answers());
        Self {
            seed,
            dice: Dice(seed),
            runbook: runbook.to_string_lossy().into_owned(),
            answers,
            runtime,
            site,
            dir,
            cables,
            _fronts: fronts,
            place,
            tally: BTreeMap::new(),
            ended: None,
        }
    }

    /// Fails over and back while the console is killed so many times.
    fn weather(mut self, wanted: u64) -> BTreeMap<Fault, u64> {
        let runbook = self.runbook.clone();
        self.section(&["run", &runbook], wanted.div_ceil(2));
        self.check_sums();
        let parent = crate::practice::run_id(&self.place);
        self.ended = Some(self.place.run_dir());
        self.section(&["failback", &parent], wanted);
        self.check_end();
        let Self {
            runtime,
            site,
            tally,
            ..
        } = self;
        runtime.block_on(site.shutdown());
        tally
    }

    /// One run, to its good end.
    fn section(&mut self, start: &[&str], wanted: u64) {
        let runs = std::fs::read_dir(self.place.state().join("runs")).map_or(0, Iterator::count);
        let mut child = self.spawn(start);
        let mut calm = 0;
        loop {
            let status = if kills(&self.tally) < wanted {
                self.shake(&mut child)
            } else {
                self.watch(&mut child, Duration::from_secs(180))
            };
            match status {
                Some(Some(0)) => break,
                // Killed, or left with something that a fault broke.
                Some(None | Some(1 | 4)) => {}
                Some(other) => self.fail(&format!("status {other:?}")),
                None => continue,
            }
            if kills(&self.tally) >= wanted {
                calm += 1;
                if calm > CALM {
                    self.fail("no good end");
                }
            }
            // A console that died before its first line has left nothing to resume.
            let now = std::fs::read_dir(self.place.state().join("runs")).map_or(0, Iterator::count);
            let began = now > runs && !self.place.journal().is_empty();
            child = if began {
                self.spawn(&["resume"])
            } else {
                self.spawn(start)
            };
        }
        let left = crate::rivals::locks(&self.dir);
        if !left.is_empty() {
            self.fail(&format!("locks are left: {left:?}"));
        }
        self.place
            .run(
                &["verify", &crate::practice::run_id(&self.place)],
                Duration::from_secs(60),
            )
            .expect(0);
    }

    fn spawn(&self, words: &[&str]) -> Child {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.place.path().join("console.log"));
        let log = log.expect("a log");
        let errors = log.try_clone().expect("its clone");
        let mut command = self.place.command(&headless(words, &self.answers));
        command.stdout(log).stderr(errors).stdin(Stdio::null());
        command.spawn().expect("lifeboat")
    }

    /// Waits a while, then lets something go wrong. `None` while the console lives.
    fn shake(&mut self, child: &mut Child) -> Option<Option<i32>> {
        let pause = Duration::from_millis(30 + self.dice.below(900));
        if let Some(ended) = self.watch(child, pause) {
            return Some(ended);
        }
        let fault = match self.dice.below(10) {
            0..=3 => Fault::Killed,
            4..=5 => Fault::PowerCut,
            6..=7 => Fault::LinkCut,
            8 => Fault::HostReset,
            _ => Fault::HostdDown,
        };
        *self.tally.entry(fault).or_default() += 1;
        let host = usize::try_from(self.dice.below(3)).expect("small");
        match fault {
            Fault::Killed => return Some(self.kill(child)),
            Fault::PowerCut => {
                let ended = self.kill(child);
                // One that had come to its end has synced its last line.
                if ended.is_none() {
                    self.tear();
                }
                return Some(ended);
            }
            Fault::LinkCut => self.cables[host].cut_after(self.dice.below(200_000)),
            Fault::HostReset => {
                // A host that runs VMs would lose them, which a run cannot mend by itself.
                let reset = |name: &str| self.site.reset_idle(&HostName::from(name));
                if !reset(HOSTS[host]).expect("a host") {
                    assert!(reset("lee-bk1").expect("a host"), "it has no VMs");
                }
            }
            Fault::HostdDown => {
                let name = HostName::from(HOSTS[host % 2]);
                self.site
                    .inject(&name, Injection::HostdDown(true))
                    .expect("a host");
                let down = Duration::from_millis(100 + self.dice.below(1500));
                let ended = self.watch(child, down);
                self.site
                    .inject(&name, Injection::HostdDown(false))
                    .expect("a host");
                return ended;
            }
        }
        None
    }

    fn kill(&self, child: &mut Child) -> Option<i32> {
        let _ = child.kill();
        child.wait().expect("its end").code()
    }

    /// Waits for the end of the console, and looks who owns the VMs meanwhile.
    fn watch(&self, child: &mut Child, limit: Duration) -> Option<Option<i32>> {
        let until = Instant::now() + limit;
        loop {
            self.check_owners();
            if let Some(status) = child.try_wait().expect("its status") {
                return Some(status.code());
            }
            if Instant::now() >= until {
                if limit >= Duration::from_secs(60) {
                    self.fail("the console does not end");
                }
                return None;
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    /// What a power cut can take: a last line that was not synced yet. It was synced if its command
    /// has reached a host.
    fn tear(&mut self) {
        // A console that still looks at the hosts has no run yet.
        let newest = self.place.newest_run();
        let Some(dir) = newest.filter(|dir| self.ended.as_ref() != Some(dir)) else {
            return;
        };
        let path = dir.join("journal.jsonl");
        let Ok(text) = std::fs::read(&path) else {
            return;
        };
        let start = text
            .iter()
            .rev()
            .skip(1)
            .position(|byte| *byte == b'\n')
            .map_or(0, |at| text.len() - 1 - at);
        let Some(line) = text.get(start..).filter(|line| !line.is_empty()) else {
            return;
        };
        if String::from_utf8_lossy(line).contains("\"event\":\"write-intended\"") {
            return;
        }
        let keep = start as u64 + self.dice.below(line.len() as u64);
        let file = std::fs::File::options()
            .write(true)
            .open(&path)
            .expect("the journal");
        file.set_len(keep).expect("a shorter journal");
    }

    fn state(&self, host: &str) -> serde_json::Value {
        let path = find(&self.dir, host, "state.json").expect("the host's state");
        // It is replaced by rename, so it is always whole.
        serde_json::from_slice(&std::fs::read(path).expect("the host's state")).expect("JSON")
    }

    fn running(&self, host: &str) -> Vec<String> {
        let state = self.state(host);
        let vms = state["vms"].as_array().cloned().unwrap_or_default();
        let on = vms.iter().filter(|vm| vm["on"] == true);
        on.filter_map(|vm| Some(vm["path"].as_str()?.rsplit('/').next()?.to_owned()))
            .collect()
    }

    fn check_owners(&self) {
        let here = self.running("lee-esx1");
        let mut both = self.running("lon-esx1");
        both.retain(|vm| here.contains(vm));
        if both.is_empty() {
            return;
        }
        // What has gone home between the two looks does not run in Leeds any more.
        let here = self.running("lee-esx1");
        both.retain(|vm| here.contains(vm));
        if !both.is_empty() {
            self.fail(&format!("two owners: {both:?}"));
        }
    }

    /// Each command that changes something ended well at most once on each host; all VMs are home.
    fn check_end(&self) {
        for host in ["lon-esx1", "lee-esx1"] {
            for (line, times) in self.effects(host) {
                if times > 1 {
                    self.fail(&format!("took effect {times} times on {host}: {line}"));
                }
            }
        }
        let mut home = self.running("lon-esx1");
        home.sort();
        assert_eq!(
            home,
            ["app01.vmx", "sql01.vmx", "web01.vmx"],
            "seed {}",
            self.seed
        );
    }

    /// Each file that a restore placed has a sum that its backup recorded.
    fn check_sums(&self) {
        let backup = self
            .site
            .backup_path(&"nightly".into())
            .expect("the backup");
        let mut recorded = String::new();
        for vm in std::fs::read_dir(backup).expect("the backup").flatten() {
            for point in std::fs::read_dir(vm.path()).expect("its points").flatten() {
                let sums = std::fs::read_to_string(point.path().join("SHA256SUMS"));
                recorded.push_str(&sums.unwrap_or_default());
            }
        }
        let journal = self.place.journal();
        let placed: Vec<_> = journal
            .iter()
            .filter(|line| line["data"]["fact"] == "file-placed")
            .collect();
        assert!(placed.len() >= 9, "only {} files were placed", placed.len());
        for line in placed {
            let sum = line["data"]["sha256"].as_str().expect("a sum");
            if !recorded.contains(sum) {
                self.fail(&format!("placed with a sum that nobody recorded: {line}"));
            }
        }
    }

    /// How often each command line ended with status 0.
    fn effects(&self, host: &str) -> BTreeMap<String, usize> {
        let log =
            std::fs::read_to_string(self.site.command_log(&HostName::from(host))).expect("a log");
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let (mut open, mut counts) = (BTreeMap::new(), BTreeMap::new());
        for line in lines {
            let process = (line["session"].to_string(), line["pid"].to_string());
            if let Some(text) = line["line"].as_str() {
                let once = [
                    "solo/registervm",
                    "power.on",
                    "vmsvc/unregister",
                    "portgroup add",
                ];
                if once.iter().any(|word| text.contains(word)) {
                    open.insert(process, text.to_owned());
                }
            } else if let Some(text) = open.remove(&process)
                && line["exit"] == 0
            {
                *counts.entry(text).or_default() += 1;
            }
        }
        counts
    }

    fn fail(&self, what: &str) -> ! {
        let log =
            std::fs::read_to_string(self.place.path().join("console.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let kept = std::env::temp_dir().join(format!("storm-{}.log", self.seed));
        let _ = std::fs::write(&kept, &log);
        panic!(
            "storm {}: {what}; so far {:?}; the console said\n{}",
            self.seed,
            self.tally,
            lines[lines.len().saturating_sub(40)..].join("\n")
        );
    }
}

fn find(dir: &Path, host: &str, file: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir()
            && path.file_name().is_some_and(|name| name == host)
            && path.join(file).exists()
        {
            return Some(path.join(file));
        }
        if path.is_dir()
            && let Some(found) = find(&path, host, file)
        {
            return Some(found);
        }
    }
    None
}
