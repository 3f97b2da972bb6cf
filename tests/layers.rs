//! The layers hold: a module uses only modules below it, the pure ones touch no world, and only one
//! module each knows `ssh2` and the terminal.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a source that cannot be read fails the test"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top down. The last row's modules may use each other.
const LAYERS: [&str; 22] = [
    "main",
    "cli",
    "sim",
    "tui",
    "headless",
    "report",
    "runner",
    "telemetry",
    "readiness",
    "actions",
    "transfer",
    "hypervisor",
    "host",
    "journal",
    "engine",
    "plan",
    "vmfiles",
    "runbook",
    // The ground: everybody stands on these.
    "clock",
    "settings",
    "logging",
    "error",
];
const GROUND: [&str; 6] = ["clock", "digest", "settings", "logging", "error", "names"];
/// Decided from data alone: no tasks, files, sockets, processes or clocks.
const PURE: [&str; 5] = ["report", "engine", "plan", "vmfiles", "runbook"];
const WORLD: [&str; 9] = [
    "tokio",
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::env",
    "std::thread",
    "Instant::now",
    "SystemTime",
];
/// The simulated site imitates hosts from the outside; shared code would hide shared mistakes.
const SIM_USES: [&str; 5] = ["sim", "vmfiles", "runbook", "names", "error"];

struct Source {
    path: PathBuf,
    /// The module right under `src/`.
    module: String,
    /// Without comments, and without what only tests see.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                collect(root, &path, found);
            }
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.ends_with(".rs") || name == "tests.rs" || name == "lib.rs" {
            continue;
        }
        let inside = path.strip_prefix(root).expect("under src");
        let first = inside
            .components()
            .next()
            .expect("a component")
            .as_os_str()
            .to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).expect("a source");
        found.push(Source {
            module,
            code: without_tests(&text),
            path,
        });
    }
}

/// Drops comments and everything from the first test module of a file on.
fn without_tests(text: &str) -> String {
    let product = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    product
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The modules that a source names after `crate::`, also in groups.
fn used(code: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|sign| sign.is_alphanumeric() || *sign == '_')
            .collect()
    };
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|sign: char| sign.is_alphanumeric() || sign == '_' || sign == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(first_words(group)),
            None => used.push(word(rest)),
        }
    }
    used
}

/// The first word of each path in `a::b, c::{d, e}, f}`.
fn first_words(group: &str) -> Vec<String> {
    let (mut depth, mut words, mut word) = (0, Vec::new(), String::new());
    let mut is_first = true;
    for sign in group.chars() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(std::mem::take(&mut word));
                is_first = true;
            }
            ':' => is_first = false,
            sign if depth == 0 && is_first && !sign.is_whitespace() => word.push(sign),
            _ => {}
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

fn rank(module: &str) -> usize {
    if GROUND.contains(&module) {
        return LAYERS.len();
    }
    LAYERS
        .iter()
        .position(|layer| *layer == module)
        .unwrap_or_else(|| panic!("{module} has no layer: put it where it belongs"))
}

#[test]
fn a_module_uses_only_modules_below_it() {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources() {
        for other in used(&source.code) {
            *seen.entry(other.clone()).or_default() += 1;
            // The binary reaches the library by its name; macros and test support name no module.
            if other == source.module || !other.starts_with(|sign: char| sign.is_lowercase()) {
                continue;
            }
            let both_ground =
                GROUND.contains(&source.module.as_str()) && GROUND.contains(&other.as_str());
            if rank(&other) <= rank(&source.module) && !both_ground {
                wrong.push(format!(
                    "{} uses {other}, which is above it",
                    source.path.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        seen.get("engine").is_some_and(|uses| *uses > 10),
        "uses were not found: {seen:?}"
    );
}

#[test]
fn pure_modules_touch_no_world() {
    let mut wrong = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| PURE.contains(&source.module.as_str()))
    {
        for banned in WORLD {
            if source.code.contains(banned) {
                wrong.push(format!("{} has {banned}", source.path.display()));
            }
        }
        for clock in ["Timestamp::now", "Zoned::now", "getrandom"] {
            if source.code.contains(clock) {
                wrong.push(format!("{} has {clock}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_module_each_knows_ssh_the_terminal_and_the_clocks() {
    let owners = [
        ("ssh2::", &["host"][..]),
        ("ratatui", &["tui"]),
        ("crossterm", &["tui"]),
        ("russh", &["sim", "host"]),
        ("clap", &["main", "cli"]),
    ];
    let mut wrong = Vec::new();
    for source in sources() {
        for (library, modules) in owners {
            if source.code.contains(library) && !modules.contains(&source.module.as_str()) {
                wrong.push(format!("{} has {library}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_simulated_site_shares_no_code_with_the_drivers() {
    for source in sources().iter().filter(|source| source.module == "sim") {
        for other in used(&source.code) {
            let allowed = SIM_USES.contains(&other.as_str()) || other == "clock";
            assert!(allowed, "{} uses {other}", source.path.display());
        }
    }
}

#[test]
fn the_test_itself_sees_what_it_looks_for() {
    let code = "use crate::engine::{A, B};\nuse crate::{host::Host, plan::{Plan, Step}, names};\nlet x = crate::tui::f(); // crate::cli";
    let mut found = used(&without_tests(code));
    found.sort();
    assert_eq!(found, ["engine", "host", "names", "plan", "tui"]);
    assert!(
        !without_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\n")
            .contains("cli")
    );
    assert!(rank("cli") < rank("engine") && rank("engine") < rank("names"));
}
