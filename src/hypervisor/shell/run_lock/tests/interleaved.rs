//! Two scripts at one lock, one step at a time, in every order.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};

use super::*;

/// Stops before each command that looks at the files or changes them, until a line comes in.
const STEPWISE: &str = r#"set -T
trap 'case $BASH_COMMAND in
  mkdir*|cat*|rm*|"printf "*|"[ -d"*) echo >&2; read -r _ ;;
esac' DEBUG
"#;

/// A script on its way.
struct Walker {
    script: Child,
    go: ChildStdin,
    stops: BufReader<ChildStderr>,
    is_over: bool,
}

impl Walker {
    fn new(command: &HostCommand) -> Self {
        let [_, _, script, rest @ ..] = command.words() else {
            panic!("{command:?}");
        };
        let mut script = Command::new("bash")
            .arg("--posix")
            .arg("-c")
            .arg(format!("{STEPWISE}{script}"))
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (go, stops) = (script.stdin.take().unwrap(), script.stderr.take().unwrap());
        let mut walker = Self {
            script,
            go,
            stops: BufReader::new(stops),
            is_over: false,
        };
        walker.wait();
        walker
    }

    /// Until it stands before its next command, or has ended.
    fn wait(&mut self) {
        self.is_over = self.stops.read_line(&mut String::new()).unwrap() == 0;
    }

    fn step(&mut self) {
        self.go.write_all(b"\n").unwrap();
        self.wait();
    }

    fn end(self) -> LockTaken {
        let done = self.script.wait_with_output().unwrap();
        let output = Output {
            status: done.status.code().unwrap_or(-1),
            stdout: done.stdout,
            ..Output::default()
        };
        LockTaken::parse(&output).unwrap()
    }
}

/// Walks two scripts to their ends, choosing as told and then the first that can go on; gives at each
/// point which was chosen of those that could.
fn walk(walkers: &mut [Walker; 2], told: &[usize]) -> Vec<(usize, usize)> {
    let mut chosen = Vec::new();
    loop {
        let able = |walker: &&mut Walker| !walker.is_over;
        let mut able: Vec<&mut Walker> = walkers.iter_mut().filter(able).collect();
        if able.is_empty() {
            return chosen;
        }
        let choice = told.get(chosen.len()).copied().unwrap_or(0);
        chosen.push((choice, able.len()));
        able[choice].step();
    }
}

/// Every order in which two scripts can go, each from a new start; gives how many there were.
fn in_every_order(start: impl Fn() -> [Walker; 2], check: impl Fn([LockTaken; 2], &str)) -> usize {
    let mut told: Vec<usize> = Vec::new();
    let mut orders = 0;
    loop {
        let mut walkers = start();
        let mut chosen = walk(&mut walkers, &told);
        orders += 1;
        check(walkers.map(Walker::end), &format!("{chosen:?}"));
        while chosen
            .pop_if(|(choice, able)| *choice + 1 == *able)
            .is_some()
        {}
        let Some((last, _)) = chosen.pop() else {
            return orders;
        };
        told = chosen.iter().map(|(choice, _)| *choice).collect();
        told.push(last + 1);
    }
}

#[test]
fn a_lock_that_is_being_made_and_broken_at_once_is_nobodys_or_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let base = format!("{}/lock", dir.path().display());
    let inner = format!("{base}/next");
    let dead = lock(&base, "dead");
    // The maker stands between the making of its folder and its name when the other looks.
    let makers = [
        (take_lock(&base, "maker"), &base, 1),
        (break_lock(&dead, "maker"), &inner, 2),
    ];
    for (maker, made, steps) in makers {
        let start = || {
            let _ = std::fs::remove_dir_all(&base);
            if *made != base {
                std::fs::create_dir(&base).unwrap();
                std::fs::write(format!("{base}/owner"), "dead\n").unwrap();
            }
            let mut maker = Walker::new(&maker);
            (0..steps).for_each(|_| maker.step());
            let nameless = look(&["sh"], &base).unwrap();
            assert_eq!(nameless, lock(made, ""));
            [maker, Walker::new(&break_lock(&nameless, "breaker"))]
        };
        let check = |ends: [LockTaken; 2], order: &str| {
            let standing = look(&["sh"], &base).unwrap();
            let owner = match ends {
                [LockTaken::Done, LockTaken::Done] => panic!("both have it: {order}"),
                [_, LockTaken::Done] => "breaker",
                // Where both drew back, the maker finds its own name.
                _ => "maker",
            };
            assert_eq!(standing.owner, owner, "{ends:?}, {order}");
        };
        let orders = in_every_order(start, check);
        assert!(orders > 30, "{orders}");
    }
}
