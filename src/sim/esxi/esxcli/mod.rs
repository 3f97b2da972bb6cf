//! `esxcli`: its formatters, and the commands that a recovery needs.
//!
//! `set`, `add` and `remove` are silent on success; errors go to standard output, with the usage of
//! the command where an option is wrong.

mod network;
mod other;
mod table;

pub(super) use self::network::clients;
use self::table::{Formatter, Shown};
use crate::sim::commands::{Call, Outcome};
use crate::sim::host::SimHost;

/// What a command answers.
enum Answer {
    /// Something to print.
    Shown(Shown),
    /// Nothing.
    Silent,
    /// A text on standard output, status 1.
    Error(String),
}

/// What was asked: the words of the name space, and options by their long names.
struct Request {
    words: Vec<String>,
    options: Vec<(String, String)>,
}

impl Request {
    fn option(&self, long: &str, short: &str) -> Option<&str> {
        let found = self
            .options
            .iter()
            .find(|(name, _)| name == long || name == short);
        found.map(|(_, value)| value.as_str())
    }
}

/// `esxcli [--formatter=…] [--format-param=fields=…] [--debug] NAMESPACE… COMMAND [OPTIONS]`
pub(super) fn run(call: &mut Call) -> Outcome {
    call.process.pause(call.host.pace.real(0.2))?;
    let mut formatter = Formatter::Text;
    let mut fields = None;
    let mut debug = false;
    let mut request = Request {
        words: Vec::new(),
        options: Vec::new(),
    };
    let args = call.args.clone();
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        if let Some(flag) = arg.strip_prefix("--") {
            let (name, glued) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            if name == "debug" {
                debug = true;
                continue;
            }
            let value = match glued {
                Some(value) => value,
                None => args
                    .next_if(|next| !next.starts_with('-'))
                    .cloned()
                    .unwrap_or_default(),
            };
            match name {
                "formatter" => match Formatter::named(&value, debug) {
                    Some(found) => formatter = found,
                    None => {
                        call.out(&format!("Invalid formatter: {value}\n"))?;
                        return Ok(1);
                    }
                },
                "format-param" => fields = value.strip_prefix("fields=").map(str::to_owned),
                _ => request.options.push((name.to_owned(), value)),
            }
        } else if let Some(flag) = arg.strip_prefix('-').filter(|flag| !flag.is_empty()) {
            let (name, rest) = flag.split_at(flag.chars().next().map_or(0, char::len_utf8));
            let value = if rest.is_empty() {
                args.next().cloned().unwrap_or_default()
            } else {
                rest.trim_start_matches('=').to_owned()
            };
            request.options.push((name.to_owned(), value));
        } else {
            request.words.push(arg.clone());
        }
    }
    let host = std::sync::Arc::clone(&call.host);
    if !host.esxi.as_ref().is_some_and(|esxi| esxi.hostd_is_up()) {
        call.out("Connect to localhost failed: Connection failure\n")?;
        return Ok(1);
    }
    if request.words.is_empty() {
        call.out(HELP)?;
        return Ok(0);
    }
    match answer(&host, &request) {
        Some(Answer::Shown(shown)) => {
            call.out(&shown.print(formatter, fields.as_deref()))?;
            Ok(0)
        }
        Some(Answer::Silent) => Ok(0),
        Some(Answer::Error(text)) => {
            call.out(&format!("{text}\n"))?;
            Ok(1)
        }
        None => {
            call.out(&format!(
                "Error: Unknown command or namespace {}\n\n",
                request.words.join(" ")
            ))?;
            Ok(1)
        }
    }
}

fn answer(host: &std::sync::Arc<SimHost>, request: &Request) -> Option<Answer> {
    let words: Vec<&str> = request.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["network", rest @ ..] => network::answer(host, rest, request),
        rest => other::answer(host, rest, request),
    }
}

const HELP: &str = "Usage: esxcli [options] {namespace}+ {cmd} [cmd options]\n\n\
Options:\n  --formatter=FORMATTER\n                        Override the formatter to use for a given command. Available formatter: xml, csv, keyvalue\n  \
--debug               Enable debug or internal use options\n  \
--version             Display version information for the script\n  \
-?, --help            Display usage information for the script\n\n\
Available Namespaces:\n  hardware\n  network\n  storage\n  system\n  vm\n";
