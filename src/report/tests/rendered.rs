//! The three ways in which a report is written down: what they look like, and that nothing which a
//! host, a file or a person said becomes part of a page.

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::*;
use crate::report::Format;

/// Text that a browser, a terminal or Markdown would obey if nothing kept it from that.
const HOSTILE: [&str; 8] = [
    "</td></table><script>alert(1)</script>",
    "\" onload=\"alert(1)\" x='",
    "&lt;b&gt; &amp; \u{202e}gpj.exe\u{200b}",
    "\u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J",
    "| cell\n\n# heading\r\n- item `code` ```",
    "](javascript:alert(1)) <img src=x> ~~x~~",
    "]]> <!-- \0 \u{85}\u{2028}\u{feff}",
    "```\n</code></pre>\\",
];

fn evidence() -> [Evidence; 2] {
    let of = |path: &str, sum: Option<&str>| Evidence {
        path: path.to_owned(),
        bytes: sum.map(|_| 512),
        sha256: sum.map(str::to_owned),
    };
    [
        of("journal.jsonl", Some(HEAD)),
        of("output/lee-esx1.log", None),
    ]
}

/// A run in which VMs came to serve as well, one of them late.
fn told() -> Case {
    let mut case = eventful();
    let restore = "failover/recover/web01/restore";
    case.step(16, restore, RunEvent::StepStarted);
    case.fact(17, restore, point("web01", 30, true));
    case.step(
        40,
        restore,
        RunEvent::StepDone {
            evidence: vec!["3 files".to_owned()],
        },
    );
    case.step(41, "failover/recover/web01/ready", RunEvent::StepStarted);
    serves(&mut case, 250, "failover", "recover", "web01");
    case.step(
        250,
        "failover/recover/web01/ready",
        RunEvent::StepDone { evidence: vec![] },
    );
    case
}

fn rendered(case: &Case, format: Format) -> String {
    format.render(&document(&case.report(), &evidence()))
}

#[test]
fn a_run_as_markdown_html_and_json() {
    let case = told();
    // No snapshot follows the version of the program.
    let rendered = |format| {
        let this = env!("CARGO_PKG_VERSION");
        let text = rendered(&case, format);
        let text = text.replace(&format!("Lifeboat {this}"), "Lifeboat VERSION");
        let data = format!("\"written_by\": \"{this}\"");
        text.replace(&data, "\"written_by\": \"VERSION\"")
    };
    insta::assert_snapshot!("markdown", rendered(Format::Markdown));
    let html = rendered(Format::Html);
    let (head, rest) = html.split_once("<style>\n").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    insta::assert_snapshot!("html", format!("{head}<style></style>{body}"));
    insta::assert_snapshot!("json", rendered(Format::Json));
}

/// Other programs read these: a key may be added, none may go or change its kind.
#[test]
fn the_keys_of_the_json_are_as_they_were() {
    let case = told();
    let document = serde_json::to_value(document(&case.report(), &evidence())).unwrap();
    let mut keys = BTreeMap::new();
    kinds(&document, "", &mut keys);
    let keys: Vec<String> = keys
        .into_iter()
        .map(|(key, kind)| format!("{key}: {kind}"))
        .collect();
    insta::assert_snapshot!("json-keys", keys.join("\n"));
}

/// The kind of every value by its path; a value wins over `null`.
fn kinds(data: &Value, path: &str, into: &mut BTreeMap<String, &'static str>) {
    let kind = match data {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(all) => {
            for one in all {
                kinds(one, &format!("{path}[]"), into);
            }
            "list"
        }
        Value::Object(all) => {
            for (key, one) in all {
                kinds(one, &format!("{path}.{key}"), into);
            }
            "object"
        }
    };
    if kind != "null" || !into.contains_key(path) {
        into.insert(path.to_owned(), kind);
    }
}

/// The same value with `words` behind every text in it that may be any text.
fn with<T: Serialize + DeserializeOwned>(value: &T, words: &str) -> T {
    let mut data = serde_json::to_value(value).unwrap();
    let mut paths = Vec::new();
    texts(&data, String::new(), &mut paths);
    for path in paths {
        let before = data.clone();
        if let Some(Value::String(text)) = data.pointer_mut(&path) {
            text.push_str(words);
        }
        if serde_json::from_value::<T>(data.clone()).is_err() {
            data = before;
        }
    }
    serde_json::from_value(data).unwrap()
}

fn texts(data: &Value, path: String, into: &mut Vec<String>) {
    match data {
        Value::String(_) => into.push(path),
        Value::Array(all) => {
            for (at, one) in all.iter().enumerate() {
                texts(one, format!("{path}/{at}"), into);
            }
        }
        Value::Object(all) => {
            for (key, one) in all.iter().filter(|(key, _)| *key != "event") {
                texts(one, format!("{path}/{key}"), into);
            }
        }
        _ => {}
    }
}

/// The run in which everybody and everything also said `words`.
fn saying(words: &str) -> [String; 3] {
    let mut case = told();
    for entry in &mut case.entries {
        let entry = Arc::make_mut(entry);
        entry.event = with(&entry.event, words);
    }
    case.info = with(&case.info, words);
    let evidence = evidence().map(|file| Evidence {
        path: file.path + words,
        ..file
    });
    let document = document(&case.report(), &evidence);
    Format::ALL.map(|format| format.render(&document))
}

/// Everything between `<` and `>`, without what is said in an attribute.
fn tags(html: &str) -> Vec<String> {
    let (_, body) = html.split_once("</style>").unwrap();
    body.split('<')
        .skip(1)
        .map(|rest| {
            let tag = rest.split('>').next().unwrap();
            tag.split('"').step_by(2).collect::<String>()
        })
        // A place where a line may break says nothing.
        .filter(|tag| tag != "wbr")
        .collect()
}

/// Bars of each line that part cells: in a table one behind a backslash does not, even in code.
fn cells(markdown: &str) -> Vec<usize> {
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    markdown.lines().map(bars).collect()
}

fn assert_harmless(words: &str) {
    let (calm, said) = (saying("x"), saying(&format!("x{words}")));
    for text in &said {
        let bad = |sign: &char| {
            sign.is_control() && *sign != '\n' || "\u{202e}\u{200b}\u{2028}\u{feff}".contains(*sign)
        };
        assert_eq!(text.chars().find(bad), None, "{words:?}");
    }
    let [markdown, html, json] = &said;
    assert_eq!(cells(markdown), cells(&calm[0]), "{words:?}");
    assert_eq!(tags(html), tags(&calm[1]), "{words:?}");
    let data: Value = serde_json::from_str(json).unwrap();
    assert_eq!(data["format"], 1);
}

#[test]
fn what_was_said_stays_text() {
    for words in HOSTILE {
        assert_harmless(words);
        for text in saying(words) {
            assert!(!text.contains("\u{1b}") && !text.contains("\u{202e}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_stays_text(words in "[<>&\"'`|\\\\\\[\\]()#*_~\\-!\\n\\r\\t\\x00-\\x1f\\x7f\\u{80}-\\u{a0}\\u{200b}\\u{202e}a-z ]{0,24}") {
        assert_harmless(&words);
    }
}

/// The page asks nothing of anybody: no script, no address, no handler.
#[test]
fn a_page_needs_nothing_from_elsewhere() {
    let html = rendered(&told(), Format::Html);
    for word in [
        "<script",
        "http://",
        "https://",
        "url(http",
        "@import",
        "javascript:",
        "<img",
        "<link",
        "src=",
    ] {
        assert!(!html.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
}

/// Every element that is opened is closed, in order.
#[test]
fn a_page_is_well_formed() {
    let html = rendered(&told(), Format::Html);
    let mut open = Vec::new();
    for rest in html.split('<').skip(1) {
        let tag = rest.split('>').next().unwrap();
        let name = |tag: &str| tag.split([' ', '\n']).next().unwrap().to_owned();
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(name(closed)), "</{closed}>"),
            None if tag.starts_with('!')
                || tag.ends_with('/')
                || matches!(&*name(tag), "meta" | "wbr") => {}
            None => open.push(name(tag)),
        }
    }
    assert_eq!(open, Vec::<String>::new());
}
