//! What `--help` tells after the options of a command: what to expect of it, and examples. Kept within 108
//! columns, since nothing breaks these lines.

pub(super) const PROGRAM: &str = "\
Examples:
  lifeboat practice                      learn it on a simulated site; nothing real is touched
  lifeboat validate my-runbook.yaml      is the file right?
  lifeboat check my-runbook.yaml         are the hosts and backups ready for it?
  lifeboat plan my-runbook.yaml          every step and command, to read or print
  lifeboat drill my-runbook.yaml         try it beside production, in isolation
  lifeboat run my-runbook.yaml           fail over, one confirmed step at a time
  lifeboat resume                        go on after the console was left, crashed or was killed
  lifeboat failback 20260102-030405-k7qd go home again

Exit status: 0 finished, nothing found; 1 finished with failed or skipped steps, findings, or a
journal that does not verify; 2 usage, invalid file, unknown run; 3 refused by a safety rule, or the
run is held elsewhere; 4 can be resumed: a signal, or an answer is missing.";

pub(super) const PRACTICE: &str = "\
Examples:
  lifeboat practice
  lifeboat practice my-runbook.yaml --speed 10
  lifeboat practice --headless --yes --speed 20 --scale 16MiB";

pub(super) const DRILL: &str = "\
The VMs are restored under names of their own (drill-RUN-VM), and joined to port groups on a virtual
switch without uplinks (drill-RUN). That nothing leads out of it is proven on the host before each VM
starts; in a drill `fence` is that proof. Nothing is changed at the protected site, and only a step
of the runbook that looks there asks it anything.

The abort criterion, the time limit and who holds the abort key are asked first, or stand in the
answers file: `drill: { abort: any alarm, limit: 4h, abort_key: bob }`.

A drill's copies never go live, but a live restore can start from their disks. In an emergency it is
`lifeboat cleanup RUN --keep-disks`, then `lifeboat run RUNBOOK --from-drill RUN`: only what differs from
the restore point is sent. Any `lifeboat run` tells first what an open drill holds: VMs that are on, space,
memory.

Examples:
  lifeboat drill my-runbook.yaml
  lifeboat drill my-runbook.yaml --headless --yes --answers answers.yaml";

pub(super) const RUN: &str = "\
Every command is shown before it is sent. Leaving (q) or a crash costs nothing: `lifeboat resume`.

With --planned the protected site is alive: its VMs are shut down in reverse order, copied once more
after that, and started at the recovery site. Nothing is lost; RTO counts from the first stop.

Before the first step the hosts are looked at, as `lifeboat check` does (with --planned as
`lifeboat check --planned`). What was found is shown and confirmed, a blocker with a reason; with
--headless it is printed and the run starts, since each step looks again before it acts. Either way the
journal keeps it.

A prompt can be answered with no (d, and a reason): the step fails, and you choose the way on. In an
answers file: `STEP-ID: { by: alice, decline: the owner is against it }`. Where two people confirm,
`second` is another one than `by`, and answers a challenge with `response`. What a VM asks and Lifeboat
does not know waits for you; `STEP-ID: { answer: { \"Cannot open the disk\": Cancel } }` is your answer: a
part of its text, and one of its labels. Where it is missing the line to write is printed.

With --from-drill it is a failover like any other: fences, ownership and sums are the same, and the
restore point is chosen as always. Only `restore` is faster: where the drill left a disk on the same
datastore (`lifeboat cleanup DRILL --keep-disks`), the host clones it, and only what differs from the
restore point is sent; the whole is proven by its sum. The drill's disks are only read. One that does not
fit is named, and its file comes whole.

Examples:
  lifeboat run my-runbook.yaml
  lifeboat run my-runbook.yaml --planned
  lifeboat run my-runbook.yaml --from-drill 20260102-030405-k7qd
  lifeboat run my-runbook.yaml --only sql01,web01
  lifeboat run my-runbook.yaml --headless --yes --answers answers.yaml";

pub(super) const FAILBACK: &str = "\
With a run, its frozen runbook is walked back and its variables are taken over. With a runbook, the
newest finished failover of that runbook is taken back, if there is one.

VMs that the run did not move stay out, with the reason. A VM that it moved and that no step of
`failback` is about gets steps of its own: shut down, copied back, started, taken out of the inventory;
one whose home is a physical server is led through its restore, with evidence asked at each step.

Before the first step the hosts are looked at, as `lifeboat check --failback` does, and what was found is
treated as by `lifeboat run`.";

pub(super) const RESUME: &str = "\
Without RUN it takes the one unfinished run. Failed steps are tried once more; what is done is not
done again.

A corrected runbook may change steps that have not begun and add new ones. What is done, and what
has sent something to a host, must keep its meaning: take it back first, or leave it out and add a
step. The difference is shown and a reason asked. The corrected file is kept in the run's folder.

Examples:
  lifeboat resume
  lifeboat resume 20260102-030405-k7qd --runbook corrected.yaml --reason 'wrong datastore for web01'
  lifeboat resume 20260102-030405-k7qd --take-over --operator bob";

pub(super) const COMMIT: &str = "\
It shows every file and asks once. After that there is no rollback. `commit: { within: 24h }` in the
runbook gives this decision a clock; when it is over nothing happens by itself.

A commit that was begun, and of which nothing was done yet, can be left with a reason: the run then
waits for its decision as before, and the journal tells who left it.

Examples:
  lifeboat commit 20260102-030405-k7qd
  lifeboat commit 20260102-030405-k7qd --leave --reason 'the owner of sql01 is against it'
  lifeboat commit 20260102-030405-k7qd --headless --yes";

pub(super) const ROLLBACK: &str = "\
From the run's journal it makes the steps that undo it: VMs that the run started are stopped, what it
registered is unregistered, files of before it get their names back, VMs that it stopped are started
again once no other copy runs, and the files that it brought are removed, each by its name. What the
run did not make is left alone. Where a VM has run from files that are to be removed, its name has to
be typed: what it wrote may be nowhere else; skip that step, with a reason, to keep them.

Refused after a commit, and once a failback has begun to move the VMs home. A commit that was begun and
of which nothing was done is left for it: a reason is asked (--reason). It can be gone on with like any
run, and left as long as nothing of it was done (--leave). Exit status 1: something is left; `lifeboat
cleanup RUN` tries that again.";

pub(super) const CLEANUP: &str = "\
It lists everything that stands as the run left it and asks once, then takes each thing back or removes
it by its name, looks whether it is gone, and says what is left (exit status 1). Files that a VM has run
from outside a drill still ask for its name. On a run that is cleaned it does nothing.

A drill is closed by what was learnt: once nothing is left, it asks for findings, each with who mends it
by which date, or for the statement that there are none. Without a terminal they stand in the answers
file; as long as they are missing the exit status is 1, and the same command asks for nothing else.

With --keep-disks a drill is cleaned up for an emergency: its VMs are stopped and unregistered, networks
and everything else go as always, but the folders with its disks stay, and the journal keeps why. Nobody
is asked for findings yet. `lifeboat run RUNBOOK --from-drill RUN` then sends only what differs from them.
They are there until `lifeboat cleanup RUN` without --keep-disks deletes them; while such a run has steps
left it asks why (--reason; --yes accepts it), for that run sends whole what it then has yet to restore.

Examples:
  lifeboat cleanup 20260102-030405-k7qd
  lifeboat cleanup 20260102-030405-k7qd --keep-disks --reason 'London is dark'
  lifeboat cleanup 20260102-030405-k7qd --headless --yes --answers answers.yaml

  # answers.yaml
  drill: { findings: none }
  drill: { findings: [{ text: the restore was slow, owner: ann, due: 2026-02-01 }] }";

pub(super) const WATCH: &str = "\
It reads the run's journal as it grows: no host is asked, no key decides. q stops watching; it ends
by itself when the run does. Any number of consoles may watch. The status is the run's as it stands.

With --hosts it looks at the hosts of both sites too, with commands that only look, from the end of
the steps until somebody commits the run, rolls it back or takes its VMs home. It prints plain lines,
and rings at a terminal when a VM of the run runs at both sites (recovery required, with the ways out),
a host that was silent answers again (and what runs there, or that it lets nobody look), a VM that the
run started is not on any more or runs at the site that it left, or a host cannot be reached. It never
stops or starts anything. Where the run's steps are over and no console has it open, what it sees of a
VM that runs twice, and of a host that is back, is added to the run's journal, so that the report says
it and commit waits; everything else is only printed.

Exit status with --hosts: 0 nothing is wrong as last seen; 1 something is; 2 usage, unknown run, a
missing password; 3 there is nothing to watch (a practice, a drill, a run that was ended); 4 a signal
before the first look.

Examples:
  lifeboat watch 20260102-030405-k7qd
  lifeboat watch 20260102-030405-k7qd --hosts
  lifeboat watch 20260102-030405-k7qd --hosts --json --answers answers.yaml";

pub(super) const BRIEF: &str = "\
What is done and when, what runs and until when, what comes next, what stands on somebody's word,
what was decided. It is read from the run's journal; no host is asked. At a terminal: o.";

pub(super) const CHECK: &str = "\
Every host is asked at the same time, with commands that only look: login and host key, release,
clock, licence, maintenance mode, vCenter; datastores and the room for everything that lands there;
port groups and uplinks; the restore points of each VM that `restore` brings, or whose files
`restore_files` brings, their age beside the RPO, sums and chains; whether its .vmx fits; whether a VM
that no step brings stands ready, and on where no step starts it; names, MACs and UUIDs that are there
twice; what earlier runs have left; when it was last drilled. The data of disks is not read: a restore
proves it.

With --planned it is looked at as `run --planned` would walk it: the protected site is alive, so that a
host which does not answer blocks the VMs that are shut down there, and what is copied after that is
judged by what lies there now. A runbook that would lose data that way is refused.

With --failback the way home is looked at: of the run, or of the newest failover of the runbook. Where
each VM is that goes home, and whether it runs at home too; the protected site's hosts, datastores with
room for what comes beside the originals, memory, port groups, names, MACs and UUIDs.

Severities: a blocker keeps a VM from coming up, a warning makes it worse than it should be, a note
is worth knowing. With --watch it looks again and again and prints only what changed.

Exit status: 0 ready (notes at most); 1 warnings or blockers; 2 usage, invalid file, a missing
password; 3 with --failback, a run that cannot go home; 4 a signal before the first look was done.
With --watch that of the last look.

Examples:
  lifeboat check my-runbook.yaml
  lifeboat check my-runbook.yaml --planned     before VMs are moved from a site that is alive
  lifeboat check my-runbook.yaml --watch 30m
  lifeboat check 20260102-030405-k7qd --failback
  lifeboat check my-runbook.yaml --json --answers answers.yaml";

pub(super) const RUNS: &str = "\
Below the list stands the RTO of the newest finished runs of each runbook and mode, oldest first, with
the part of the objective that was used, and for each runbook that says `drill: { every: 90d }` when its
next drill is due. A runbook counts as it lies in its newest run.";

pub(super) const VERIFY: &str = "\
The journal's chain of hashes is checked line by line, its head against the report and the runs that take
this one back, and the other files of the folder against their sums in report.json. Each of report.md,
report.html and report.json is made anew from the journal and compared. A folder that was passed on is
checked by its journal: lifeboat verify FOLDER/journal.jsonl";

pub(super) const REPORT: &str = "\
It sets objectives against what was reached and puts first whatever was vouched for instead of proven;
then deviations, overrides, findings, the timeline, every decision and every command, and the head hash.
The run's folder holds it in all three formats as report.md, report.html and report.json, written
whenever the console leaves the run. No host is asked.

Examples:
  lifeboat report 20260102-030405-k7qd
  lifeboat report 20260102-030405-k7qd --format html > report.html
  lifeboat report 20260102-030405-k7qd --format md,html,json     writes them into the run's folder anew";

pub(super) const SIM: &str = "\
Example:
  lifeboat sim my-runbook.yaml --emit site.yaml     and in another terminal:
  lifeboat run site.yaml";

pub(super) const SCHEMA: &str = "\
Example:
  lifeboat schema > lifeboat.schema.json             and as the first line of the runbook:
  # yaml-language-server: $schema=lifeboat.schema.json

A schema knows keys and kinds; names that do not fit and unsafe orders are found by `lifeboat validate`.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  lifeboat completions bash > ~/.local/share/bash-completion/completions/lifeboat
  lifeboat completions zsh > ~/.zfunc/_lifeboat          (a folder of your fpath)
  lifeboat completions fish > ~/.config/fish/completions/lifeboat.fish";

pub(super) const MAN: &str = "\
Examples:
  lifeboat man | man -l -
  lifeboat man run > ~/.local/share/man/man1/lifeboat-run.1";
