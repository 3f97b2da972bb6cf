//! Sites, hosts, networks, backups, VMs.

use serde_json::{Value, json};

use super::object;
use super::types::{
    about, any_of, argv, duration, entries, flag, list, one_of, secret, text, whole,
};
use crate::runbook::read::shapes;

pub(super) fn site() -> Value {
    object(
        &shapes::SITE,
        &[
            ("role", one_of(&shapes::ROLES)),
            ("title", text()),
            (
                "datastores",
                about(
                    entries(datastore()),
                    "What several of its hosts may do at a time to one datastore that they share, as its VMs name it",
                ),
            ),
        ],
    )
}

fn datastore() -> Value {
    object(
        &shapes::DATASTORE,
        &[(
            "transfers",
            about(
                whole(1, shapes::MOST_TRANSFERS),
                "Steps that move disks onto it at a time, through whatever hosts",
            ),
        )],
    )
}

pub(super) fn host() -> Value {
    let fingerprint = json!({ "type": "string", "pattern": "^SHA256:[A-Za-z0-9+/]{43}$" });
    object(
        &shapes::HOST,
        &[
            ("site", about(text(), "The name of its site")),
            ("driver", about(one_of(&shapes::DRIVERS), "What it is")),
            (
                "address",
                about(
                    text(),
                    "host or host:port, IPv6 in brackets, or an alias of ~/.ssh/config",
                ),
            ),
            (
                "user",
                about(
                    text(),
                    "Who logs in; else what ~/.ssh/config says, else root",
                ),
            ),
            (
                "auth",
                about(list(login()), "Ways to log in, tried in this order"),
            ),
            (
                "host_key",
                about(
                    any_of([fingerprint.clone(), list(fingerprint)]),
                    "What `ssh-keygen -lf` prints of its key; else known_hosts. An unknown key is refused",
                ),
            ),
            (
                "guest",
                about(
                    text(),
                    "It is the operating system of this VM or physical server",
                ),
            ),
            (
                "transfers",
                about(
                    whole(1, shapes::MOST_TRANSFERS),
                    "Steps that move disks there at a time; 2 unless given",
                ),
            ),
            (
                "steps",
                about(
                    whole(1, shapes::MOST_STEPS),
                    "Other steps there at a time, waits among them; 4 unless given",
                ),
            ),
            (
                "bulk_session",
                about(
                    flag(),
                    "false: disks share the two sessions of the transfers' commands, where the host cuts off a further one; slower. Not heeded where the host is a hop",
                ),
            ),
            (
                "jump",
                about(
                    list(text()),
                    "Hops on the way, each a host of this runbook or user@host:port",
                ),
            ),
        ],
    )
}

fn login() -> Value {
    let mut file = object(
        &shapes::KEY_LOGIN,
        &[
            (
                "key",
                about(
                    text(),
                    "A private key's file; not ed25519 where ESXi is in FIPS mode",
                ),
            ),
            (
                "password",
                about(secret(), "A variable with `secret: true`"),
            ),
        ],
    );
    file["minProperties"] = json!(1);
    file["maxProperties"] = json!(1);
    any_of([json!({ "const": "agent" }), file])
}

/// The keys besides `drill` and `probe_from` are names of sites.
pub(super) fn network() -> Value {
    let made = object(
        &shapes::PORT_GROUP,
        &[
            ("portgroup", text()),
            ("vswitch", text()),
            ("vlan", whole(0, 4_095)),
        ],
    );
    let there = any_of([
        about(text(), "A port group that must exist on the host"),
        about(
            made,
            "A port group that is made if it is missing, and never changed",
        ),
    ]);
    json!({
        "type": "object",
        "properties": {
            "drill": about(text(), "Its port group in a drill, on a switch of its own without an uplink"),
            "probe_from": about(text(), "A posix host on that network, for duplicate addresses and ports"),
        },
        "required": ["drill"],
        "additionalProperties": about(there, "What it is called at this site"),
    })
}

pub(super) fn backup() -> Value {
    let restic = object(
        &shapes::RESTIC,
        &[
            ("repository", text()),
            (
                "path",
                about(text(), "A VM's folder in a snapshot, with ${vm} in it"),
            ),
            ("tag", text()),
            ("password", secret()),
            ("password_file", about(text(), "A file on the host")),
        ],
    );
    let borg = object(
        &shapes::BORG,
        &[
            ("repository", text()),
            (
                "path",
                about(text(), "A VM's folder in an archive, without a leading /"),
            ),
            (
                "archives",
                about(text(), "Which archives are its own: a glob with ${vm}"),
            ),
            ("password", secret()),
        ],
    );
    let command = object(
        &shapes::TOOL,
        &[
            ("points", about(argv(), "Prints its restore points; ${vm}")),
            (
                "files",
                about(argv(), "Prints a point's files; ${vm} ${point}"),
            ),
            (
                "file",
                about(argv(), "Prints a file; ${vm} ${point} ${file}"),
            ),
            (
                "environment",
                about(entries(secret()), "Secrets, by the name of a variable"),
            ),
        ],
    );
    let mut backup = object(
        &shapes::BACKUP,
        &[
            (
                "host",
                about(text(), "The host that has it; else this machine"),
            ),
            ("path", about(text(), "A folder of restore points")),
            (
                "layout",
                about(
                    one_of(&shapes::LAYOUTS),
                    "How the folder is laid out; else it is looked at",
                ),
            ),
            ("restic", restic),
            ("borg", borg),
            (
                "command",
                about(command, "Any tool that prints what it keeps"),
            ),
        ],
    );
    let forms = ["path", "restic", "borg", "command"];
    backup["oneOf"] = json!(forms.map(|form| json!({ "required": [form] })));
    backup
}

pub(super) fn vm() -> Value {
    object(
        &shapes::VM,
        &[
            ("title", text()),
            (
                "tier",
                about(whole(1, 1_000), "`for_each: { tier: 2 }` chooses by it"),
            ),
            (
                "priority",
                about(whole(1, 5), "1 is powered on first, 5 last; else 3"),
            ),
            (
                "needs",
                about(
                    list(text()),
                    "VMs that must be ready before it is powered on",
                ),
            ),
            ("protected", about(place(), "Where it lives")),
            ("recovery", about(place(), "Where it comes up")),
            (
                "physical",
                about(physical(), "The source is a physical server"),
            ),
            ("backup", about(text(), "The name of a backup")),
            (
                "consistency",
                about(one_of(&shapes::CONSISTENCIES), "As the backup was taken"),
            ),
            (
                "adapters",
                about(entries(adapter()), "ethernet0 to ethernet9, as in the .vmx"),
            ),
            (
                "ready",
                about(
                    list(rung()),
                    "What shows that it serves: all rungs, in this order; else [tools]",
                ),
            ),
            ("rto", duration()),
            ("rpo", duration()),
            (
                "role",
                about(
                    json!({ "const": "expendable" }),
                    "Shut down where room is needed",
                ),
            ),
        ],
    )
}

/// An expendable VM need not say its datastore, so the schema does not ask for one.
fn place() -> Value {
    object(
        &shapes::LOOSE_PLACE,
        &[
            ("host", about(text(), "The name of a host")),
            (
                "datastore",
                about(
                    text(),
                    "Its label on the host, or its UUID, the folder's name below /vmfs/volumes",
                ),
            ),
            (
                "folder",
                about(text(), "One folder on the datastore; else the VM's name"),
            ),
            (
                "vmx",
                about(
                    text(),
                    "folder/name.vmx, without /vmfs/volumes and the datastore",
                ),
            ),
            (
                "disk",
                about(one_of(&shapes::DISKS), "How its disks are made here"),
            ),
        ],
    )
}

fn physical() -> Value {
    object(&shapes::PHYSICAL, &[("address", text())])
}

fn adapter() -> Value {
    let full = object(
        &shapes::ADAPTER,
        &[
            ("network", about(text(), "The name of a network")),
            ("mac", one_of(&shapes::MACS)),
            (
                "address",
                about(
                    text(),
                    "10.20.0.11/24: asked for before the VM is powered on",
                ),
            ),
            (
                "duplicate_probe",
                about(
                    json!({ "const": "none" }),
                    "Where no place can see that network",
                ),
            ),
        ],
    );
    any_of([about(text(), "The name of a network"), full])
}

fn rung() -> Value {
    let tcp = object(
        &shapes::TCP_RUNG,
        &[(
            "tcp",
            about(any_of([whole(1, 65_535), text()]), "A port, or host:port"),
        )],
    );
    let http = object(
        &shapes::HTTP_RUNG,
        &[
            ("http", about(text(), "http://10.20.0.12/health")),
            ("status", whole(100, 599)),
            (
                "from",
                about(text(), "The posix host that asks; else the console"),
            ),
        ],
    );
    any_of([json!({ "const": "tools" }), tcp, http])
}
