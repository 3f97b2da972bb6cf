//! What it costs: first paint, memory, processor while nothing happens. Printed, not asserted: the
//! machine that runs the tests is somebody else's.

use std::time::{Duration, Instant};

use crate::program::Place;
use crate::site::RUNBOOK;
use crate::terminal::Terminal;

/// Processor time of a process so far, in clock ticks (1/100 s), and its resident memory in KiB.
fn usage(pid: u32) -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some((ticks, resident.split_whitespace().next()?.parse().ok()?))
}

#[test]
fn first_paint_and_idle_figures_are_printed() {
    let place = Place::new();
    let started = Instant::now();
    let terminal = Terminal::open(&place, &[], 100, 30);
    terminal.wait_until("the first paint", Duration::from_secs(10), |text| {
        !text.trim().is_empty()
    });
    eprintln!("first paint: {:?}", started.elapsed());
    drop(terminal);

    let runbook = eight_hosts(&place);
    let mut terminal = Terminal::open(&place, &["practice", &runbook, "--scale", "1MiB"], 200, 60);
    terminal.wait_for("PRACTICE", Duration::from_secs(30));
    std::thread::sleep(Duration::from_secs(4));
    let Some((before, _)) = usage(terminal.pid()) else {
        eprintln!("SKIPPED: no /proc here");
        return;
    };
    std::thread::sleep(Duration::from_secs(5));
    let (after, resident) = usage(terminal.pid()).expect("it still runs");
    eprintln!(
        "with eight host panes, the simulated site in the same process: {:.1} % of a processor, {:.1} MiB resident",
        (after - before) as f64 / 5.0,
        resident as f64 / 1024.0
    );
    terminal.kill();
}

/// The bundled runbook with five more hosts to watch.
fn eight_hosts(place: &Place) -> String {
    let text = std::fs::read_to_string(RUNBOOK).expect("the bundled runbook");
    let mut document: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
    for number in 2..7 {
        let mut host = document["hosts"]["lee-esx1"].clone();
        host["address"] = format!("198.51.100.{}", 40 + number).into();
        document["hosts"][format!("lee-esx{number}").as_str()] = host;
    }
    let path = place.path().join("eight.yaml");
    std::fs::write(&path, serde_yaml::to_string(&document).expect("YAML")).expect("a runbook");
    path.to_string_lossy().into_owned()
}
